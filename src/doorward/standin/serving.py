"""Serves a stand-in from a thread of a test run, where no ASGI server is installed."""

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

from doorward.standin.app import BODY_BYTES_MAX, create_app
from doorward.standin.instance import Standin

_POLL_SECONDS = 0.02
_TIMEOUT_SECONDS = 15


@contextmanager
def serving(standin: Standin) -> Iterator[str]:
    """Answer on a free port of this machine, and give the address, until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.standin, server.app = standin, create_app(standin)
        thread = Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    app: Any
    standin: Standin
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    """Turns one request into a call of the ASGI application."""

    server: _Server
    timeout = _TIMEOUT_SECONDS

    def _serve(self) -> None:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        body = self._body()
        asyncio.run(self.server.app(self._scope(), receive, send))
        start, *rest = sent
        self.send_response(start["status"])
        for name, value in start["headers"]:
            self.send_header(name.decode(), value.decode("latin-1"))
        self.end_headers()
        self.wfile.write(b"".join(message.get("body", b"") for message in rest))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names

    def finish(self) -> None:
        """End the connection, and with it what this thread had opened."""
        super().finish()
        self.server.standin.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Keep a test run's output its own."""

    def _body(self) -> bytes:
        given = self.headers.get("content-length", "0")
        length = int(given) if given.isascii() and given.isdigit() else 0
        return self.rfile.read(min(length, BODY_BYTES_MAX + 1))

    def _scope(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        return {
            "type": "http",
            "method": self.command,
            "path": unquote(path),
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in self.headers.items()
            ],
            "client": self.client_address,
        }
