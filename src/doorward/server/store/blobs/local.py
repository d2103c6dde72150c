"""Blobs as files below one folder: written once, synced before anybody is told, never changed.

A key is ``day/name``. Bytes go straight to their place, since nothing finds them before a row
does; a crash leaves at most a file whose upload row, or note of doom, still knows it.
"""

import asyncio
import errno
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from doorward.server.integrity.model import StoredBlob
from doorward.server.problems import Problem, StorageFailed, StorageFull
from doorward.server.store.blobs.directories import DirectorySync
from doorward.server.store.blobs.receiving import DRAW_THREADS, Hasher, LocalSink, State
from doorward.server.store.blobs.sending import LocalStretch
from doorward.server.uploads.ports import Forget, Stored

T = TypeVar("T")
log = logging.getLogger("doorward.blobs")

# Larger reads are faster, and two of each download are held: so many share a fixed budget.
READ_BYTES_MIN = 1 << 18
READ_BYTES_MAX = 1 << 21
READ_BUDGET_BYTES = 64 << 20
THREADS = 32
_HASHERS_MAX = 1000
_READING = os.O_RDONLY | os.O_CLOEXEC
_WRITING = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


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
        self.drawing = asyncio.Semaphore(DRAW_THREADS)
        self._readers = 0
        self._days: set[Path] = set()  # whose folders are durable
        self._hashers: OrderedDict[str, tuple[State, list[Hasher]]] = OrderedDict()

    @property
    def remote(self) -> bool:
        """Blobs stay where they came to."""
        return False

    def receive(self, key: str, *, sha256: bool, forget: Forget) -> LocalSink:
        """Give what writes on a blob, once it is told from where."""
        return LocalSink(self, key, sha256=sha256, forget=forget)

    def hashers_of(self, key: str, state: State) -> list[Hasher] | None:
        """Give the digests so far of a blob, if this process wrote all that is in it now."""
        kept = self._hashers.pop(key, None)
        return kept[1] if kept is not None and kept[0] == state else None

    def keep_hashers(self, key: str, state: State, hashers: list[Hasher]) -> None:
        """Remember the digests so far of a blob that is not whole yet."""
        self._hashers[key] = (state, hashers)
        if len(self._hashers) > _HASHERS_MAX:
            self._hashers.popitem(last=False)

    async def read(
        self, key: str, start: int, stop: int, *, fd: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive), the next chunk read while one is sent.

        ``fd`` is the blob where ``open`` gave it; it is closed with the last chunk.
        """
        if fd is None:
            fd = await self.run(os.open, self.path(key), _READING)
        ahead: asyncio.Future[bytes] | None = None
        self._readers += 1
        try:
            while start < stop or ahead is not None:
                # A cut download leaves the thread that reads for it to end first.
                chunk = None if ahead is None else await asyncio.shield(ahead)
                ahead, start = self._read_ahead(fd, start, stop)
                if chunk is not None:
                    yield chunk
        finally:
            self._readers -= 1
            if ahead is not None:
                await asyncio.wait([ahead])
            os.close(fd)

    async def stretch(self, key: str, start: int, stop: int) -> LocalStretch | None:
        """Give bytes of a blob as a file that is open; raises StorageFailed where they are not."""
        fd = await self.run(_open_with, self.path(key), stop)
        return LocalStretch(self, fd, key, start, stop)

    async def size(self, key: str) -> int | None:
        """Say how many bytes a blob has, None where there is none."""
        return await self.run(self._size, key)

    async def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give all blobs, a day at a time; raises StorageFailed."""
        for folder in await self.run(_folders, self.folder):
            yield await self.run(_listed, self.folder, folder)

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether what the inventory gave is still there."""
        return await self.size(blob.key) is not None

    async def open(self, key: str) -> int | None:
        """Give a blob to read, however soon it is removed; None where there is none."""

        def opened() -> int | None:
            try:
                return os.open(self.path(key), _READING)
            except FileNotFoundError:
                return None

        return await self.run(opened)

    async def keep(self, key: str, stored: Stored) -> Stored:
        """Leave the blob where it is: it is durable there."""
        del key
        return stored

    async def delete(self, key: str) -> None:
        """Remove a blob; nothing happens where there is none. Raises StorageFailed."""
        await self.run(self.remove, key)

    def remove(self, key: str) -> None:
        """Remove a blob, in a thread that may wait for the disk; raises OSError."""
        self.path(key).unlink(missing_ok=True)

    async def check(self) -> None:
        """Make sure that the folder is there; raises StorageFailed."""
        await self.run(os.stat, self.folder)

    async def leave(self) -> None:
        """Let go of connections, of which there are none."""

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

    def open_to_write(self, path: Path) -> int:
        """Open a blob, new or begun, in a thread that may wait for the disk; raises OSError."""
        try:
            return os.open(path, _WRITING, 0o600)
        except FileNotFoundError:  # the first blob of the day
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._days.discard(path.parent)
            return os.open(path, _WRITING, 0o600)

    async def sync_entry(self, path: Path) -> None:
        """Make a blob's entry durable, and its day's folder's too; raises StorageFailed.

        Another process may have made that folder and not have synced it yet, so each process does
        once a day.
        """
        day = path.parent
        try:
            if day not in self._days:
                await self.directories.sync(day.parent)
                self._days.add(day)
            await self.directories.sync(day)
        except OSError as exc:
            raise storage_problem(exc) from exc

    def _size(self, key: str) -> int | None:
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

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


def _folders(root: Path) -> list[Path]:
    return [root, *sorted(path for path in root.iterdir() if path.is_dir())]


def _listed(root: Path, folder: Path) -> list[StoredBlob]:
    listed = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # swept meanwhile
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    key = Path(entry.path).relative_to(root).as_posix()
                    listed.append(StoredBlob(key, stat.st_size, stat.st_mtime))
    return listed


def storage_problem(exc: OSError) -> Problem:
    """Say what the caller may know of a failed disk; the rest goes to the log."""
    log.error("the disk failed: %s", exc)
    return StorageFull() if exc.errno in _FULL else StorageFailed()


def _open_with(path: Path, size: int) -> int:
    """Open a file that has so many bytes."""
    fd = os.open(path, _READING)
    if os.fstat(fd).st_size < size:
        os.close(fd)
        raise OSError(errno.EIO, "a blob is shorter than its row says")
    return fd


def _read_exactly(fd: int, size: int, start: int) -> bytes:
    data = os.pread(fd, size, start)
    while len(data) < size:
        more = os.pread(fd, size - len(data), start + len(data))
        if not more:
            raise OSError(errno.EIO, "a blob is shorter than its row says")
        data += more
    return data
