"""A whole server in this process behind its own HTTP, spoken to over real connections."""

import re
import socket
import threading
from collections.abc import Callable
from typing import Self

import httpx2

from doorward.cli.revoking.sockets import in_flight
from doorward.server.app import create_app
from doorward.server.folder import prepare
from doorward.server.serve import _config, _Server
from doorward.standin import Standin

LINES = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)


class ServedHouse:
    """One server in a thread with an event loop of its own; time is whatever ``clock`` says."""

    def __init__(self, settings, clock: Callable[[], float]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        settings = prepare(settings.listening_on(self._listener.getsockname()[1]))
        self.data = settings.data
        self.url = settings.public_url
        self.standin = Standin.open(settings.data / "standin", clock=clock)
        self._started = threading.Event()
        app = create_app(settings, clock)
        self.server = _Server(_config(settings, app), settings, lambda _: self._started.set())
        self._thread = threading.Thread(target=self.server.run, args=([self._listener],))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(60)
        self.http = httpx2.Client(base_url=f"{self.url}/api/v1", headers=self.mine(), timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.server.should_exit = True
        self._thread.join(60)
        self._listener.close()

    def mine(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.standin.mint('alice')}"}

    def declare(self, name: str, size: int, **more: object) -> str:
        """Declare an upload and give what of its URL is asked for."""
        workspace = self.http.get("workspaces").json()["data"][0]["id"]
        body = {"name": name, "size": size} | more
        created = self.http.post(f"workspaces/{workspace}/uploads", json=body)
        return created.json()["url"].removeprefix(self.url)

    def connect(self) -> "Connection":
        return Connection(self._listener.getsockname()[1])


class Answer:
    """An answer as it came."""

    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status = status
        pairs = (line.split(b": ", 1) for line in head.split(b"\r\n"))
        self.headers = {name.decode().lower(): value.decode() for name, value in pairs}
        self.body = body


class Connection:
    """One connection, on which bytes are sent and taken as a test says."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> None:
        """Send a request; a ``content_length`` may announce more than its body."""
        named = {"Host": "127.0.0.1", "Content-Length": str(len(body))}
        named |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in named.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def head(self) -> Answer:
        """Take the head of an answer, whose body stays to be taken."""
        while (found := LINES.search(self._read)) is None:
            self._more()
        self._read = self._read[found.end() :]
        return Answer(int(found[1]), found[2], b"")

    def answer(self) -> Answer:
        """Take a whole answer; raises ConnectionError where it is cut."""
        answer = self.head()
        size = int(answer.headers.get("content-length", 0))
        while len(self._read) < size:
            self._more()
        answer.body, self._read = self._read[:size], self._read[size:]
        return answer

    def rest(self) -> bytes:
        """Take whatever comes until the connection ends."""
        taken, self._read = bytearray(self._read), b""
        try:
            while piece := self.socket.recv(1 << 20):
                taken += piece
        except ConnectionError:
            pass
        return bytes(taken)

    def on_its_way(self) -> int:
        """Say how much there is to take that was sent so far, as far as the system knows."""
        ours, theirs = self.socket.getsockname()[1], self.socket.getpeername()[1]
        return len(self._read) + (in_flight(ours, theirs) or 0)

    def _more(self) -> None:
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("the connection ended before the answer did")
        self._read += piece
