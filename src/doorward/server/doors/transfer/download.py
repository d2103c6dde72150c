"""Bytes out: whole or in ranges, streamed, harmless in a browser, and cut when a right goes."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from doorward.server.doors.transfer.headers import (
    PREVIEW_HEADERS,
    SAFE_HEADERS,
    Span,
    asked_spans,
    content_disposition,
    etag,
    http_date,
    is_previewed,
    representation_digest,
    unchanged,
)
from doorward.server.doors.transfer.outgoing import Outgoing
from doorward.server.doors.transfer.watching import DownloadEnded, Watch, Watched, Welcome
from doorward.server.files.service import Opened
from doorward.server.problems import ContentInterrupted
from doorward.server.uploads.ports import BlobStore, Stretch

NOT_MODIFIED = 304
_BOUNDARY_BYTES = 16
OnEnd = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants of a content."""

    method: str
    headers: Mapping[str, str]
    now: datetime
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer that is decided and not begun: its head, and what its body is made of."""

    status: int
    headers: dict[str, str]
    blob_key: str = ""
    pieces: tuple[bytes | Span, ...] = ()
    going_on: bool = False

    @property
    def size(self) -> int:
        """How many bytes the body has."""
        return sum(p.size if isinstance(p, Span) else len(p) for p in self.pieces)


def plan_download(opened: Opened, asked: Asked) -> Plan:
    """Decide how to answer: 200, 206 or 304.

    Raises PreconditionFailed, RangeNotSatisfiable.
    """
    content = opened.content
    inline = asked.inline and is_previewed(content.content_type)
    headers = _described(opened, inline=inline)
    if unchanged(asked.headers, etag(content), opened.changed_at):
        return Plan(NOT_MODIFIED, headers)
    spans = None
    if asked.method != "HEAD":
        spans = asked_spans(asked.headers, content, opened.changed_at, asked.now)
    shown_type = _shown_type(content.content_type, inline=inline)
    headers["Content-Type"] = shown_type
    if spans is None:
        return _sized(Plan(200, headers, content.blob_key, (Span(0, content.size),)))
    going_on = all(span.start > 0 for span in spans)
    if len(spans) == 1:
        headers["Content-Range"] = _content_range(spans[0], content.size)
        return _sized(Plan(206, headers, content.blob_key, (spans[0],), going_on))
    boundary = secrets.token_hex(_BOUNDARY_BYTES)
    pieces = _parts(spans, content.size, shown_type, boundary)
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    return _sized(Plan(206, headers, content.blob_key, pieces, going_on))


def _sized(plan: Plan) -> Plan:
    plan.headers["Content-Length"] = str(plan.size)
    return plan


def _described(opened: Opened, *, inline: bool) -> dict[str, str]:
    headers = dict(PREVIEW_HEADERS if inline else SAFE_HEADERS)
    headers["ETag"] = etag(opened.content)
    headers["Last-Modified"] = http_date(opened.changed_at)
    headers["Content-Disposition"] = content_disposition(opened.node.name, inline=inline)
    digest = representation_digest(opened.content)
    if digest is not None:
        headers["Repr-Digest"] = digest
    return headers


def _parts(
    spans: list[Span], size: int, shown_type: str, boundary: str
) -> tuple[bytes | Span, ...]:
    pieces: list[bytes | Span] = []
    for span in spans:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {shown_type}\r\n"
            f"Content-Range: {_content_range(span, size)}\r\n\r\n"
        )
        pieces += [head.encode("latin-1"), span]
    return (*pieces, f"\r\n--{boundary}--\r\n".encode())


def _content_range(span: Span, size: int) -> str:
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def _shown_type(content_type: str, *, inline: bool) -> str:
    """Say in which encoding a text is shown, since a browser that may not sniff would guess."""
    plain = content_type.strip().lower() == "text/plain"
    return "text/plain; charset=utf-8" if inline and plain else content_type


async def read_pieces(
    blobs: BlobStore, key: str, pieces: tuple[bytes | Span, ...]
) -> AsyncGenerator[bytes | Stretch, None]:
    """Give the bytes of a body in chunks, or as what is on the disk; raises StorageFailed."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        stretch = await blobs.stretch(key, piece.start, piece.stop)
        if stretch is not None:
            with closing(stretch):
                yield stretch
            continue
        async with aclosing(blobs.read(key, piece.start, piece.stop)) as chunks:
            async for chunk in chunks:
                yield chunk


class Download(Response):
    """Sends a plan as its bytes are read; the head goes only when the first chunk is there.

    ``welcome`` is judged again before each piece until the end, and ``on_end`` is told how much was
    sent.
    """

    def __init__(
        self,
        plan: Plan,
        chunks: AsyncGenerator[bytes | Stretch, None],
        watch: Watch,
        welcome: Welcome,
        on_end: OnEnd | None = None,
    ) -> None:
        self.status_code = plan.status
        self.background = None
        self.body = b""
        self.init_headers(plan.headers)
        self._chunks = chunks
        self._watch = watch
        self._welcome = welcome
        self._on_end = on_end
        self._sent = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes; a store that fails before the first one can still be told."""
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            with self._watch.over(self._welcome) as watched:
                try:
                    # Nobody reads any more, or nobody may.
                    with suppress(ContentInterrupted, DownloadEnded):
                        await self._send(scope, send, gone, watched)
                except asyncio.CancelledError:
                    # Left unfinished, the connection is closed on what was announced.
                    if not watched.was_ended():
                        raise
        finally:
            gone.cancel()
            await asyncio.shield(self._end())

    async def _end(self) -> None:
        await self._chunks.aclose()
        if self._on_end is not None:
            await self._on_end(self._sent)

    async def _send(
        self, scope: Scope, send: Send, gone: "asyncio.Future[None]", watched: Watched
    ) -> None:
        first = b"" if scope["method"] == "HEAD" else await anext(self._chunks, b"")
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if scope["method"] != "HEAD":
            outgoing = Outgoing(send, scope, self._count, watched.piece)
            await outgoing.send(first)
            async for chunk in self._chunks:
                if gone.done():  # nobody reads any more: nothing more is read either
                    return
                await outgoing.send(chunk)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _count(self, sent: int) -> None:
        self._sent += sent


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
