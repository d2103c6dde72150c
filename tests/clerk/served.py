"""Clerk's addresses on loopback: they count who asks for keys, and can be made to fail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class ServedKeys:
    """Serves the keys of issuers over real HTTP; ``status`` and ``keys`` may be changed.

    Whoever posts, as about an opaque token, is answered with ``posted``.
    """

    def __init__(self, *issuers: Any) -> None:
        self.keys = [issuer.jwks()["keys"][0] for issuer in issuers]
        self.status = 200
        self.asked = 0
        self.posted: dict[str, Any] = {}
        self._counting = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.api_url = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.api_url}/.well-known/jwks.json"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with served._counting:
                    served.asked += 1
                self._answer({"keys": served.keys})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(served.posted)

            def _answer(self, found: dict[str, Any]) -> None:
                body = json.dumps(found).encode()
                self.send_response(served.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
