"""The words of ASGI that every HTTP door uses."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from doorward.server.problems import RequestMalformed, RequestTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> str | None:
    """Give the header's value where it is there exactly once, else None; ``name`` in lower case."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


async def respond(
    send: Send,
    status: int,
    headers: Iterable[tuple[str, str]],
    body: bytes = b"",
    *,
    last: bool = True,
) -> None:
    """Send a response whose body is known; without ``last`` the caller ends it."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """Read a whole body of at most so many bytes; raises RequestTooLarge, RequestMalformed."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestMalformed("The body ended early.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > bytes_max:
            raise RequestTooLarge(limit_bytes=bytes_max)
    return bytes(body)
