"""Blobs as files below one folder: written once, synced before anybody is told, never changed.

A key is ``day/name``. Bytes go straight to their place, since nothing finds them before a row
does; a crash leaves at most a file whose upload row, or note of doom, still knows it.
"""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Protocol, TypeVar

from blake3 import blake3

from doorward.server.problems import Problem, StorageFailed, StorageFull
from doorward.server.store.blobs.directories import DirectorySync, sync_folder
from doorward.server.uploads.ports import Stored

T = TypeVar("T")
log = logging.getLogger("doorward.blobs")

CHUNK_BYTES = 1 << 20
# Larger reads are faster, and two of each download are held: so many share a fixed budget.
READ_BYTES_MIN = 1 << 18
READ_BYTES_MAX = 1 << 21
READ_BUDGET_BYTES = 64 << 20
THREADS = 32
_PARTS_MAX = 512  # below the system's bound on one vectored write
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Hasher(Protocol):
    """What hashlib and blake3 both offer."""

    def update(self, data: bytes, /) -> object:
        """Take bytes."""

    def hexdigest(self) -> str:
        """Give the digest so far."""


class LocalBlobs:
    """BlobStore over a folder.

    ``durable`` waits for the disk before a blob counts as stored; without it, a power cut may
    lose blobs of the last moments.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self.durable = durable
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="doorward-blobs")
        self.directories = DirectorySync(self.threads)
        self._readers = 0

    def create(self, key: str, *, sha256: bool) -> "LocalSink":
        """Begin a blob; the first flush opens its file."""
        return LocalSink(self, self.path(key), sha256=sha256)

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive), the next chunk read while one is sent."""
        fd = await self.run(os.open, self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        ahead: asyncio.Future[bytes] | None = None
        self._readers += 1
        try:
            while start < stop or ahead is not None:
                chunk = None if ahead is None else await ahead
                ahead, start = self._read_ahead(fd, start, stop)
                if chunk is not None:
                    yield chunk
        finally:
            self._readers -= 1
            if ahead is not None:
                await asyncio.wait([ahead])
            os.close(fd)

    def delete(self, key: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        self.path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Wait for what is under way."""
        self.threads.shutdown()

    def path(self, key: str) -> Path:
        """Say where a blob lies."""
        return self.folder / key

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Do disk work beside the event loop; raises StorageFull, StorageFailed."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.threads, work, *args)
        except OSError as exc:
            raise storage_problem(exc) from exc

    async def sync_folder(self, folder: Path) -> None:
        """Make the folder's entries durable; raises StorageFailed."""
        try:
            await self.directories.sync(folder)
        except OSError as exc:
            raise storage_problem(exc) from exc

    def _read_bytes(self) -> int:
        share = READ_BUDGET_BYTES // (2 * max(1, self._readers))
        return max(READ_BYTES_MIN, min(READ_BYTES_MAX, share))

    def _read_ahead(
        self, fd: int, start: int, stop: int
    ) -> tuple[asyncio.Future[bytes] | None, int]:
        if start >= stop:
            return None, start
        size = min(self._read_bytes(), stop - start)
        return asyncio.ensure_future(self.run(_read_exactly, fd, size, start)), start + size


class LocalSink:
    """One file being written: a chunk is hashed and stored while the next one comes in."""

    def __init__(self, blobs: LocalBlobs, path: Path, *, sha256: bool) -> None:
        self._blobs = blobs
        self._path = path
        self._hashers: list[Hasher] = [blake3(), new_sha256()] if sha256 else [blake3()]
        self._fd: int | None = None
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._under_way: asyncio.Future[None] | None = None
        self.received_bytes = 0

    async def write(self, chunk: bytes) -> None:
        """Take bytes; waits only while two chunks are already held."""
        self._parts.append(chunk)
        self._part_bytes += len(chunk)
        self.received_bytes += len(chunk)
        if self._part_bytes >= CHUNK_BYTES:
            await self._settled()
            self._under_way = asyncio.ensure_future(self._blobs.run(self._store, self._take()))

    async def finish(self) -> Stored:
        """Make bytes and directory entry durable, and give the digests."""
        await self._settled()
        self._under_way = asyncio.ensure_future(self._blobs.run(self._complete, self._take()))
        await self._settled()
        if self._blobs.durable:
            await self._blobs.sync_folder(self._path.parent)
        digests = [hasher.hexdigest() for hasher in self._hashers]
        sha256 = f"sha256:{digests[1]}" if len(digests) > 1 else None
        return Stored(self.received_bytes, f"blake3:{digests[0]}", sha256)

    async def abort(self) -> None:
        """Forget the bytes; what goes wrong is logged."""
        with suppress(Problem):
            await self._settled()
        with suppress(Problem):
            await self._blobs.run(self._discard)

    async def _settled(self) -> None:
        """Wait for the disk; whoever is cancelled here leaves the work to whoever waits next.

        A thread can't be stopped, so its file must not be closed before it has ended.
        """
        if self._under_way is not None:
            await asyncio.shield(self._under_way)
            self._under_way = None

    def _take(self) -> list[bytes]:
        parts, self._parts, self._part_bytes = self._parts, [], 0
        return parts

    def _store(self, parts: list[bytes]) -> None:
        if self._fd is None:
            self._fd = _create(self._path)
        for hasher in self._hashers:
            for part in parts:
                hasher.update(part)
        _write_all(self._fd, parts)

    def _complete(self, parts: list[bytes]) -> None:
        self._store(parts or [b""])
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            if self._blobs.durable:
                os.fdatasync(fd)
        finally:
            os.close(fd)

    def _discard(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        self._path.unlink(missing_ok=True)


def storage_problem(exc: OSError) -> Problem:
    """Say what the caller may know of a failed disk; the rest goes to the log."""
    log.error("the disk failed: %s", exc)
    return StorageFull() if exc.errno in _FULL else StorageFailed()


def _create(path: Path) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:  # the first blob of the day
        path.parent.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent.parent)
        return os.open(path, flags, 0o600)


def _write_all(fd: int, parts: list[bytes]) -> None:
    """Write the parts as they came, without joining them first."""
    for first in range(0, len(parts), _PARTS_MAX):
        batch = parts[first : first + _PARTS_MAX]
        written = os.writev(fd, batch)
        if written < sum(map(len, batch)):
            _write_rest(fd, memoryview(b"".join(batch))[written:])


def _write_rest(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]


def _read_exactly(fd: int, size: int, start: int) -> bytes:
    data = os.pread(fd, size, start)
    while len(data) < size:
        more = os.pread(fd, size - len(data), start + len(data))
        if not more:
            raise OSError(errno.EIO, "a blob is shorter than its row says")
        data += more
    return data
