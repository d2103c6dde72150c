"""Bytes out: whole or a range, streamed, and harmless in a browser."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from doorward.server.doors.transfer.headers import (
    SAFE_HEADERS,
    Span,
    asked_span,
    content_disposition,
    etag,
    unchanged,
)
from doorward.server.files.model import Content
from doorward.server.uploads.ports import BlobStore


def content_response(
    blobs: BlobStore, name: str, content: Content, headers: Mapping[str, str]
) -> Response:
    """Answer a request for a file's bytes: 200, 206 or 304.

    Raises RangeNotSatisfiable.
    """
    shown = SAFE_HEADERS | {
        "ETag": etag(content),
        "Content-Disposition": content_disposition(name),
    }
    if unchanged(headers, etag(content)):
        return Response(status_code=304, headers=shown)
    span = asked_span(headers, content)
    status = 200
    if span is not None:
        status = 206
        shown["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{content.size}"
    span = span or Span(0, content.size)
    shown |= {"Content-Type": content.content_type, "Content-Length": str(span.size)}
    return _BlobResponse(status, shown, blobs.read(content.blob_key, span.start, span.stop))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _BlobResponse(Response):
    """Sends chunks as they are read; the body begins only when the first one is there."""

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: AsyncGenerator[bytes, None]
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = b""
        self.init_headers(headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes; a store that fails before the first one can still be told."""
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await self._send(scope, send, gone)
        finally:
            gone.cancel()
            await self._chunks.aclose()

    async def _send(self, scope: Scope, send: Send, gone: "asyncio.Future[None]") -> None:
        first = await anext(self._chunks, b"")
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if scope["method"] != "HEAD":
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in self._chunks:
                if gone.done():  # nobody reads any more: nothing more is read either
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
