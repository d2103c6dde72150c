"""Makes directory entries durable, many with one wait for the disk."""

import asyncio
import os
from concurrent.futures import Executor
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class DirectorySync:
    """Shares one sync among all who ask for it before it begins.

    A sync that has begun may have passed an entry made since, so whoever comes then waits for
    the next one.
    """

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._running: dict[Path, asyncio.Future[None]] = {}
        self._next: dict[Path, asyncio.Future[None]] = {}

    async def sync(self, folder: Path) -> None:
        """Return once every entry made in the folder before this call is durable.

        Raises OSError.
        """
        if folder not in self._running:
            await asyncio.shield(self._begin(folder))
            return
        if folder not in self._next:
            self._next[folder] = asyncio.ensure_future(self._after(folder))
        await asyncio.shield(self._next[folder])

    def _begin(self, folder: Path) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, sync_folder, folder)
        self._running[folder] = running
        running.add_done_callback(lambda done: self._ended(folder, done))
        return running

    def _ended(self, folder: Path, done: asyncio.Future[None]) -> None:
        if self._running.get(folder) is done:
            del self._running[folder]

    async def _after(self, folder: Path) -> None:
        running = self._running.get(folder)
        if running is not None:
            await asyncio.wait([running])
        self._next.pop(folder, None)
        await self._begin(folder)
