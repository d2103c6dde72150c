"""One persistent HTTP/1.1 connection that costs its client as little as can be.

Files are sent by ``sendfile``, so their bytes never pass through Python, and what is received goes
into one buffer and is forgotten. Starting curl takes about as long as a server needs for some MiB,
and would make slow and quick servers look alike wherever requests are small or many.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

_BUFFER_BYTES = 1 << 20
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, to be sent."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose head was read; ``body`` is empty where it was not to be kept."""

    status: int
    headers: Mapping[str, str]
    length: int
    body: bytes


class Connection:
    """A connection to the server of a URL, made again after an answer that closes it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None
        self._buffer = bytearray(_BUFFER_BYTES)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Piece = b"",
        *,
        keep: bool = False,
    ) -> Answer:
        """Send a request and read its answer; raises OSError, ValueError."""
        length = body.length if isinstance(body, Piece) else len(body)
        sent = {"Host": f"{self._address[0]}:{self._address[1]}"} | dict(headers)
        if method not in {"GET", "HEAD"}:
            sent["Content-Length"] = str(length)
        lines = [f"{method} {_target(url)} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        answer = self._exchange(head, body, keep=keep, bodiless=method == "HEAD")
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def _exchange(self, head: bytes, body: bytes | Piece, *, keep: bool, bodiless: bool) -> Answer:
        taken = self.open()
        if isinstance(body, Piece):
            taken.sendall(head, socket.MSG_MORE)
            with body.path.open("rb") as file:
                taken.sendfile(file, body.offset, body.length)
        else:
            taken.sendall(head + body)
        return self._read(taken, keep=keep, bodiless=bodiless)

    def _read(self, taken: socket.socket, *, keep: bool, bodiless: bool) -> Answer:
        got = b""
        while True:
            while b"\r\n\r\n" not in got:
                more = taken.recv(64 << 10)
                if not more:
                    raise ConnectionError("the server closed before it answered")
                got += more
            head, _, got = got.partition(b"\r\n\r\n")
            status, headers = _head(head)
            if status >= 200:  # others only announce the answer
                break
        none = bodiless or status in {204, 304}
        length = 0 if none else int(headers["content-length"])
        body = self._body(taken, got, length, keep=keep)
        return Answer(status, headers, length, body)

    def _body(self, taken: socket.socket, got: bytes, length: int, *, keep: bool) -> bytes:
        left, kept, view = length - len(got), [got], memoryview(self._buffer)
        while left > 0:
            count = taken.recv_into(view[: min(left, _BUFFER_BYTES)])
            if not count:
                raise ConnectionError("the server closed within its answer")
            left -= count
            if keep:
                kept.append(bytes(view[:count]))
        return b"".join(kept) if keep else b""

    def open(self) -> socket.socket:
        """Connect, unless it is connected."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def close(self) -> None:
        """Leave the server; the next request connects again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _target(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
