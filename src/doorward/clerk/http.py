"""Asking Clerk: one bounded request at a time, blocking or not."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import httpx2  # loaded on the first request: a pasted key needs no network

API_VERSION = "2026-05-12"
RESPONSE_BYTES_MAX = 1 << 20
_WHOLE_IN_TIMEOUTS = 2  # whoever answers byte by byte never meets the timeout between two bytes


class RequestFailed(Exception):
    """No answer that could be used came back; the message says why, without any secret."""


class Http:
    """Sends requests, each answered whole within twice the timeout; thrice where a thread waits.

    With ``keep`` it sends over connections that stay open, a pool per event loop; whoever keeps
    connections closes them with ``aclose``.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str] | None = None,
        keep: bool = False,
        transport: "httpx2.AsyncBaseTransport | None" = None,
        sync_transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        self._timeout = timeout_seconds
        self._whole = _WHOLE_IN_TIMEOUTS * timeout_seconds
        self._headers = _over(
            {"Accept": "application/json", "User-Agent": "doorward"}, headers or {}
        )
        self._keep = keep
        self._transport = transport
        self._sync_transport = sync_transport
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = (
            WeakKeyDictionary()
        )

    async def send(self, method: str, url: str, json: Any = None) -> tuple[int, bytes]:
        """Give status and body; raises RequestFailed."""
        import httpx2

        try:
            async with asyncio.timeout(self._whole):
                if self._keep:
                    return await _answer(self._kept(), method, url, json)
                async with self._new() as client:
                    return await _answer(client, method, url, json)
        except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
            raise RequestFailed(type(exc).__name__) from exc

    def send_blocking(self, method: str, url: str) -> tuple[int, bytes]:
        """Do the same while the thread waits; an answer that takes too long is left to itself."""
        answer: Future[tuple[int, bytes]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._answer_blocking(method, url))
            except BaseException as exc:  # noqa: BLE001 - it is for the thread that waits
                answer.set_exception(exc)

        Thread(target=ask, name="doorward-http", daemon=True).start()
        try:
            # A body that goes on is cut after the whole time; this is for headers that do.
            return answer.result(self._whole + self._timeout)
        except TimeoutError as exc:
            raise RequestFailed("The answer takes too long.") from exc

    def _answer_blocking(self, method: str, url: str) -> tuple[int, bytes]:
        import httpx2

        body, end = bytearray(), time.monotonic() + self._whole
        try:
            with (
                httpx2.Client(
                    timeout=self._timeout, headers=self._headers, transport=self._sync_transport
                ) as client,
                client.stream(method, url) as response,
            ):
                for chunk in response.iter_bytes():
                    _append(body, chunk)
                    if time.monotonic() > end:
                        raise RequestFailed("The answer takes too long.")
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
            raise RequestFailed(type(exc).__name__) from exc
        return response.status_code, bytes(body)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _kept(self) -> "httpx2.AsyncClient":
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._new()
        return self._clients[loop]

    def _new(self) -> "httpx2.AsyncClient":
        import httpx2

        return httpx2.AsyncClient(
            timeout=self._timeout, headers=self._headers, transport=self._transport
        )


async def _answer(
    client: "httpx2.AsyncClient", method: str, url: str, json: Any
) -> tuple[int, bytes]:
    body = bytearray()
    async with client.stream(method, url, json=json) as response:
        async for chunk in response.aiter_bytes():
            _append(body, chunk)
    return response.status_code, bytes(body)


def secret_headers(secret_key: str) -> dict[str, str]:
    """Give the headers that the Backend API takes a secret key in."""
    return {"Authorization": f"Bearer {secret_key}", "Clerk-API-Version": API_VERSION}


def _over(usual: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Put headers over others; a header's name has no case."""
    names = {name.lower() for name in given}
    return {name: text for name, text in usual.items() if name.lower() not in names} | dict(given)


def _append(body: bytearray, chunk: bytes) -> None:
    body += chunk
    if len(body) > RESPONSE_BYTES_MAX:
        raise RequestFailed("The answer is too large.")
