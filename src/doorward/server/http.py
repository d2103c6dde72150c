"""The HTTP server's protocol with a bound on what comes before a body."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request whose line and headers do not end; the parser itself keeps no bound."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes, and end a connection that sends a head without end."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self.send_400_response("Request headers are too large.")

    def on_headers_complete(self) -> None:
        """From here on it is a body, which others bound."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request of the connection begins with a head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()
