"""One request and its answer, over a connection of its own, every part of it bounded."""

import asyncio
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import cast

import httpcore2

from doorward.server.outbound.addresses import Network
from doorward.server.outbound.lookups import Resolve
from doorward.server.outbound.network import JudgedNetwork
from doorward.server.outbound.targets import Target, redirected, target_of
from doorward.server.problems import TooManyRequests, UpstreamFailed

REDIRECTS_MAX = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTED_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long anything may take, in seconds, and how many connections one host gets at once."""

    connect_seconds: float = 10.0
    head_seconds: float = 30.0
    idle_seconds: float = 30.0
    host_connections_max: int = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; redirects are followed for GET and HEAD alone, so many of them."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    redirects_max: int = REDIRECTS_MAX


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, its names in small letters, and its bytes as they come."""

    target: Target
    status: int
    headers: Mapping[str, str]
    _stream: AsyncIterable[bytes]

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes as they were sent, never unpacked; raises UpstreamFailed."""
        with _told_plainly():
            async for chunk in self._stream:
                yield chunk

    async def read(self, bytes_max: int, seconds_max: float) -> bytes:
        """Read the whole body; raises UpstreamFailed where it is longer or slower."""
        body = bytearray()
        with _told_plainly():
            async with asyncio.timeout(seconds_max):
                async for chunk in self._stream:
                    body += chunk
                    if len(body) > bytes_max:
                        raise UpstreamFailed
        return bytes(body)


class Outbound:
    """Sends what users ask for to where they ask, if that is where it may go.

    No proxy of the environment is used, no cookie or credential kept, and no connection shared.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        bounds: Bounds | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._network = JudgedNetwork(allowed, resolve)
        self._bounds = bounds or Bounds()
        self._tls = tls
        self._connected: dict[str, int] = {}

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request and give its answer, after few redirects at most, each judged anew.

        Raises AddressNotAllowed, UpstreamFailed, TooManyRequests.
        """
        target = target_of(request.url)
        async with AsyncExitStack() as stack:
            with _told_plainly():
                async with asyncio.timeout(self._bounds.head_seconds):
                    answer = await self._answered(request, target, stack)
            yield answer

    async def _answered(self, request: Request, target: Target, stack: AsyncExitStack) -> Answer:
        for _ in range(request.redirects_max + 1):
            one = AsyncExitStack()
            async with one:
                answer = await one.enter_async_context(self._once(request, target))
                location = answer.headers.get("location")
                moved = answer.status in _REDIRECTS and location is not None
                if not moved or request.method not in _REDIRECTED_METHODS:
                    stack.push_async_exit(one.pop_all())
                    return answer
                target = redirected(target, location or "")
        raise UpstreamFailed

    @asynccontextmanager
    async def _once(self, request: Request, target: Target) -> AsyncIterator[Answer]:
        """Ask one server, over a connection that ends with the answer."""
        origin = httpcore2.Origin(target.scheme.encode(), target.host.encode(), target.port)
        with self._counted(target.host):
            async with httpcore2.AsyncHTTPConnection(
                origin, ssl_context=self._context(target), network_backend=self._network
            ) as connection:
                response = await connection.handle_async_request(self._request(request, target))
                try:
                    yield Answer(
                        target,
                        response.status,
                        _headers(response.headers),
                        cast("AsyncIterable[bytes]", response.stream),
                    )
                finally:
                    await response.aclose()

    def _request(self, request: Request, target: Target) -> httpcore2.Request:
        headers = {
            "Host": target.authority,
            "User-Agent": "doorward",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **request.headers,
        }
        if request.content or request.method not in _REDIRECTED_METHODS:
            headers["Content-Length"] = str(len(request.content))
        idle = self._bounds.idle_seconds
        url = httpcore2.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        return httpcore2.Request(
            request.method,
            url,
            headers=list(headers.items()),
            content=request.content,
            extensions={
                "timeout": {"connect": self._bounds.connect_seconds, "read": idle, "write": idle}
            },
        )

    def _context(self, target: Target) -> ssl.SSLContext | None:
        """Load the system's authorities with the first address that needs them."""
        if target.scheme == "https" and self._tls is None:
            self._tls = httpcore2.default_ssl_context()
        return self._tls

    @contextmanager
    def _counted(self, host: str) -> Iterator[None]:
        """Take one of the host's connections; raises TooManyRequests."""
        now = self._connected.get(host, 0)
        if now >= self._bounds.host_connections_max:
            raise TooManyRequests(headers={"Retry-After": "10"})
        self._connected[host] = now + 1
        try:
            yield
        finally:
            self._connected[host] -= 1
            if not self._connected[host]:
                del self._connected[host]


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn whatever the other side did into UpstreamFailed, without saying what it was."""
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        TimeoutError,
        OSError,
    ) as exc:
        raise UpstreamFailed from exc


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give the headers by name; of one that comes twice the first counts."""
    headers: dict[str, str] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1").lower(), _text(value))
    return headers


def _text(value: bytes) -> str:
    """Read a header: ASCII by the rules, in practice UTF-8 as often as Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
