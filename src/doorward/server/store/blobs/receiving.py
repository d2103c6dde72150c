"""One blob while its bytes come: written by one request at a time, across processes.

Whoever writes holds the file's lock, which ends with the process whatever happens to it. A chunk is
hashed and stored while the next one comes in.
"""

import asyncio
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256 as new_sha256
from typing import TYPE_CHECKING, Protocol, TypeAlias

from blake3 import blake3

from doorward.server.problems import Problem
from doorward.server.store.blobs.writeback import begin_writing
from doorward.server.uploads.ports import BlobHeld, Forget, See, Source, Stored

if TYPE_CHECKING:
    from doorward.server.store.blobs.local import LocalBlobs

log = logging.getLogger("doorward.blobs")

CHUNK_BYTES = 1 << 20
# A thread draws from one socket for so long at a time, then from another's.
DRAW_SECONDS = 0.03
DRAW_PATIENCE_SECONDS = 0.002
DRAW_BYTES = 1 << 20
# More would wait for the interpreter's lock and for one another's cores.
DRAW_THREADS = 3
_PARTS_MAX = 512  # below the system's bound on one vectored write


Piece: TypeAlias = bytes | memoryview
State: TypeAlias = tuple[int, int, int]

_of_thread = threading.local()


class Hasher(Protocol):
    """What hashlib and blake3 both offer."""

    def update(self, data: Piece, /) -> object:
        """Take bytes."""

    def hexdigest(self) -> str:
        """Give the digest so far."""


def new_hashers(*, sha256: bool) -> list[Hasher]:
    """Give what computes the digests of a blob from its first byte on."""
    return [blake3(), new_sha256()] if sha256 else [blake3()]


