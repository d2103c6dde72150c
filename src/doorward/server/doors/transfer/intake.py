"""The bytes of one request on their way into a sink, judged as they come."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from doorward.server.doors.transfer.checksums import ChunkCheck
from doorward.server.doors.transfer.holders import Holding
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.problems import ContentInterrupted
from doorward.server.uploads.policy import Inspector
from doorward.server.uploads.ports import Sink

PROGRESS_SECONDS = 1.0
# Of hundreds that trickle, each would otherwise cost a transaction and a sync a second.
_NOTED_BYTES = 1 << 20
_NOTED_SECONDS = 5.0
_FAST_BYTES = 64 * 1024  # whoever fills less at a time keeps no thread busy


@dataclass(slots=True)
class Intake:
    """Takes a body until it ends, or ``holding`` is asked to let go of the upload.

    ``promise`` is awaited with how far the upload comes, before a byte of that is taken. Each
    second ``judge`` is asked whether the credential still counts. ``note`` is awaited as often
    while much comes, and now and then otherwise. All three raise what ends the upload. Of bytes
    with a ``check`` none is made durable before all have passed it.
    """

    holding: Holding
    sink: Sink
    inspector: Inspector
    check: ChunkCheck | None
    judge: Callable[[], None]
    promise: Callable[[int], Awaitable[None]]
    note: Callable[[], Awaitable[None]]
    _judged: float = field(default_factory=time.monotonic)
    _noted: float = field(default_factory=time.monotonic)
    _noted_position: int = 0

    async def take(self, body: Incoming) -> None:
        """Take all of it; raises ContentInterrupted, StorageFull, StorageFailed.

        And MediaTypeRefused, what the three raise, and why the upload was to be let go of.
        """
        self._noted_position, more = self.sink.position, True
        while more:
            message = await self.holding.next(body.receive)
            if message["type"] == "http.disconnect":
                raise ContentInterrupted
            chunk, more = message.get("body", b""), message.get("more_body", False)
            await self._store(chunk)
            if more and len(chunk) >= _FAST_BYTES and not self.inspector.waits(self.sink.position):
                more = await self._draw(body)
            now = time.monotonic()
            if now - self._judged > PROGRESS_SECONDS:
                self._judged = now
                await self._look(now)

    async def _store(self, chunk: bytes) -> None:
        if chunk:
            await self.promise(self.sink.position + len(chunk))
            self._see(chunk)
            self.inspector.take(chunk, self.sink.position)
            await self.sink.write(chunk)

    async def _draw(self, body: Incoming) -> bool:
        """Have a thread take what a fast sender brings; says whether more is to come."""
        inlet = body.inlet()
        if inlet is None:
            return True
        await self.promise(self.sink.position + inlet.remaining)
        await self.sink.draw(inlet, self._see, self._is_asked)
        inlet.settle()
        return inlet.remaining > 0

    def _see(self, chunk: bytes | memoryview) -> None:
        if self.check is not None:
            self.check.update(chunk)

    def _is_asked(self) -> bool:
        return self.holding.asked

    async def _look(self, now: float) -> None:
        self.judge()
        came = self.sink.position - self._noted_position
        if came < _NOTED_BYTES and now - self._noted < _NOTED_SECONDS:
            return
        self._noted, self._noted_position = now, self.sink.position
        if self.check is None:
            self.sink.sync_behind()
        await self.note()
