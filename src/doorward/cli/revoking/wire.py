"""One connection that says to the microsecond when a request was sent and when it was answered."""

import asyncio
import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request, and when; times are those of ``time.perf_counter``."""

    status: int
    body: bytes
    sent: float
    answered: float

    @property
    def accepted(self) -> bool:
        """Whether the server did what was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def json(self) -> Any:
        """The body of an answer that must be a good one; raises BenchFailed."""
        if not self.accepted:
            raise BenchFailed(f"{self.status}: {self.body.decode(errors='replace')[:300]}")
        return json.loads(self.body) if self.body else None


class BenchFailed(Exception):
    """The bench itself did not come about; it says nothing of revocations."""


class Wire:
    """A kept connection, opened anew where the server let an idle one go."""

    def __init__(self, host: str, port: int) -> None:
        self._at = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> int:
        """Connect; gives our port."""
        self.close()
        self._streams = await asyncio.open_connection(*self._at)
        port: int = self._streams[1].get_extra_info("sockname")[1]
        return port

    async def ask(
        self, method: str, path: str, bearer: str | None = None, body: object = None
    ) -> Answer:
        """Send a request and read its answer; raises BenchFailed."""
        text = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._at[0]}:{self._at[1]}"]
        if bearer is not None:
            lines.append(f"Authorization: Bearer {bearer}")
        if body is not None or method == "POST":
            lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
        request = "\r\n".join([*lines, "", ""]).encode() + text
        for _ in range(3):
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await self._exchange(request, headless=method == "HEAD")
            except (OSError, asyncio.IncompleteReadError):
                self.close()
            except TimeoutError as exc:
                raise BenchFailed(f"{method} {path.partition('?')[0]} was not answered") from exc
        raise BenchFailed(f"{method} {path.partition('?')[0]}: the connection was closed")

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes, *, headless: bool) -> Answer:
        if self._streams is None:
            await self.open()
        assert self._streams is not None  # noqa: S101 - just opened
        reader, writer = self._streams
        sent = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = 0 if headless else length_of(head)
        body = await reader.readexactly(length) if length else b""
        answered = time.perf_counter()
        if b"\r\nconnection: close" in head:
            self.close()
        return Answer(status_of(head), body, sent, answered)


def status_of(head: bytes) -> int:
    """Give the status of a head."""
    return int(head.split(b" ", 2)[1])


def length_of(head: bytes) -> int:
    """Give the length that a head in lower case announces."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
