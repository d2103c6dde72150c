"""Requests to Fast.io: its envelope, its errors, and when to try again.

Every call made here may be made twice: what is sent again replaces what was sent before.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpx2

from doorward.server.problems import Problem, StorageFailed, StorageFull
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.remote import remote_problem

Payload: TypeAlias = dict[str, Any]

_OK_MAX, _NOT_FOUND, _TOO_MANY, _PAYMENT, _ERROR = 299, 404, 429, 402, 500
_PARTIAL = 206
_FULL_CODES = frozenset({1685, 1688, 1695, 1696})
_BACK_OFF_SECONDS = 0.5
_WAIT_SECONDS_MAX = 60.0


class FastioApi:
    """Calls below one base address, with a key that stays in this process."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage = storage
        self._client: httpx2.AsyncClient | None = None

    async def leave(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        form: Mapping[str, str | int] | None = None,
        file: tuple[str, bytes] | None = None,
        wait_seconds: int = 0,
    ) -> Payload | None:
        """Give what an answer carries, None where there is no such thing.

        ``file`` is a file's name and bytes, and ``wait_seconds`` how long the service itself may
        take on top. Raises StorageFull, StorageFailed.
        """
        request: dict[str, Any] = {"params": query, "timeout": self._timeout(wait_seconds)}
        if file is not None:
            request["data"] = {name: str(value) for name, value in (form or {}).items()}
            request["files"] = {"chunk": (file[0], file[1], "application/octet-stream")}
        elif form is not None:
            request["data"] = {name: str(value) for name, value in form.items()}
        answer = await self._answered(method, path, request)
        if answer.status_code == _NOT_FOUND:
            return None
        return self._payload(answer)

    async def read(self, path: str, start: int, stop: int) -> bytes:
        """Give a range of a file's bytes, never more than were asked for; raises StorageFailed."""
        request = {"headers": {"Range": f"bytes={start}-{stop - 1}"}, "timeout": self._timeout(0)}
        for left in range(self._storage.retries, -1, -1):
            try:
                async with self._stream("GET", path, request) as answer:
                    if answer.status_code == _PARTIAL or (not start and answer.is_success):
                        return await _at_most(answer, stop - start)
                    await answer.aread()
                    if not left or not await self._again(answer, left):
                        raise self._problem(answer)
            except httpx2.TransportError as exc:
                await self._failed(exc, left)
        raise StorageFailed

    async def _answered(self, method: str, path: str, request: dict[str, Any]) -> httpx2.Response:
        for left in range(self._storage.retries, -1, -1):
            try:
                async with self._stream(method, path, request) as answer:
                    await answer.aread()
            except httpx2.TransportError as exc:
                await self._failed(exc, left)
            else:
                if not left or not await self._again(answer, left):
                    return answer
        raise StorageFailed

    @asynccontextmanager
    async def _stream(
        self, method: str, path: str, request: dict[str, Any]
    ) -> AsyncGenerator[httpx2.Response, None]:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {self._storage.api_key}"}
            )
        url = f"{self._storage.endpoint}{path}"
        async with self._client.stream(method, url, **request) as answer:
            yield answer

    async def _failed(self, exc: httpx2.TransportError, left: int) -> None:
        """Wait before the next try; after the last one raises StorageFailed."""
        if not left:
            raise remote_problem(self._storage, type(exc).__name__) from None
        await asyncio.sleep(self._back_off(left))

    async def _again(self, answer: httpx2.Response, left: int) -> bool:
        """Say whether to ask once more, after the time that the service wants."""
        if answer.status_code == _TOO_MANY:
            await asyncio.sleep(_wanted_wait(answer.headers))
            return True
        if answer.status_code >= _ERROR:
            await asyncio.sleep(self._back_off(left))
            return True
        return False

    def _back_off(self, left: int) -> float:
        longest = min(_WAIT_SECONDS_MAX, _BACK_OFF_SECONDS * 2.0 ** (self._storage.retries - left))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

    def _timeout(self, wait_seconds: int) -> httpx2.Timeout:
        return httpx2.Timeout(self._storage.timeout_seconds + wait_seconds)

    def _payload(self, answer: httpx2.Response) -> Payload:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or body.get("result") not in (True, "yes"):
            raise self._problem(answer)
        inner = body.get("response")
        return inner if isinstance(inner, dict) else body

    def _problem(self, answer: httpx2.Response) -> Problem:
        code, text = _error(answer)
        problem = remote_problem(self._storage, f"{answer.status_code} code {code} {text}")
        full = answer.status_code == _PAYMENT or code in _FULL_CODES
        return StorageFull() if full else problem


async def _at_most(answer: httpx2.Response, size: int) -> bytes:
    held = bytearray()
    async for chunk in answer.aiter_bytes():
        held += chunk
        if len(held) >= size:
            break
    return bytes(held[:size])


def _error(answer: httpx2.Response) -> tuple[int, str]:
    try:
        body = answer.json()
    except ValueError:
        return 0, "and no JSON"
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return 0, ""
    code, text = str(error.get("code", "")), error.get("text") or error.get("message") or ""
    return int(code) if code.isdigit() else 0, str(text)


def _wanted_wait(headers: Mapping[str, str]) -> float:
    """Read how long to wait after 429, in each of the forms that are in use."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return min(_WAIT_SECONDS_MAX, float(after))
    expires = headers.get("x-ve-limit-expires", "")
    if expires.isdigit():
        until = float(expires)
    else:
        try:
            until = (
                datetime.strptime(expires, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
            )
        except ValueError:
            return _WAIT_SECONDS_MAX
    return max(0.0, min(_WAIT_SECONDS_MAX, until - time.time()))