class LocalSink:
    """A Sink over one file."""

    def __init__(self, blobs: "LocalBlobs", key: str, *, sha256: bool, forget: Forget) -> None:
        self._blobs = blobs
        self._key = key
        self._path = blobs.path(key)
        self._sha256 = sha256
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._known: int | None = None
        self._stored = 0  # how far the bytes are in the file
        self._hashers: list[Hasher] | None = None
        self._fd: int | None = None
        self._entry_durable = False
        self._is_cut = False
        self._is_unsure = False
        self._has_gap = False
        self._parts: list[Piece] = []
        self._part_bytes = 0
        self._under_way: asyncio.Future[None] | None = None
        self._behind: asyncio.Future[None] | None = None
        self.position = self.durable = 0

    async def open(self) -> None:
        """Open the file and lock it; raises BlobHeld, StorageFull, StorageFailed."""
        await self._blobs.run(self._opened)

    def begin(self, *, known: int, start: int) -> None:
        """Say how many bytes are durable, and where the first that comes belongs."""
        self._known = self.durable = known
        self._stored = self.position = start
        if start == 0:
            self._hashers = new_hashers(sha256=self._sha256)
        elif self._fd is not None:
            self._hashers = self._blobs.hashers_of(self._key, _state(self._fd, start))

    async def write(self, chunk: bytes) -> None:
        """Take bytes; waits only while two chunks are already held."""
        self._parts.append(chunk)
        self._part_bytes += len(chunk)
        self.position += len(chunk)
        if self._part_bytes >= CHUNK_BYTES:
            await self._settled()
            self._under_way = asyncio.ensure_future(self._blobs.run(self._store, self._take()))

    async def draw(self, source: Source, see: See, stop: Callable[[], bool]) -> None:
        """Take what a source brings, read, hashed and stored by one thread without a change of it.

        What is read stays in that processor's cache until it is stored.
        """
        async with self._blobs.drawing:
            await self._settled()
            try:
                await self._begin(self._draw, self._take(), source, see, stop)
            finally:
                self.position = self._stored

    def sync_behind(self) -> None:
        """Begin to make durable what is stored by now, beside the writing of what comes."""
        if self._behind is None or self._behind.done():
            self._behind = asyncio.ensure_future(self._synced_behind(self._stored))

    async def sync(self) -> int | None:
        """Make what was taken durable, and give how many bytes of the blob are."""
        if self._known is None:
            return None
        try:
            await self._settled()
            if self._parts:
                await self._begin(self._store, self._take())
        except Problem as problem:
            log.warning("what came last of a blob is not kept: %s", problem.code)
        await self._make_durable([])
        return self.durable

    async def finish(self) -> Stored:
        """Make the whole blob durable and give its digests."""
        await self._settled()
        await self._make_durable(self._take())
        hashers = self._hashers
        if hashers is None:
            hashers = await self._blobs.run(self._hash_anew)
        digests = [hasher.hexdigest() for hasher in hashers]
        sha256 = f"sha256:{digests[1]}" if len(digests) > 1 else None
        return Stored(self._stored, f"blake3:{digests[0]}", sha256)

    async def close(self) -> None:
        """Let go of the file; what goes wrong is logged."""
        if self._behind is not None:
            await asyncio.wait([self._behind])
        with suppress(Problem):
            await self._settled()
        with suppress(Problem):
            await self._blobs.run(self._closed)

    async def discard(self) -> None:
        """Let go of the file and remove it; what goes wrong is logged."""
        await self.close()
        with suppress(Problem):
            await self._blobs.delete(self._key)

    async def _begin(self, work: object, *args: object) -> None:
        self._under_way = asyncio.ensure_future(self._blobs.run(work, *args))  # type: ignore[arg-type]
        await self._settled()

    async def _settled(self) -> None:
        """Wait for the disk; whoever is cancelled here leaves the work to whoever waits next.

        A thread can't be stopped, so its file must not be closed before it has ended.
        """
        if self._under_way is not None:
            under_way = self._under_way
            try:
                await asyncio.shield(under_way)
            finally:
                if under_way.done():
                    self._under_way = None

    async def _make_durable(self, parts: list[Piece]) -> None:
        """Store, then wait for the bytes and for the directory's entry of the file."""
        if self._behind is not None:
            await asyncio.wait([self._behind])
        await self._begin(self._store_and_sync, parts)
        await self._entry()
        self.durable = max(self._known or 0, self._stored)

    async def _synced_behind(self, stored: int) -> None:
        """A failure is left to whoever syncs next, and nothing counts as durable by it."""
        with suppress(Problem):
            await self._blobs.run(self._sync)
            await self._entry()
            self.durable = max(self.durable, stored)

    async def _entry(self) -> None:
        if self._blobs.durable and not self._entry_durable:
            await self._blobs.sync_entry(self._path)
            self._entry_durable = True

    def _take(self) -> list[Piece]:
        parts, self._parts, self._part_bytes = self._parts, [], 0
        return parts

    def _opened(self) -> int:
        if self._fd is None:
            fd = self._blobs.open_to_write(self._path)
            try:
                _lock(fd)
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
        return self._fd

    def _ready(self) -> int:
        """Give the file, cut to what was acknowledged: a request may have written on and died."""
        fd, known = self._opened(), self._known or 0
        if not self._is_cut:
            size = os.fstat(fd).st_size
            if size < known:
                raise OSError(f"{self._key} has {size} bytes and {known} were acknowledged")
            os.ftruncate(fd, known)
            self._is_cut = True
        return fd

    def _store(self, parts: list[Piece]) -> None:
        if not parts:
            self._ready()
            return
        if self._has_gap:
            raise OSError(errno.EIO, f"bytes before these of {self._key} were not stored")
        self._has_gap = True  # until all of it is stored, nothing that comes later has a place
        fd, known, hashers = self._ready(), self._known or 0, self._hashers
        self._hashers = None  # and these are ahead of the file
        for hasher in hashers or []:
            for part in parts:
                hasher.update(part)
        rest = self._compared(fd, known, parts) if self._stored < known else parts
        os.lseek(fd, self._stored, os.SEEK_SET)
        written = _write_all(fd, rest)
        if self._blobs.durable:
            begin_writing(fd, self._stored, written)
        self._stored += written
        self._hashers, self._has_gap = hashers, False

    def _draw(self, parts: list[Piece], source: Source, see: See, stop: Callable[[], bool]) -> None:
        self._store(parts)
        buffer, give_up = _drawing_buffer(), time.monotonic() + DRAW_SECONDS
        while source.remaining and time.monotonic() < give_up and not stop():
            is_fast = source.wait_for(len(buffer), DRAW_PATIENCE_SECONDS)
            piece = buffer[: source.fill(buffer)]
            if piece:
                see(piece)
                self._store([piece])
            elif not is_fast:
                return

    def _compared(self, fd: int, known: int, parts: list[Piece]) -> list[Piece]:
        """Pass over what is there already, and give what is to be written."""
        data = b"".join(parts)
        there = os.pread(fd, min(len(data), known - self._stored), self._stored)
        if data.startswith(there):
            self._stored += len(there)
            return [data[len(there) :]]
        # The whole is sent anew and it is another one. Its row says so before a byte is lost.
        asyncio.run_coroutine_threadsafe(self._forget(self._stored), self._loop).result()
        os.ftruncate(fd, self._stored)
        self._known = self.durable = self._stored
        return [data]

    def _store_and_sync(self, parts: list[Piece]) -> None:
        self._store(parts)
        self._sync()

    def _sync(self) -> None:
        if not self._blobs.durable:
            return
        if self._is_unsure:
            raise OSError(errno.EIO, f"an earlier sync of {self._key} failed")
        try:
            os.fdatasync(self._opened())
        except OSError:
            # The system may have dropped what it could not write, and it says so only once.
            self._is_unsure = True
            raise

    def _hash_anew(self) -> list[Hasher]:
        """Hash a blob whose first bytes came some other time, perhaps to another process."""
        hashers, fd, position = new_hashers(sha256=self._sha256), self._opened(), 0
        while chunk := os.pread(fd, CHUNK_BYTES, position):
            position += len(chunk)
            for hasher in hashers:
                hasher.update(chunk)
        return hashers

    def _closed(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            if self._hashers is not None:
                now = time.time_ns()  # more exact than what a write leaves, so nobody's else
                os.utime(fd, ns=(now, now))
                self._blobs.keep_hashers(self._key, _state(fd, self._stored), self._hashers)
        finally:
            os.close(fd)  # and with it the lock


def _drawing_buffer() -> memoryview:
    """Give the thread's own buffer."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = memoryview(bytearray(DRAW_BYTES))
    found: memoryview = _of_thread.buffer
    return found


def _state(fd: int, position: int) -> State:
    """Give what tells the blob as it is from what another process makes of it."""
    stat = os.fstat(fd)
    return position, stat.st_size, stat.st_mtime_ns


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlobHeld from None


def _write_all(fd: int, parts: list[Piece]) -> int:
    """Write the parts as they came, without joining them first; gives how many bytes that were."""
    total = 0
    for first in range(0, len(parts), _PARTS_MAX):
        batch = parts[first : first + _PARTS_MAX]
        size = sum(map(len, batch))
        written = os.writev(fd, batch)
        if written < size:
            _write_rest(fd, memoryview(b"".join(batch))[written:])
        total += size
    return total


def _write_rest(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]
