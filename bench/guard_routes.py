"""What a guard adds to a FastAPI route in process, without a server or a socket."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request

from bench import guard_peers
from bench.guard_app import DEPENDENCY, MIDDLEWARE, UNGUARDED, application, guarded
from bench.guard_peers import Trust
from bench.measuring import Candidate, Times, added, figure, ratio, time_in_turns
from doorward.asgi import ClerkMiddleware

_ONE_OBJECT = "the same application object, middleware before it"
_EMPTY = "a dependency that does nothing"
_AIMS = {
    MIDDLEWARE: ("<= 5", ""),
    DEPENDENCY: ("<= 15", "<= 60"),
}


async def measure(trust: Trust, tokens: list[str], spare: str, rounds: int) -> list[dict]:
    """Give what each guard adds to a route, warm and with every token at first sight.

    ``spare`` is a good token that is not among the others.
    """
    await check(trust, spare)
    return _figures(await time_in_turns(_candidates(trust, tokens, spare), rounds))


def _candidates(trust: Trust, tokens: list[str], spare: str) -> dict[str, Candidate]:
    plain = application()
    candidates = {
        UNGUARDED: _warm(plain, tokens),
        _EMPTY: _warm(application(_nothing), tokens),
        _ONE_OBJECT: _warm(ClerkMiddleware(plain, guard_peers.doorward(trust)), tokens),
    }
    for name in (MIDDLEWARE, DEPENDENCY):
        candidates[name] = _warm(guarded(name, trust), tokens)
        candidates[_cold(name)] = _forgetful(name, trust, tokens, spare)
    for name in guard_peers.peers():
        candidates[name] = _warm(guarded(name, trust), tokens)
    return candidates


async def _nothing(request: Request) -> None:
    """Cost what FastAPI asks of every dependency that sees the request."""


def _warm(app: Any, tokens: list[str]) -> Candidate:
    async def run() -> None:
        for token in tokens + tokens:
            await _ask(app, token)

    return Candidate(run, 2 * len(tokens))


def _forgetful(name: str, trust: Trust, tokens: list[str], spare: str) -> Candidate:
    """Give a candidate whose guard is new in every round, and so knows none of the tokens."""
    app: Any = None

    async def renew() -> None:
        nonlocal app
        app = guarded(name, trust)
        # The first request through the guard makes the framework put its own layers together.
        await _ask(app, spare)

    async def run() -> None:
        for token in tokens:
            await _ask(app, token)

    return Candidate(run, len(tokens), renew)


async def check(trust: Trust, token: str) -> None:
    """Make sure that each guard guards, since one that lets all in would look fast.

    Raises AssertionError.
    """
    for name in (MIDDLEWARE, DEPENDENCY, *guard_peers.peers()):
        app = guarded(name, trust)
        await _ask(app, token)
        refused = 403 if name == "fastapi-clerk-auth" else 401
        await _ask(app, token[:-8] + "AAAAAAAA", expected=refused)


async def _ask(app: Any, token: str, expected: int = 200) -> None:
    await app(_scope(token), _receive, _SENDS[expected])


def _scope(token: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/me",
        "raw_path": b"/me",
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())],
    }


async def _receive() -> dict:
    return {"type": "http.request", "body": b"", "more_body": False}


def _expecting(status: int) -> Callable[[dict], Awaitable[None]]:
    async def send(message: dict) -> None:
        assert message.get("status", status) == status, message

    return send


_SENDS = {status: _expecting(status) for status in (200, 401, 403)}


def _cold(name: str) -> str:
    return f"{name}, every token at first sight"


def _figures(times: Times) -> list[dict]:
    plain = times[UNGUARDED]
    figures = [
        figure("unguarded route in process", plain, "us"),
        added(f"{_EMPTY} adds", times[_EMPTY], plain),
    ]
    for name, (warm, cold) in _AIMS.items():
        figures.append(added(f"{name} adds, warm", times[name], plain, warm))
        figures.append(added(f"{name} adds, cold", times[_cold(name)], plain, cold))
    figures.append(added(f"{_ONE_OBJECT}: adds, warm", times[_ONE_OBJECT], plain, "<= 5"))
    for name in guard_peers.peers():
        figures.append(added(f"{name} adds", times[name], plain))
        figures.append(ratio(f"route behind {name} / unguarded", times[name], plain))
    return figures
