"""Uploads and downloads under way, which remember when each byte was sent or read."""

import asyncio
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from doorward.cli.revoking.sockets import in_flight
from doorward.cli.revoking.wire import length_of, status_of

UPLOAD_BYTES = 8 << 20
_PIECE = bytes(512)
_PART_PIECES = 4
_IDLE_SECONDS, _BUSY_SECONDS = 0.1, 0.01
_READ_IDLE, _READ_BUSY = (8 << 10, 0.1), (64 << 10, 0.002)
_RECEIVE_BUFFER_BYTES = 64 << 10
_HEAD_BYTES_MAX = 64 << 10


@dataclass(slots=True)
class Ended:
    """When a transfer ended, and as what; never before somebody ended it, if all is well."""

    at: float
    how: str


class Sending:
    """An upload that trickles: one long request, or a row of parts that are each acknowledged.

    ``sent`` says when each so many bytes were handed to the system, and ``acknowledged`` when each
    so many were said to be kept.
    """

    def __init__(self, url: str, *, parts: bool) -> None:
        self._url = urlsplit(url)
        self._parts = parts
        self.busy = False
        self.stopped = False
        self.sent: list[tuple[float, int]] = []
        self.acknowledged: list[tuple[float, int]] = []
        self.ended: Ended | None = None
        self._total = 0
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and go on from there in a task."""
        streams = await asyncio.open_connection(self._url.hostname, self._url.port)
        self.task = asyncio.create_task(self._run(*streams))

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            how = await (self._in_parts if self._parts else self._at_once)(reader, writer)
        except (OSError, asyncio.IncompleteReadError) as exc:
            how = type(exc).__name__
        finally:
            writer.close()
        self.ended = Ended(time.perf_counter(), how)

    async def _at_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(self._head("PUT", UPLOAD_BYTES))
        answered = asyncio.create_task(reader.read(200))
        try:
            while not self.stopped:
                self._send(writer)
                pause = _BUSY_SECONDS if self.busy else _IDLE_SECONDS
                if (await asyncio.wait([answered], timeout=pause))[0]:
                    return _told(answered.result())
        finally:
            answered.cancel()
        return "stopped"

    async def _in_parts(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        while not self.stopped:
            tus = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")
            size = _PART_PIECES * len(_PIECE)
            writer.write(self._head("PATCH", size, *tus, f"Upload-Offset: {self._total}"))
            for _ in range(_PART_PIECES):
                self._send(writer)
                await asyncio.sleep(_BUSY_SECONDS if self.busy else _IDLE_SECONDS)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if status_of(head) != HTTPStatus.NO_CONTENT:
                return _told(head)
            self.acknowledged.append((time.perf_counter(), _offset_of(head)))
        return "stopped"

    def _send(self, writer: asyncio.StreamWriter) -> None:
        self._total += len(_PIECE)
        self.sent.append((time.perf_counter(), self._total))
        writer.write(_PIECE)

    def _head(self, method: str, size: int, *more: str) -> bytes:
        lines = [
            f"{method} {self._url.path}?{self._url.query} HTTP/1.1",
            f"Host: {self._url.netloc}",
        ]
        return "\r\n".join([*lines, *more, f"Content-Length: {size}", "", ""]).encode()

    def sent_at(self, offset: int) -> float | None:
        """Say when the last of so many bytes was sent, None for none."""
        return next((at for at, total in self.sent if offset and total >= offset), None)


class Reading:
    """A download under way, whose bytes are counted as they are read.

    ``read`` says when so many bytes were read in all, the answer's head among them.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.busy = False
        self.stopped = False
        self.read: list[tuple[float, int]] = []
        self.ended: Ended | None = None
        self._socket = socket.socket()
        self.task: asyncio.Task[None] | None = None

    @property
    def total(self) -> int:
        """How many bytes were read."""
        return self.read[-1][1] if self.read else 0

    async def start(self) -> None:
        """Connect and ask, and go on from there in a task."""
        loop = asyncio.get_running_loop()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._socket.settimeout(0)
        await loop.sock_connect(self._socket, (self._url.hostname, self._url.port))
        head = (
            f"GET {self._url.path}?{self._url.query} HTTP/1.1\r\nHost: {self._url.netloc}\r\n\r\n"
        )
        await loop.sock_sendall(self._socket, head.encode())
        first = await loop.sock_recv(self._socket, 8 << 10)
        self.read.append((time.perf_counter(), len(first)))
        if status_of(first) != HTTPStatus.OK:
            self.ended = Ended(time.perf_counter(), _told(first))
        self.task = asyncio.create_task(self._run(length_of(first.lower())))

    def reachable(self) -> int | None:
        """Say how many bytes we may have in the end, if the server sends nothing from now on."""
        if self.ended is not None:
            return self.total
        flying = in_flight(self._socket.getsockname()[1], self._url.port or 0)
        return None if flying is None else self.total + flying

    async def _run(self, size: int) -> None:
        loop, how = asyncio.get_running_loop(), "stopped"
        try:
            while not self.stopped and self.ended is None:
                most, pause = _READ_BUSY if self.busy else _READ_IDLE
                came = await loop.sock_recv(self._socket, most)
                if not came:
                    how = "whole" if self.total >= size else "cut"
                    break
                self.read.append((time.perf_counter(), self.total + len(came)))
                await asyncio.sleep(pause)
        except OSError as exc:
            how = type(exc).__name__
        finally:
            self._socket.close()
        self.ended = self.ended or Ended(time.perf_counter(), how)


@dataclass(slots=True)
class Transfers:
    """What one credential has under way."""

    upload_id: str | None = None
    sending: Sending | None = None
    reading: Reading | None = None

    def under_way(self) -> list[Sending | Reading]:
        """Give those that there are."""
        return [one for one in (self.sending, self.reading) if one is not None]


def _told(head: bytes) -> str:
    return str(status_of(head)) if head.startswith((b"HTTP/", b"http/")) else "closed"


def _offset_of(head: bytes) -> int:
    return int(head.partition(b"\r\nupload-offset:")[2].partition(b"\r\n")[0])
