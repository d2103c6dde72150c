"""What a guard costs: a token verified, and a route guarded, beside the peers in the same run.

Each round measures every candidate over the same tokens, one after another; a figure is the
median over the rounds of the ratio, or of the difference, within one round.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI

from doorward.asgi import ClerkMiddleware
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.clerk.tokens import parse
from doorward.fastapi import ClerkAuth, Principal
from doorward.standin import DEFAULT_PARTY, Standin

ROUNDS = 15
TOKENS = 200
REQUESTS = 500
_NODE = Path(__file__).parent / "guard.mjs"
Times = dict[str, list[float]]


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        standin = Standin.open(Path(folder))
        tokens = [_token(standin) for _ in range(TOKENS)]
        verified = asyncio.run(_measure_verifying(standin, tokens))
        guarded = asyncio.run(_measure_guarding(standin, tokens))
        node = _node(standin, tokens)
    return [*_verifying(verified), *node, *_guarding(guarded)]


def _token(standin: Standin) -> str:
    return standin.mint(
        "alice",
        org="acme",
        role="org:admin",
        permissions=["org:files:share", "org:files:read"],
        ttl=3600,
        claims={"metadata": {"note": "x" * 120}},
    )


def _auth(standin: Standin) -> ClerkAuth:
    """Make a guard whose revocations hold some entries, so that asking them does its work."""
    revocations = Revocations(MemoryState())
    for number in range(100):
        _complete(revocations.revoke_session(f"sess_{number}"))
    return ClerkAuth(
        jwt_key=standin.public_key_pem,
        authorized_parties=[DEFAULT_PARTY],
        revocation=revocations,
    )


def _complete(coroutine: Any) -> None:
    """Run what never waits to its end, inside of a running loop too."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("It waits.")


async def _measure_verifying(standin: Standin, tokens: list[str]) -> Times:
    key = load_pem_public_key(standin.public_key_pem.encode())
    parsed = [parse(token) for token in tokens]
    auth = _auth(standin)
    verifier = _auth(standin).authenticator.verifier
    padding, digest = PKCS1v15(), SHA256()

    async def raw() -> None:
        for token in parsed:
            key.verify(token.signature, token.signed, padding, digest)

    async def first() -> None:
        verifier._memo.clear()  # noqa: SLF001 - what a token costs that was not seen before
        for token in tokens:
            verifier.verify_sync(token)

    async def authenticated() -> None:
        authenticate = auth.authenticator.verify
        for token in tokens:
            await authenticate(token)

    async def pyjwt() -> None:
        for token in tokens:
            jwt.decode(token, key, algorithms=["RS256"])

    await authenticated()
    candidates = {
        "raw": raw,
        "first": first,
        "authenticated": authenticated,
        "pyjwt": pyjwt,
    }
    return await _rounds(candidates, TOKENS)


async def _measure_guarding(standin: Standin, tokens: list[str]) -> Times:
    auth, forgetful = _auth(standin), _auth(standin)
    open_app, guarded_app, cold_app = FastAPI(), FastAPI(), FastAPI()

    @open_app.get("/me")
    async def unguarded() -> dict[str, str]:
        return {"user": "user_alice"}

    @guarded_app.get("/me")
    async def guarded(who: Annotated[Principal, Depends(auth.required)]) -> dict[str, str]:
        return {"user": who.user_id or ""}

    @cold_app.get("/me")
    async def cold_route(
        who: Annotated[Principal, Depends(forgetful.required)],
    ) -> dict[str, str]:
        return {"user": who.user_id or ""}

    behind = ClerkMiddleware(open_app, auth)

    def cold() -> None:
        forgetful.authenticator.verifier._memo.clear()  # noqa: SLF001

    candidates = {
        "unguarded": lambda: _ask(open_app, tokens),
        "dependency": lambda: _ask(guarded_app, tokens),
        "dependency cold": lambda: _ask(cold_app, tokens, before=cold),
        "middleware": lambda: _ask(behind, tokens),
    }
    return await _rounds(candidates, REQUESTS)


async def _ask(app: Any, tokens: list[str], before: Callable[[], None] | None = None) -> None:
    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        assert message.get("status", 200) == 200

    for number in range(REQUESTS):
        if before is not None and number % TOKENS == 0:
            before()  # each token once before it is forgotten
        token = tokens[number % TOKENS]
        await app(
            {
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
                "headers": [
                    (b"host", b"127.0.0.1"),
                    (b"authorization", f"Bearer {token}".encode()),
                ],
            },
            receive,
            send,
        )


async def _rounds(candidates: dict[str, Callable[[], Awaitable[None]]], calls: int) -> Times:
    """Give microseconds per call of every candidate, a number per round."""
    times: Times = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, candidate in candidates.items():
            began = time.perf_counter()
            await candidate()
            times[name].append((time.perf_counter() - began) / calls * 1e6)
    return times


def _node(standin: Standin, tokens: list[str]) -> list[dict]:
    if shutil.which("node") is None:
        return []
    asked = {"jwtKey": standin.public_key_pem, "tokens": tokens, "party": DEFAULT_PARTY}
    done = subprocess.run(
        ["node", _NODE], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return [
        _figure("Clerk's own verifyToken / raw RSA, both in Node", found["ratio"], "x"),
        _figure("Clerk's own verifyToken in Node", found["verify"], "us"),
    ]


def _verifying(times: Times) -> list[dict]:
    return [
        _figure("raw RSA verification", statistics.median(times["raw"]), "us"),
        _figure("first sight / raw RSA", _ratio(times, "first", "raw"), "x", "<= 1.4"),
        _figure(
            "repeated sight, revocation asked / raw RSA",
            _ratio(times, "authenticated", "raw"),
            "x",
            "<= 0.1",
        ),
        _figure("PyJWT / raw RSA", _ratio(times, "pyjwt", "raw"), "x"),
        _figure("first sight / PyJWT", _ratio(times, "first", "pyjwt"), "x"),
    ]


def _guarding(times: Times) -> list[dict]:
    return [
        _figure("unguarded route in process", statistics.median(times["unguarded"]), "us"),
        _figure("dependency adds, warm", _added(times, "dependency"), "us", "<= 15"),
        _figure("dependency adds, cold", _added(times, "dependency cold"), "us", "<= 60"),
        _figure("middleware adds, warm", _added(times, "middleware"), "us", "<= 5"),
    ]


def _ratio(times: Times, ours: str, theirs: str) -> float:
    return statistics.median(a / b for a, b in zip(times[ours], times[theirs], strict=True))


def _added(times: Times, name: str) -> float:
    pairs = zip(times[name], times["unguarded"], strict=True)
    return statistics.median(guarded - unguarded for guarded, unguarded in pairs)


def _figure(what: str, value: float, unit: str, aim: str = "") -> dict:
    return {"what": what, "value": round(value, 3), "unit": unit, "aim": aim}
