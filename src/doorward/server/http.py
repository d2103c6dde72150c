"""The HTTP server's protocol with a bound on heads, and without needless copies of bodies."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

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
            extensions: dict[str, Any] = {"doorward.interim": partial(_send_interim, self.cycle)}
            self.scope["extensions"] = extensions

    def on_body(self, body: bytes) -> None:
        """Hand a piece of a body on as it came, where none is waiting to be joined with it.

        Joining and copying every piece costs a stream of large uploads a quarter of its speed.
        """
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
        self._in_head, self._held_bytes = True, 0
        super().on_message_complete()


def _send_interim(cycle: RequestResponseCycle, status: int, headers: Mapping[str, str]) -> None:
    """Send a response before the final one (RFC 9110, section 15.2), which ASGI has no word for.

    A request runs once those before it on the connection are answered, so the connection is its
    own.
    """
    if cycle.response_started or cycle.disconnected:
        return
    lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in headers.items())]
    cycle.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
