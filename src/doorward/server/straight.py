"""A body taken straight from its socket, past the HTTP parser and the event loop.

The parser reads the head and says how long the body is; what is left of it then has no structure,
so threads may read it as it is. The loop only waits for a socket on which nothing has come.
"""

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable

from doorward.server.problems import ContentInterrupted

PIECE_BYTES = 64 * 1024


class Straight:
    """What is left of a body; ``leftover`` is what the parser has read of it already.

    ``done`` is called on the loop when nothing is left. The socket is shared with its transport,
    which must not read from it meanwhile.
    """

    def __init__(self, fd: int, leftover: bytes, remaining: int, done: Callable[[], None]) -> None:
        self.remaining = remaining
        self._leftover = memoryview(leftover)
        self._done = done
        self._socket = socket.socket(fileno=os.dup(fd))
        self._socket.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        # Closed between two steps of a read, a descriptor may be another connection's.
        self._closing = threading.Lock()
        self._waiter: asyncio.Future[None] | None = None

    def fill(self, buffer: memoryview) -> int:
        """Put what has come into a buffer, in whichever thread; gives how many bytes, maybe none.

        Raises ContentInterrupted once nothing can come any more.
        """
        wanted = min(len(buffer), self.remaining)
        filled = self._from_leftover(buffer[:wanted])
        with self._closing:
            while filled < wanted:
                came = self._came(buffer[filled:wanted])
                if came == 0:
                    break
                filled += came
        self.remaining -= filled
        return filled

    def wait(self, seconds: float) -> bool:
        """Wait in a thread until something has come, or the connection has ended."""
        return bool(self._poll.poll(seconds * 1000))

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
        if self.remaining == 0 and self._socket.fileno() != -1:
            self.close()
            self._done()

    def close(self) -> None:
        """Let go of the socket; whoever waits or reads is told that nothing comes any more."""
        self._stop_waiting()
        with self._closing:
            self._socket.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _piece(self) -> bytes:
        buffer = bytearray(min(PIECE_BYTES, self.remaining))
        while self.remaining:
            filled = self.fill(memoryview(buffer))
            if filled:
                return bytes(buffer[:filled])
            await self._readable()
        return b""

    async def _readable(self) -> None:
        self._waiter = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), self._wake)
        try:
            await self._waiter
        finally:
            self._stop_waiting()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_waiting(self) -> None:
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket.fileno())

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
