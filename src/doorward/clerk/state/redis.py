"""Records in Redis or Valkey, for many processes on many machines.

Every request asks, in one round trip; a server that does not answer is said aloud, because to
guess would let a revoked credential in.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from doorward.clerk.state.record import Record, StateUnavailable

_PUT = """
local kept = redis.call('GET', KEYS[1])
if kept and tonumber(string.match(kept, '^[^ ]+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PXAT', ARGV[3])
return 1
"""
_TIMEOUT_SECONDS = 2.0


class RedisState:
    """Keeps records under ``prefix`` in the Redis or Valkey that ``url`` names.

    Needs the package ``redis``: ``pip install 'doorward[redis]'``.
    """

    def __init__(
        self, url: str, *, prefix: str = "doorward:", now: Callable[[], float] = time.time
    ) -> None:
        from redis.asyncio import Redis

        self._redis: Redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )
        self._prefix = prefix
        self._now = now

    async def get(self, keys: Sequence[str]) -> list[Record | None]:
        """Give the records of these keys; raises StateUnavailable."""
        if not keys:
            return []
        found = await self._asked(self._redis.mget([self._prefix + key for key in keys]))
        return [None if text is None else _record(text) for text in found]

    async def put(self, key: str, record: Record, until: float) -> None:
        """Remember a record until a time, unless a newer one is there."""
        await self._asked(
            self._redis.eval(
                _PUT,
                1,
                self._prefix + key,
                repr(record.version),
                record.value,
                str(int(until * 1000)),
            )
        )

    async def add(self, key: str, until: float) -> bool:
        """Remember a key; False says that it was there before."""
        added = await self._asked(
            self._redis.set(
                self._prefix + key, f"{self._now()!r} ", nx=True, pxat=int(until * 1000)
            )
        )
        return bool(added)

    async def remove(self, key: str) -> None:
        """Forget a key."""
        await self._asked(self._redis.delete(self._prefix + key))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    @staticmethod
    async def _asked(question: Awaitable[Any] | Any) -> Any:
        from redis.exceptions import RedisError

        try:
            return await question
        except (RedisError, OSError) as exc:
            raise StateUnavailable(type(exc).__name__) from exc


def _record(text: bytes) -> Record:
    version, _, value = text.partition(b" ")
    return Record(float(version), value)
