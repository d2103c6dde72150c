"""The stand-in over HTTP: finds the route, lets its guard judge, reads a bounded body, answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from doorward.standin import frontend, signin
from doorward.standin.ask import Answer, Ask, Route
from doorward.standin.backend import (
    credentials,
    dev,
    identifications,
    invitations,
    machines,
    organizations,
    refresh,
    sessions,
    users,
)
from doorward.standin.deliveries import keep_delivering
from doorward.standin.instance import Standin
from doorward.standin.refusals import Refused, not_found

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 64 * 1024
ROUTES: list[Route] = [
    *signin.ROUTES,
    *frontend.ROUTES,
    *dev.ROUTES,
    *users.ROUTES,
    *identifications.ROUTES,
    *sessions.ROUTES,
    *refresh.ROUTES,
    *organizations.ROUTES,
    *invitations.ROUTES,
    *machines.ROUTES,
    *credentials.ROUTES,
]


def create_app(standin: Standin, base_path: str = "") -> App:
    """Serve a stand-in below ``base_path``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(standin, receive, send)
        elif scope["type"] == "http":
            try:
                answer = await _answer(standin, scope, receive, base_path)
            except Refused as refused:
                answer = Answer(refused.status, refused.body)
            await _send(send, answer)

    return app


async def _answer(standin: Standin, scope: Scope, receive: Receive, base_path: str) -> Answer:
    path = scope["path"].removeprefix(base_path)
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    for route in ROUTES:
        found = route.match(scope["method"], path)
        if found is not None:
            asked = Ask(standin, found, headers)
            route.guard(asked, scope)
            body, query = await _body(receive), scope.get("query_string", b"")
            return route.answer(Ask(standin, found, headers, query, body, base_path))
    raise not_found("The path")


async def _body(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES_MAX:
            raise Refused(413, "request_body_too_large", "The body is too large.")
    return bytes(body)


async def _send(send: Send, answer: Answer) -> None:
    page = isinstance(answer.body, bytes)
    data = answer.body if page else json.dumps(answer.body).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8" if page else b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode("latin-1")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _lifespan(standin: Standin, receive: Receive, send: Send) -> None:
    await receive()
    delivering = asyncio.create_task(keep_delivering(standin))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    delivering.cancel()
    with suppress(asyncio.CancelledError):
        await delivering
    await send({"type": "lifespan.shutdown.complete"})
