"""The guard for any ASGI application: Starlette, Litestar, Quart, or none.

app = ClerkMiddleware(app, auth=ClerkAuth(), exclude=["/healthz", "/public/*"])

async def app(scope, receive, send):
    who = principal_of(scope)
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from doorward.clerk.auth import ClerkAuth, check_question
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.refusals import Refusal
from doorward.clerk.watch import close_code, watch
from doorward.identity.principal import Principal

__all__ = ["ClerkAuth", "ClerkMiddleware", "ConfigurationError", "Principal", "principal_of"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "doorward.principal"
_DENIAL = "websocket.http.response"
# Dots, empty parts, and what others along the way read as a slash or decode once more.
_MEANS_ANOTHER = re.compile(r"//|/\.{1,2}(?:/|\Z)|\\|%(?:25|2e|2f|5c)", re.IGNORECASE)


def principal_of(scope: Mapping[str, Any]) -> Principal:
    """Give the verified caller whom the middleware let in; raises LookupError where it did not."""
    who = scope.get(_KEY)
    if who is None:
        raise LookupError("No verified caller: the route is excluded, or the guard is optional.")
    principal: Principal = who
    return principal


class ClerkMiddleware:
    """Lets requests and WebSockets through to ``app`` only with a good credential.

    ``exclude`` names paths that anybody may reach: exact ones, and with ``/*`` all below.
    ``optional`` also lets in who sends no credential. What is ``asked`` for beyond being signed
    in goes by name, as ``role="org:admin"``. An open WebSocket is closed with 4401 when its
    token expires or is revoked, 4503 where that can't be found out. Put CORS middleware outside
    of this one: a browser's preflight carries no credential.
    """

    def __init__(
        self,
        app: App,
        auth: ClerkAuth,
        exclude: Iterable[str] = (),
        *,
        optional: bool = False,
        **asked: Any,
    ) -> None:
        if asked:
            check_question(asked)
        self._app = app
        self._auth = auth
        self._asked = asked
        self._exact, self._below = _excluded(exclude)
        self._excludes = bool(self._exact or self._below)
        self._identify = self._identifier(optional=optional)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request, or one WebSocket for as long as it is open."""
        if scope["type"] == "lifespan" or (self._excludes and self._is_excluded(scope["path"])):
            await self._app(scope, receive, send)
            return
        try:
            who = await self._identify(scope)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, send)
            return
        scope[_KEY] = who
        if scope["type"] == "websocket" and who is not None:
            await _Watched(self._auth, who).run(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _identifier(self, *, optional: bool) -> Callable[[Scope], Awaitable[Principal | None]]:
        if self._asked:
            return self._authorize
        authenticator = self._auth.authenticator
        return authenticator.authenticate_optional if optional else authenticator.authenticate

    async def _authorize(self, scope: Scope) -> Principal:
        return await self._auth.authorize(scope, self._asked)

    def _is_excluded(self, path: str) -> bool:
        """Say whether anybody may reach a path; one that could mean another is never excluded."""
        return path in self._exact or (
            path.startswith(self._below) and _MEANS_ANOTHER.search(path) is None
        )


class _Closed(OSError):
    """The application sends over a socket that was closed under it, as it may without knowing."""


class _Watched:
    """A WebSocket that is closed under its application when the caller is no longer let in."""

    def __init__(self, auth: ClerkAuth, who: Principal) -> None:
        self._auth = auth
        self._who = who
        self._closed = asyncio.Event()
        self._code, self._reason = 0, ""

    async def run(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        async def close(code: int, reason: str) -> None:
            self._code, self._reason = code, reason
            self._closed.set()
            with suppress(OSError, RuntimeError):  # the other side was faster
                await send({"type": "websocket.close", "code": code, "reason": reason})

        watching = asyncio.create_task(
            watch(
                self._auth.authenticator,
                self._who,
                close,
                recheck_seconds=self._auth.recheck_seconds,
            )
        )
        try:
            with suppress(_Closed):
                await app(scope, lambda: self._receive(receive), lambda m: self._send(send, m))
        finally:
            if not self._closed.is_set():  # a close under way is let finish
                watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _receive(self, receive: Receive) -> Message:
        """Give the next message, or the end as soon as the socket was closed here."""
        arriving = asyncio.ensure_future(receive())
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({arriving, closing}, return_when=asyncio.FIRST_COMPLETED)
            if arriving.done() and not self._closed.is_set():
                return arriving.result()
            return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}
        finally:
            arriving.cancel()
            closing.cancel()

    async def _send(self, send: Send, message: Message) -> None:
        if self._closed.is_set():
            raise _Closed("The WebSocket was closed: its credential no longer counts.")
        await send(message)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    status, headers, body = refusal.encoded()
    if scope["type"] == "http":
        prefix = "http.response"
    else:
        await receive()  # websocket.connect
        prefix = "websocket.http.response"
        if _DENIAL not in scope.get("extensions", {}):
            code = close_code(refusal)
            await send({"type": "websocket.close", "code": code, "reason": refusal.reason})
            return
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})


def _excluded(exclude: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    exact, below = set(), []
    for path in exclude:
        if not path.startswith("/") or "*" in path.removesuffix("/*"):
            raise ConfigurationError(
                [f"exclude has {path!r}: it takes paths such as /healthz and /public/*."]
            )
        if path.endswith("/*"):
            below.append(path.removesuffix("*"))
        else:
            exact.add(path)
    return frozenset(exact), tuple(below)
