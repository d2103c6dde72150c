"""The body of one answer: as ASGI's pieces, or straight from the disk where the server can."""

from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing

from starlette.types import Scope, Send

from doorward.server.uploads.ports import Stretch


class Outgoing:
    """Sends what a body is made of, and tells ``sent`` of every byte that went.

    Each piece goes inside a ``piece``, in whichever thread, which raises what ends it.
    """

    def __init__(
        self,
        send: Send,
        scope: Scope,
        sent: Callable[[int], object],
        piece: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._piece = piece
        self._send = send
        self._hand_over = scope.get("extensions", {}).get("doorward.send_stretch")
        self._sent = sent

    async def send(self, piece: bytes | Stretch) -> None:
        """Send a piece; raises StorageFailed, ContentInterrupted, and what ``piece`` does."""
        if isinstance(piece, bytes):
            await self._send_chunk(piece)
        elif self._hand_over is not None:
            await self._hand_over(piece, self._sent, self._piece)
        else:
            async with aclosing(piece.chunks()) as chunks:
                async for chunk in chunks:
                    await self._send_chunk(chunk)

    async def _send_chunk(self, chunk: bytes) -> None:
        with self._piece():  # and not while it waits for whoever reads slowly
            pass
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._sent(len(chunk))
