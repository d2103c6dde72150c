"""Thumbnails: made by a child that is bounded in time and memory, and kept in a bounded folder.

Where a thumbnail is kept depends on the workspace too, so that how fast it comes tells nobody
whether somebody else has the same image.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from doorward.server.doors.images import child
from doorward.server.doors.images.cache import ThumbnailCache
from doorward.server.files.model import Content
from doorward.server.problems import ImageInvalid, ImageUnsupported, TooManyRequests
from doorward.server.uploads.ports import BlobStore

log = logging.getLogger("doorward.thumbnails")

SIZES = (64, 128, 256, 512, 1024)
MEDIA_TYPE = "image/webp"
IMAGE_BYTES_MAX = 64 << 20
PIXELS_MAX = 40_000_000
_SECONDS_MAX = 15.0
_THUMBNAIL_BYTES_MAX = 8 << 20
_AT_ONCE = 2
_ASKED_AT_ONCE_MAX = 16
_BAD = b""  # kept in place of a thumbnail
_PROGRAM = (sys.executable, "-I", str(Path(child.__file__)))


class Thumbnails:
    """Makes and keeps thumbnails."""

    def __init__(self, blobs: BlobStore, cache: ThumbnailCache) -> None:
        self._blobs = blobs
        self._cache = cache
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def of(self, workspace_id: str, content: Content, size: int) -> bytes:
        """Give a WebP of at most ``size`` by ``size`` pixels.

        Raises ImageUnsupported, ImageInvalid, TooManyRequests, StorageFailed.
        """
        if not content.content_type.lower().startswith("image/"):
            raise ImageUnsupported
        if content.size > IMAGE_BYTES_MAX:
            raise ImageInvalid(f"An image may have at most {IMAGE_BYTES_MAX} bytes for this.")
        key = sha256(f"{workspace_id}\n{content.digest}\n{size}".encode()).hexdigest()
        kept = await asyncio.to_thread(self._cache.get, key)
        if kept is None:
            with self._crowd():
                kept = await self._kept_or_made(key, content, size)
        if kept == _BAD:
            raise ImageInvalid
        return kept

    @contextmanager
    def _crowd(self) -> Iterator[None]:
        """Be one of those who wait; raises TooManyRequests."""
        if self._asked >= _ASKED_AT_ONCE_MAX:
            raise TooManyRequests(headers={"Retry-After": "5"})
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    async def _kept_or_made(self, key: str, content: Content, size: int) -> bytes:
        async with self._turns:
            kept = await asyncio.to_thread(self._cache.get, key)  # made while this one waited
            if kept is None:
                kept = await self._make(content, size)
                await asyncio.to_thread(self._cache.put, key, kept)
        return kept

    async def _make(self, content: Content, size: int) -> bytes:
        """Read the image; of one that is bad give _BAD, since it would be so the next time too."""
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM, str(size), str(PIXELS_MAX), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                _, made = await asyncio.gather(self._feed(process, content), _read(process))
                status = await process.wait()
        except TimeoutError:
            raise ImageInvalid("The image takes too long to read.") from None
        finally:
            await _ended(process)
        if status == child.UNSUPPORTED:
            raise ImageUnsupported
        if status != 0 or not made:
            log.info("an image ended its reader with status %s", status)
            return _BAD
        return made

    async def _feed(self, process: Process, content: Content) -> None:
        """Hand over the image; a child that has seen enough closes its end."""
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        with suppress(BrokenPipeError, ConnectionResetError):
            async with aclosing(self._blobs.read(content.blob_key, 0, content.size)) as chunks:
                async for chunk in chunks:
                    process.stdin.write(chunk)
                    await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()


async def _read(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    made = b""
    while part := await process.stdout.read(1 << 16):
        made += part
        if len(made) > _THUMBNAIL_BYTES_MAX:
            raise ImageInvalid
    return made


async def _ended(process: Process) -> None:
    """Make sure that no child outlives its request."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
