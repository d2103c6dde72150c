"""One import: bytes that the server fetches itself, into an upload like any other.

They come through the same receiver as every upload, so that they are judged, counted, hashed and
made durable as those are. A cut fetch goes on where it was, if the origin names its bytes.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from doorward.server.commands import refused
from doorward.server.doors.asgi import Message
from doorward.server.doors.house import House
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.part import Part
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.outbound.sending import Answer, Outbound, Request
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    ContentInterrupted,
    Internal,
    Problem,
    SizeUnknown,
    TooManyRequests,
    UploadSuperseded,
    UpstreamFailed,
)
from doorward.server.uploads import importing
from doorward.server.uploads.importing import NewImport
from doorward.server.uploads.model import Limits, Upload
from doorward.server.uploads.service import attempt_by_url

log = logging.getLogger("doorward.transfer")

_CHECK_SECONDS = 0.25
_CUT = (ContentInterrupted, UpstreamFailed, TooManyRequests)
_STRONG_TAG = re.compile(r'"[!#-~]*"')
_SPAN = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_OK, _PARTIAL = 200, 206
_SIZE_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class FetchBounds:
    """How long an import may take, and after how long each time a cut one is tried again."""

    seconds_max: int
    retry_seconds: tuple[float, ...] = (0.5, 2.0, 8.0)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of an import come from: how many there are, if known, and what names them."""

    url: str
    size: int | None
    tag: str | None

    @classmethod
    def of(cls, url: str, answer: Answer) -> "Source":
        """Learn it from the first answer; raises UpstreamFailed.

        Raises SizeUnknown where nothing would tell the end of the bytes from a cut.
        """
        if answer.status != _OK:
            raise UpstreamFailed
        size = _size(answer)
        if size is None and answer.headers.get("transfer-encoding", "").lower() != "chunked":
            raise SizeUnknown
        tag = answer.headers.get("etag", "")
        return cls(url, size, tag if _STRONG_TAG.fullmatch(tag) else None)

    def rest(self, received_bytes: int) -> Request:
        """Ask for what is missing, or for everything where nothing names the bytes."""
        if self.tag is None or not received_bytes:
            return Request(self.url)
        headers = {"Range": f"bytes={received_bytes}-", "If-Range": self.tag}
        return Request(self.url, headers=headers)

    def part(self, answer: Answer, received_bytes: int) -> Part:
        """Say which part an answer brings; raises UpstreamFailed where it is another one."""
        if answer.status == _OK:
            return Part(length=_size(answer))
        span = _SPAN.fullmatch(answer.headers.get("content-range", ""))
        if answer.status != _PARTIAL or span is None:
            raise UpstreamFailed
        first, last, size = map(int, span.groups())
        if (first, last) != (received_bytes, size - 1) or self.size not in {None, size}:
            raise UpstreamFailed
        return Part(received_bytes, size - received_bytes, whole_length=size)


class Body:
    """An answer's bytes, as a receiver takes them; ``check`` is asked while none come, too."""

    def __init__(self, answer: Answer, check: Callable[[], None]) -> None:
        self._chunks = answer.chunks()
        self._check = check
        self._checked = time.monotonic()
        self._next: asyncio.Task[bytes | None] | None = None

    async def receive(self) -> Message:
        """Give what has come, nothing where nothing does; raises what ``check`` does."""
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        await asyncio.wait({self._next}, timeout=_CHECK_SECONDS)
        if time.monotonic() - self._checked > _CHECK_SECONDS:
            self._checked = time.monotonic()
            self._check()
        if not self._next.done():
            return {"type": "http.request", "body": b"", "more_body": True}
        done, self._next = self._next, None
        try:
            chunk = done.result()
        except UpstreamFailed:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def close(self) -> None:
        """Stop reading."""
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, UpstreamFailed):
                await self._next
        await self._chunks.aclose()

    async def _read(self) -> bytes | None:
        return await anext(self._chunks, None)


