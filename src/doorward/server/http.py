"""The HTTP server's protocol with a bound on heads, and without needless copies of bodies."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, nullcontext
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from doorward.server.problems import ContentInterrupted
from doorward.server.straight import Inlet, Outlet, Piece
from doorward.server.uploads.ports import Stretch

HEAD_BYTES_MAX = 64 * 1024
PIECE_BYTES_MAX = 256 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Ends a request whose head, or what follows its body, does not end.

    The parser itself keeps no bound.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._held_bytes = 0  # since the request began, or since the last piece of its body
        self._body_bytes = 0
        self._inlet: Inlet | None = None
        self._outlet: Outlet | None = None
        self._stays = True

    def data_received(self, data: bytes) -> None:
        """Take bytes, and end a connection that sends a head, or trailers, without end."""
        self._held_bytes += len(data)
        super().data_received(data)
        if self._held_bytes <= HEAD_BYTES_MAX:
            return
        if self._in_head:
            self.send_400_response("Request headers are too large.")
        else:
            self.transport.close()  # an answer may be on its way already

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the body is none, whatever it is called."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """From here on it is a body, which others bound; interim responses can be sent."""
        self._in_head = False
        super().on_headers_complete()
        if self.scope["http_version"] == "1.1":
            extensions: dict[str, Any] = {
                "doorward.interim": partial(_send_interim, self.cycle),
                "doorward.inlet": partial(self._take_over, self.cycle),
                "doorward.send_stretch": partial(self._send_stretch, self.cycle),
            }
            self.scope["extensions"] = extensions

    def on_body(self, body: bytes) -> None:
        """Hand a piece of a body on as it came, where none is waiting to be joined with it.

        Joining and copying every piece costs a stream of large uploads a quarter of its speed.
        """
        self._body_bytes += len(body)
        self._held_bytes = 0
        cycle = self.cycle
        if cycle.body or cycle.response_complete or self.parser.should_upgrade():
            super().on_body(body)
            return
        cycle.body = body  # type: ignore[assignment]  # it is only read, and replaced whole
        if len(body) > PIECE_BYTES_MAX:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The next request of the connection begins with a head."""
        self._in_head, self._held_bytes, self._body_bytes = True, 0, 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever reads from the socket or writes to it is told too."""
        super().connection_lost(exc)
        for shared in (self._inlet, self._outlet):
            if shared is not None:
                shared.close()

    def shutdown(self) -> None:
        """Take no further request on this connection."""
        self._stays = False
        super().shutdown()

    def _take_over(self, cycle: RequestResponseCycle) -> Inlet | None:
        """Give the rest of a request's body to be read past the parser, None where it can't be.

        Until all of it was read, the connection ends with the answer.
        """
        length = _announced(cycle.scope["headers"])
        if length is None or length <= self._body_bytes or not self._may_be_taken(cycle):
            return None
        self.flow.pause_reading()
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        leftover, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        kept, cycle.keep_alive = cycle.keep_alive, False
        remaining = length - self._body_bytes + len(leftover)
        done = partial(self._give_back, cycle, kept=kept)
        self._inlet = Inlet(self._fd(), leftover, remaining, done)
        return self._inlet

    def _may_be_taken(self, cycle: RequestResponseCycle) -> bool:
        alone = cycle is self.cycle and not cycle.disconnected and not cycle.response_started
        return alone and self.scheme == "http" and self._inlet is None

    def _give_back(self, cycle: RequestResponseCycle, *, kept: bool) -> None:
        """Go on behind the body with a parser that has not seen its head."""
        self._inlet = None
        cycle.keep_alive = kept and self._stays
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    async def _send_stretch(
        self,
        cycle: RequestResponseCycle,
        stretch: Stretch,
        sent: Callable[[int], object],
        piece: Piece = nullcontext,
    ) -> None:
        """Send bytes of a file behind what is sent of an answer whose length was announced.

        Raises ContentInterrupted once nobody reads any more, and what the stretch and ``piece`` do.
        """

        def count(size: int) -> None:
            cycle.expected_content_length -= size
            sent(size)

        # With no room to buffer, the writing is paused until all of it is with the system.
        self._bound_buffer(0)
        await self.flow.drain()
        if cycle.disconnected:
            raise ContentInterrupted
        with closing(Outlet(self._fd(), piece)) as self._outlet:
            try:
                await stretch.send(self._outlet, count)
            except ContentInterrupted:
                cycle.disconnected = True
                raise
        self._bound_buffer(None)

    def _bound_buffer(self, high: int | None) -> None:
        """Bound what waits to be written; a reader may have closed with the last byte."""
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high)

    def _fd(self) -> int:
        fd: int = self.transport.get_extra_info("socket").fileno()
        return fd


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Give the length that the parser goes by, None where the body comes in chunks."""
    length = None
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            length = int(value)
    return length


def _send_interim(cycle: RequestResponseCycle, status: int, headers: Mapping[str, str]) -> None:
    """Send a response before the final one (RFC 9110, section 15.2), which ASGI has no word for.

    A request runs once those before it on the connection are answered, so the connection is its
    own.
    """
    if cycle.response_started or cycle.disconnected:
        return
    lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in headers.items())]
    cycle.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
