"""The guard for FastAPI: ``Depends(clerk.required)`` and what belongs to it.

clerk = ClerkAuth()  # reads CLERK_*, and says at start-up what is missing

@app.get("/me")
async def me(who: Annotated[Principal, Depends(clerk.required)]): ...
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketException
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from doorward.clerk import webhooks
from doorward.clerk.auth import ClerkAuth as _ClerkAuth
from doorward.clerk.auth import check_question
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.events import Event
from doorward.clerk.refusals import Forbidden, Refusal, require
from doorward.clerk.watch import close_code, watch
from doorward.cors import add_cors
from doorward.identity.principal import Principal

__all__ = [
    "ClerkAuth",
    "ClerkWebhook",
    "ConfigurationError",
    "Event",
    "Principal",
    "RefusalResponse",
]

_HANDLERS = "starlette.exception_handlers"


class RefusalResponse(HTTPException):
    """A refusal as FastAPI answers it; ``refusal`` holds what was found."""

    def __init__(self, refusal: Refusal) -> None:
        body = refusal.body
        detail = body["detail"] if set(body) == {"detail"} else body
        super().__init__(refusal.status, detail, refusal.headers)
        self.refusal = refusal


class _Reverification(RefusalResponse):
    """Clerk's front end wants this body exactly, so it does not go below ``detail``."""


class Required(SecurityBase):
    """A dependency that gives the verified caller; ``asked`` is what the caller must have."""

    def __init__(self, auth: _ClerkAuth, asked: Mapping[str, Any] | None = None) -> None:
        # Only describes the credential in OpenAPI; the guard itself reads the request.
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = "Clerk"
        self._auth = auth
        self._authenticate = auth.authenticator.authenticate
        self._asked = asked

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Let in only verified callers: 401 for all others, 503 where keys can't be had.

        Whoever opens a WebSocket is judged again while it is open, as with ``websocket``.
        """
        try:
            who = await self._authenticate(connection.scope)
            if self._asked is not None:
                require(who, self._asked)
        except Refusal as refusal:
            raise response_to(connection, refusal) from refusal
        if isinstance(connection, WebSocket):
            _watch_while_routed(self._auth, connection, who)
        return who


class Optional(SecurityBase):
    """A dependency that gives the caller, or None without a credential."""

    def __init__(self, auth: _ClerkAuth) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = "Clerk"
        self._auth = auth
        self._authenticate = auth.authenticator.authenticate_optional

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Give the caller, or None without a credential; a bad one is refused all the same.

        A caller who opens a WebSocket is judged again while it is open.
        """
        try:
            who = await self._authenticate(connection.scope)
        except Refusal as refusal:
            raise response_to(connection, refusal) from refusal
        if who is not None and isinstance(connection, WebSocket):
            _watch_while_routed(self._auth, connection, who)
        return who


class ClerkAuth(_ClerkAuth):
    """Verifies Clerk's credentials and guards FastAPI's routes.

    Takes the options of ``doorward.clerk.auth.ClerkAuth``. ``required`` and ``optional`` are
    dependencies for routes of either kind, ``websocket`` one for WebSockets alone, whose route it
    also spares the error of sending over a socket that was closed under it.
    """

    @cached_property
    def required(self) -> Required:
        """The dependency that lets in only verified callers."""
        return Required(self)

    @cached_property
    def optional(self) -> Optional:
        """The dependency that also lets in whoever sends no credential."""
        return Optional(self)

    def requires(self, **asked: Any) -> Required:
        """Make a dependency that lets in only callers who have all that is asked for.

        Takes what ``Principal.has`` takes; the 403 names what was missing. Raises TypeError for a
        word it does not know, and ValueError where nothing is asked.
        """
        check_question(asked)
        return Required(self, asked)

    def add_cors(
        self, app: FastAPI, *, headers: Iterable[str] = (), expose: Iterable[str] = ()
    ) -> None:
        """Let the pages of the authorized parties, and no others, call this application.

        Preflights are answered without a credential, and refusals and errors can be read by the
        page, whenever this is called before the first request. ``headers`` are more that pages
        may send, ``expose`` more that they may read. Raises ConfigurationError where no
        authorized party is an origin, and RuntimeError after the first request.
        """
        add_cors(app, self, headers=headers, expose=expose)

    async def websocket(self, websocket: WebSocket) -> AsyncIterator[Principal]:
        """Guard a WebSocket while it is open.

        The handshake is refused without a good credential. Later, when the token expires or is
        revoked, the socket is closed with 4401; where that can't be found out, with 4503.
        """
        try:
            who = await self.authenticator.authenticate(websocket.scope)
        except Refusal as refusal:
            raise WebSocketException(close_code(refusal), refusal.reason) from refusal

        watching, closed = _watched(self, websocket, who)
        try:
            yield who
        except RuntimeError:
            # Starlette's word for sending over a socket that was closed under the route.
            if not closed.is_set():
                raise
        finally:
            if not closed.is_set():  # a close under way is let finish
                watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


class ClerkWebhook:
    """A dependency that verifies a webhook of Clerk's, from the raw body, and gives its event.

    ``secret`` is ``whsec_…``, or several while one is being replaced; without it
    CLERK_WEBHOOK_SIGNING_SECRET is read. A webhook that is not Clerk's is answered with 400.
    Raises ConfigurationError where there is no secret.
    """

    def __init__(
        self,
        secret: str | Iterable[str] | None = None,
        *,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._verify = webhooks.Verifier(secret, now=now)

    async def __call__(self, request: Request) -> Event:
        """Give the event; 400 for one that is not Clerk's, 413 for one that is too large."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > webhooks.BODY_BYTES_MAX:
                raise HTTPException(413, "The body is larger than 1 MiB.")
        try:
            return self._verify(bytes(body), request.scope["headers"])
        except webhooks.WebhookVerificationError as exc:
            raise HTTPException(400, f"Not a webhook of Clerk's: {exc.reason}") from exc


def _watched(
    auth: _ClerkAuth, websocket: WebSocket, who: Principal
) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Begin to judge again who opened a socket; the event tells that it was closed for it."""
    closed = asyncio.Event()

    async def close(code: int, reason: str) -> None:
        closed.set()
        with suppress(RuntimeError):  # it was closed in the meantime
            await websocket.close(code, reason)

    watching = watch(auth.authenticator, who, close, recheck_seconds=auth.recheck_seconds)
    return asyncio.create_task(watching), closed


def _watch_while_routed(auth: _ClerkAuth, websocket: WebSocket, who: Principal) -> None:
    """Judge again who opened a socket for as long as the task runs that routes it."""
    watching, _ = _watched(auth, websocket, who)
    routing = asyncio.current_task()
    if routing is not None:  # which it never is within a coroutine
        routing.add_done_callback(lambda _: watching.cancel())


def response_to(connection: HTTPConnection, refusal: Refusal) -> Exception:
    """Give what to raise so that FastAPI answers a request or a handshake with a refusal."""
    if connection.scope["type"] == "websocket":
        return WebSocketException(close_code(refusal), refusal.reason)
    if not (isinstance(refusal, Forbidden) and refusal.is_reverification):
        return RefusalResponse(refusal)
    # An application answers HTTPException with the body below "detail"; this one is left alone.
    handlers = connection.scope.get(_HANDLERS)
    if handlers is not None:
        handlers[0].setdefault(_Reverification, _answer_reverification)
    return _Reverification(refusal)


async def _answer_reverification(_: Request, refused: _Reverification) -> JSONResponse:
    return JSONResponse(refused.refusal.body, refused.status_code, refused.headers)