class Fetch:
    """Fetches one import; ``begun`` gives the upload, or the problem that stood in the way."""

    def __init__(
        self, house: House, receiver: Receiver, outbound: Outbound, bounds: FetchBounds
    ) -> None:
        self._house = house
        self._receiver = receiver
        self._outbound = outbound
        self._bounds = bounds
        self.begun: asyncio.Future[Upload] = asyncio.get_running_loop().create_future()

    async def run(self, who: Caller, workspace_id: str, new: NewImport) -> None:
        """Leave a file, or an upload that says what failed; raises CancelledError alone."""
        from_ = Caller("", Credential(Upload.IMPORT, None), who.origin)
        try:
            async with asyncio.timeout(self._bounds.seconds_max):
                await self._fetch(who, from_, workspace_id, new)
        except asyncio.CancelledError:
            await asyncio.shield(self._fail("server_stopped"))
            raise
        except TimeoutError:
            await self._end(from_, UpstreamFailed())
        except Problem as problem:
            await self._end(from_, problem)
        except Exception:
            log.exception("an import failed")
            await self._end(from_, Internal())

    async def _fetch(self, who: Caller, from_: Caller, workspace_id: str, new: NewImport) -> None:
        async with self._outbound.send(Request(new.url)) as answer:
            source = Source.of(new.url, answer)
            upload = await self._declare(who, workspace_id, new, answer, source.size)
            self.begun.set_result(upload)
            cut = await self._take(upload, from_, answer, Part(length=source.size))
        for seconds in self._bounds.retry_seconds:
            if cut is None:
                return
            cut = await self._again(upload.id, from_, source, seconds)
        if cut is not None:
            raise cut

    async def _declare(
        self,
        who: Caller,
        workspace_id: str,
        new: NewImport,
        answer: Answer,
        size: int | None,
    ) -> Upload:
        headers, target = answer.headers, answer.target
        declared = new.declared(
            size, target.path, headers.get("content-disposition"), headers.get("content-type")
        )
        return await self._house.store.write(
            lambda tx: importing.begin_import(
                tx, who, workspace_id, declared, self._limits(), target.origin
            )
        )

    def _limits(self) -> Limits:
        """Give the upload no longer life than the import has: nobody else goes on with it."""
        limits = self._house.limits
        life = min(limits.upload_life_seconds, self._bounds.seconds_max)
        return replace(limits, upload_life_seconds=life)

    async def _again(
        self, upload_id: str, from_: Caller, source: Source, seconds: float
    ) -> Problem | None:
        """Try once more, after a while, with what is missing."""
        upload = await self._house.store.write(lambda tx: importing.keep_import(tx, upload_id))
        if upload is None:
            raise UploadSuperseded
        await asyncio.sleep(seconds)
        received = upload.received_bytes
        try:
            async with self._outbound.send(source.rest(received)) as answer:
                part = source.part(answer, received)
                return await self._take(upload, from_, answer, part)
        except _CUT as cut:
            return cut

    async def _take(
        self, upload: Upload, from_: Caller, answer: Answer, part: Part
    ) -> Problem | None:
        """Receive what an answer brings; gives what cut it short, if that may pass."""
        body = Body(answer, lambda: self._receiver.check_revoked(upload))
        try:
            await self._receiver.receive(upload.id, from_, part, Incoming(body.receive))
        except _CUT as cut:
            return cut
        finally:
            await body.close()
        return None

    async def _end(self, from_: Caller, problem: Problem) -> None:
        """Tell whoever asked, or the trail where they have gone on since."""
        if not self.begun.done():
            self.begun.set_exception(problem)
        if self.begun.cancelled() or self.begun.exception() is not None:
            return
        upload_id = self.begun.result().id
        await refused(
            self._house.store,
            lambda tx: attempt_by_url(tx, upload_id, from_, Action.UPLOAD_RECEIVE),
            problem,
        )
        await self._fail(problem.code)

    async def _fail(self, failure: str) -> None:
        if not self.begun.done():
            self.begun.cancel()
        if not self.begun.cancelled() and self.begun.exception() is None:
            upload_id = self.begun.result().id
            await self._house.store.write(lambda tx: importing.fail_import(tx, upload_id, failure))


def _size(answer: Answer) -> int | None:
    """Give how many bytes an answer announces; where it is sent in chunks, that does not count."""
    text = answer.headers.get("content-length", "")
    announced = text.isascii() and text.isdigit() and len(text) <= _SIZE_DIGITS_MAX
    return int(text) if announced and "transfer-encoding" not in answer.headers else None
