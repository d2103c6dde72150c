"""What many pass through at once, in every process of a folder, and can be waited for to be empty.

Whoever looks whether something may be done, and then does it, may be held up in between. Where both
happen inside the passage, whoever changed what was looked at waits until it is empty once: all that
was decided before is done then, and what comes later sees the change.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Passage:
    """Two files that are locked: a door, and the room behind it.

    Whoever waits for the room holds the door shut, so that those who come meanwhile don't keep the
    room from being empty.
    """

    def __init__(self, folder: Path) -> None:
        self._names = (folder / "passage-door.lock", folder / "passage.lock")
        for name in self._names:
            name.touch(mode=0o600)
        self._local = threading.local()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be in the passage for the block, which is to be short; raises OSError."""
        door, room = self._opened()
        fcntl.flock(door, fcntl.LOCK_SH)
        try:
            fcntl.flock(room, fcntl.LOCK_SH)
        finally:
            fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(room, fcntl.LOCK_UN)

    async def empty(self) -> None:
        """Wait until all who are inside now are out; raises OSError."""
        await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        door, room = self._opened()
        fcntl.flock(door, fcntl.LOCK_EX)
        try:
            fcntl.flock(room, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_UN)
        finally:
            fcntl.flock(door, fcntl.LOCK_UN)

    def _opened(self) -> tuple[int, int]:
        """Give this thread's own descriptors: a lock is its descriptor's, not its thread's."""
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is None:
            opened = self._local.opened = _Opened(*self._names)
        return opened.both


class _Opened:
    """Two descriptors that are closed with their thread."""

    def __init__(self, door: Path, room: Path) -> None:
        self.both = (os.open(door, os.O_RDONLY), os.open(room, os.O_RDONLY))

    def __del__(self) -> None:
        for fd in self.both:
            os.close(fd)
