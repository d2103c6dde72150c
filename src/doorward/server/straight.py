"""Bodies moved straight between a socket and a thread, past the HTTP parser and the event loop.

Once a head says how long a body is, the body has no structure, so threads may move it as it is. The
loop only waits for a socket that has nothing to give or takes nothing more.
"""

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from doorward.server.problems import ContentInterrupted

Piece = Callable[[], AbstractContextManager[None]]

PIECE_BYTES = 64 * 1024
# A reader as fast as the disk would otherwise have one call send a whole file.
_PUSHED_BYTES_MAX = 4 << 20


class _Shared:
    """A connection's socket beside its transport, which must leave alone what is done with it."""

    def __init__(self, fd: int, event: int) -> None:
        self._event = event
        self._socket = socket.socket(fileno=os.dup(fd))
        self._socket.settimeout(0)
        self._poll = select.poll()
        self._poll.register(self._socket, event)
        # Closed between two steps of a thread, a descriptor may be another connection's; and the
        # loop, which closes, never waits for a thread that may wait for the disk.
        self._busy = threading.Lock()
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    def wait(self, seconds: float) -> bool:
        """Wait in a thread until the socket is ready, or the connection has ended."""
        return bool(self._poll.poll(seconds * 1000))

    async def ready(self) -> None:
        """Wait on the loop until the socket is ready, the connection has ended or was let go of."""
        if self.closed:
            return
        self._waiter = self._loop.create_future()
        watch = self._loop.add_reader if self._event == select.POLLIN else self._loop.add_writer
        watch(self._socket.fileno(), self._wake)
        try:
            await self._waiter
        finally:
            self._unwatch()

    def close(self) -> None:
        """Let go of the socket; whoever waits or works on it finds that it has ended."""
        self._unwatch()
        self.closed = True
        self._close_unless_busy()
        self._wake()

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Keep the socket open while a thread works on it; raises ContentInterrupted if closed."""
        try:
            with self._busy:
                if self.closed:
                    raise ContentInterrupted
                yield
        finally:
            self._close_unless_busy()

    def _close_unless_busy(self) -> None:
        """Close what is to be closed, or leave it to whoever works on it and looks afterwards."""
        if self.closed and self._busy.acquire(blocking=False):
            try:
                self._socket.close()
            finally:
                self._busy.release()

    def _unwatch(self) -> None:
        if not self.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Inlet(_Shared):
    """What is left of a request's body; ``leftover`` is what the parser has read of it already.

    ``done`` is called on the loop when nothing is left.
    """

    def __init__(self, fd: int, leftover: bytes, remaining: int, done: Callable[[], None]) -> None:
        super().__init__(fd, select.POLLIN)
        self.remaining = remaining
        self._leftover = memoryview(leftover)
        self._done = done
        self._woken_by = 1

    def fill(self, buffer: memoryview) -> int:
        """Put what has come into a buffer, in whichever thread; gives how many bytes, maybe none.

        Raises ContentInterrupted once nothing can come any more.
        """
        wanted = min(len(buffer), self.remaining)
        filled = self._from_leftover(buffer[:wanted])
        if filled < wanted:
            with self._using():
                filled += self._came(buffer[filled:wanted])
        self.remaining -= filled
        return filled

    def wait_for(self, size: int, seconds: float) -> bool:
        """Wait in a thread until so many bytes are there, or the connection has ended.

        Few large pieces cost less than many small ones, and a thread that is not woken for each.
        """
        self._wake_by(max(1, min(size, self.remaining - len(self._leftover))))
        return self.wait(seconds)

    async def ready(self) -> None:
        """Wait on the loop until anything is there, or the connection has ended."""
        self._wake_by(1)
        await super().ready()

    def close(self) -> None:
        """Let go of the socket, as its transport had it."""
        self._wake_by(1)
        super().close()

    async def receive(self) -> dict[str, object]:
        """Give the next piece as an ASGI message, once one has come."""
        try:
            piece = await self._piece()
        except ContentInterrupted:
            return {"type": "http.disconnect"}
        self.settle()
        return {"type": "http.request", "body": piece, "more_body": self.remaining > 0}

    def settle(self) -> None:
        """Give the connection back to its parser where nothing is left."""
        if self.remaining == 0 and not self.closed:
            self.close()
            self._done()

    async def _piece(self) -> bytes:
        buffer = bytearray(min(PIECE_BYTES, self.remaining))
        while self.remaining:
            filled = self.fill(memoryview(buffer))
            if filled:
                return bytes(buffer[:filled])
            await self.ready()
        return b""

    def _wake_by(self, size: int) -> None:
        """Have the system call the socket ready once it holds so many bytes."""
        if size != self._woken_by and not self.closed:
            with suppress(ContentInterrupted), self._using():
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
                self._woken_by = size

    def _from_leftover(self, buffer: memoryview) -> int:
        piece = self._leftover[: len(buffer)]
        buffer[: len(piece)] = piece
        self._leftover = self._leftover[len(piece) :]
        return len(piece)

    def _came(self, buffer: memoryview) -> int:
        try:
            came = self._socket.recv_into(buffer)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise ContentInterrupted from exc
        if came == 0:
            raise ContentInterrupted
        return came


class Outlet(_Shared):
    """Where the bytes of an answer's body go whose head is sent.

    Each push happens inside a ``piece``, which raises what ends it.
    """

    def __init__(self, fd: int, piece: Piece = nullcontext) -> None:
        super().__init__(fd, select.POLLOUT)
        self._piece = piece

    def push(self, fd: int, start: int, size: int) -> int:
        """Have the system send bytes of a file, in a thread; gives how many, maybe none.

        Raises ContentInterrupted once nobody takes any more, OSError where the file can't be read,
        and what ``piece`` does.
        """
        with self._using(), self._piece():
            try:
                return os.sendfile(self._socket.fileno(), fd, start, min(size, _PUSHED_BYTES_MAX))
            except BlockingIOError:
                return 0
            except (ConnectionError, TimeoutError) as exc:
                raise ContentInterrupted from exc
