"""A stretch of a blob on the local disk on its way out, without a copy where the server can."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from doorward.server.uploads.ports import Outlet

if TYPE_CHECKING:
    from doorward.server.store.blobs.local import LocalBlobs

# One thread serves one connection for so long at a time, then whoever else waits for one has it.
PUSH_SECONDS = 0.1
PUSH_PATIENCE_SECONDS = 0.002


class LocalStretch:
    """A Stretch over an open file; either ``chunks`` or ``send`` gives its bytes, once."""

    def __init__(self, blobs: "LocalBlobs", fd: int, key: str, start: int, stop: int) -> None:
        self._blobs = blobs
        self._fd: int | None = fd
        self._key = key
        self._start = start
        self._stop = stop

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes."""
        fd, self._fd = self._fd, None
        return self._blobs.read(self._key, self._start, self._stop, fd=fd)

    async def send(self, outlet: Outlet, sent: Callable[[int], object]) -> None:
        """Have the system send the bytes; a thread that works on it is waited for in any case."""
        while self._start < self._stop:
            pushing = asyncio.ensure_future(self._blobs.run(self._push, outlet))
            try:
                count = await asyncio.shield(pushing)
            except asyncio.CancelledError:
                outlet.close()
                await asyncio.wait([pushing])
                pushing.exception()
                raise
            self._start += count
            sent(count)
            if count == 0:
                await outlet.ready()

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _push(self, outlet: Outlet) -> int:
        fd, position = self._fd, self._start
        if fd is None:
            raise OSError(errno.EBADF, f"{self._key} was let go of")
        give_up = time.monotonic() + PUSH_SECONDS
        while position < self._stop and time.monotonic() < give_up:
            count = outlet.push(fd, position, self._stop - position)
            position += count
            if count == 0 and not outlet.wait(PUSH_PATIENCE_SECONDS):
                break
        return position - self._start
