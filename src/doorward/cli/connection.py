"""Which server, and as whom: flags, then the environment, then what ``login`` remembered."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import ExitStatus, fail
from doorward.client.calls import URL_DEFAULT
from doorward.client.errors import (
    ConnectionFailed,
    DoorwardError,
    NotAuthenticated,
    PermissionDenied,
    ServerError,
)

if TYPE_CHECKING:
    from doorward.client.aio import AsyncDoorward

_FRESH_SECONDS = 45.0  # of a stand-in token's 60

UrlOption = Annotated[str | None, typer.Option("--url", help="The server.", envvar="DOORWARD_URL")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What ``login`` stored: a session of a server's stand-in, or a credential."""

    url: str
    standin_session: str | None = None
    token: str | None = field(default=None, repr=False)


def remembered() -> Remembered | None:
    """Read what ``login`` stored, None where there is nothing that can be read."""
    try:
        return Remembered(**json.loads(_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remember(what: Remembered) -> Path:
    """Store it for this user alone; whole or not at all."""
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as out:
        json.dump(asdict(what), out)
    new.replace(file)
    return file


def server_and_token(url: str | None) -> tuple[str, str | Callable[[], str] | None]:
    """Give the server's address and its credential.

    What was remembered is sent to the server that it was remembered for, and to no other.
    """
    stored = remembered()
    base = (url or (stored.url if stored else None) or URL_DEFAULT).rstrip("/")
    if os.environ.get("DOORWARD_TOKEN") or os.environ.get("DOORWARD_TOKEN_FILE"):
        return base, None  # the client reads them itself
    if stored is None or stored.url != base:
        return base, None
    if stored.standin_session is not None:
        return base, StandinToken(base, stored.standin_session)
    return base, stored.token


class StandinToken:
    """Gives a fresh token of a stand-in session for as long as that session lives."""

    def __init__(self, url: str, session_id: str) -> None:
        self._url = f"{url}/standin/dev/sessions/{session_id}/token"
        self._token = ""
        self._until = 0.0

    def __call__(self) -> str:
        """Give a token with some life left; raises NotAuthenticated, ConnectionFailed."""
        if time.monotonic() >= self._until:
            self._token = str(standin_post(self._url, {}).get("jwt", ""))
            self._until = time.monotonic() + _FRESH_SECONDS
        return self._token


def standin_post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the stand-in of a server; raises NotAuthenticated where there is none or it refuses."""
    import httpx2

    try:
        answer = httpx2.post(url, json=body, timeout=10)
    except httpx2.TransportError as exc:
        raise ConnectionFailed(f"The server can't be reached: {exc}.") from exc
    if not answer.is_success:
        raise NotAuthenticated(
            401,
            "standin_refused",
            "The server's stand-in did not sign you in: the session has ended, or this server "
            "has no stand-in.",
        )
    result: dict[str, Any] = answer.json()
    return result


@contextmanager
def explained() -> Iterator[None]:
    """End the command with one sentence and the right exit status when the server says no."""
    try:
        yield
    except NotAuthenticated as exc:
        fail(
            f"Not signed in: {exc.detail} Run 'doorward login' (with --user NAME for a local "
            "stand-in), or set DOORWARD_TOKEN.",
            ExitStatus.NOT_AUTHENTICATED,
        )
    except PermissionDenied as exc:
        fail(f"Not allowed: {exc.detail}", ExitStatus.NOT_ALLOWED)
    except ConnectionFailed as exc:
        fail(
            f"{exc.detail} Is the server running, and is --url (DOORWARD_URL) its address?",
            ExitStatus.FAILURE,
        )
    except ServerError as exc:
        fail(f"The server failed: {exc.detail}{_request(exc)}", ExitStatus.FAILURE)
    except DoorwardError as exc:
        fail(f"{exc.detail}{_request(exc)}", ExitStatus.NOT_SO)


def with_server(url: str | None, work: Callable[["AsyncDoorward"], Awaitable[Any]]) -> Any:
    """Do some work with a connection, and explain what the server says no to."""
    from doorward.client.aio import AsyncDoorward

    with explained():
        base, token = server_and_token(url)

        async def connected() -> Any:
            async with AsyncDoorward(base, token) as server:
                return await work(server)

        return asyncio.run(connected())


def _request(exc: DoorwardError) -> str:
    return f" (request {exc.request_id})" if exc.request_id else ""


def _file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "doorward" / "credentials.json"
