"""What pages of other origins may do here (the Fetch standard's CORS protocol).

A signed URL is a capability: whoever has it may use it from anywhere, and no cookie plays a part.
The creation endpoint takes a session's token, so only the authorized parties' pages may use it.
"""

from collections.abc import Collection

from doorward.server.doors.asgi import Message, Scope, Send, header

_METHODS = "OPTIONS, HEAD, GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Content-Disposition, Repr-Digest, Tus-Resumable, "
    "Upload-Checksum, Upload-Complete, Upload-Concat, Upload-Defer-Length, "
    "Upload-Draft-Interop-Version, Upload-Length, Upload-Metadata, Upload-Offset, "
    "X-HTTP-Method-Override, X-Request-ID, X-Requested-With"
)
_EXPOSED = (
    "Location, Content-Location, RateLimit, RateLimit-Policy, Retry-After, "
    "Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, "
    "Tus-Resumable, Tus-Version, Upload-Complete, Upload-Concat, Upload-Defer-Length, "
    "Upload-Draft-Interop-Version, Upload-Expires, Upload-Length, Upload-Limit, "
    "Upload-Metadata, Upload-Offset, X-Request-ID"
)
# Short, so that a right that was taken away is soon seen in a page that asks first.
_PREFLIGHT_SECONDS = "600"


def is_preflight(scope: Scope) -> bool:
    """Say whether a browser asks what a page may do."""
    return scope["method"] == "OPTIONS" and (
        header(scope, b"access-control-request-method") is not None
    )


def for_everybody(scope: Scope) -> dict[str, str]:
    """Give the headers of answers that every page may read."""
    return {"Access-Control-Allow-Origin": "*"} | _shared(scope)


def for_parties(scope: Scope, parties: Collection[str]) -> dict[str, str]:
    """Give the headers of answers that only the parties' pages may read."""
    origin = header(scope, b"origin")
    if origin is None or origin not in parties:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin} | _shared(scope)


def with_headers(send: Send, more: dict[str, str]) -> Send:
    """Give a send that puts these headers on the response, whatever it comes to."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in more.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *raw]
        await send(message)

    return sending


def _shared(scope: Scope) -> dict[str, str]:
    if not is_preflight(scope):
        return {"Access-Control-Expose-Headers": _EXPOSED}
    return {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _REQUEST_HEADERS,
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
    }
