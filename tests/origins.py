"""Servers elsewhere, as far as a test is concerned: on loopback, well-behaved or anything but."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


@dataclass
class Origin:
    """An HTTP server in a thread; ``pages`` give the pieces of whole answers, head included.

    A piece that is an event is waited for; None cuts the connection.
    """

    pages: dict[str, Callable]
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._ending = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        server = await asyncio.start_server(self._answer, self.host, 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._ending.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                lines = [line.split(": ", 1) for line in head[1:] if line]
                asked = Asked(head[0].split(" ")[1], {k.lower(): v for k, v in lines})
                self.asked.append(asked)
                await self._write(writer, self.pages[asked.path.split("?")[0]](asked))
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    async def _write(self, writer, pieces) -> None:
        for piece in pieces:
            if isinstance(piece, threading.Event):
                while not piece.is_set():  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(0.01)
            elif piece is None:
                writer.transport.abort()
                return
            else:
                writer.write(piece)
                await writer.drain()


def head(status: int = 200, **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()


def page(content: bytes, **headers: object):
    """A page that is given whole, or from where a range begins if its tag is asked for."""

    def answer(asked: Asked):
        tag, range_ = headers.get("ETag"), asked.headers.get("range")
        if range_ and tag and asked.headers.get("if-range") == tag:
            start = int(range_.removeprefix("bytes=").removesuffix("-"))
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            length = len(content) - start
            return [
                head(206, **headers, Content_Length=length, Content_Range=span),
                content[start:],
            ]
        return [head(**headers, Content_Length=len(content)), content]

    return answer


def redirect(location: str, status: int = 302):
    return lambda _: [head(status, Location=location, Content_Length=0)]


class Untouched:
    """A socket that listens, and that nobody may ever connect to."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.bind((host, 0))
        self._socket.listen()
        self._socket.settimeout(0)
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        else:
            connection.close()
            raise AssertionError("something inside the private network was connected to")
        finally:
            self._socket.close()
