"""Buckets that several processes share, in Redis or Valkey: one script, one round trip."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from doorward.server.limits.memory import MemoryLimits
from doorward.server.limits.ports import Charge

log = logging.getLogger("doorward.limits")

PREFIX = "doorward:limit:"
# The arithmetic is that of limits/gcra.py, in whole microseconds, which a double holds exactly. The
# time is the server's own, so that machines whose clocks differ count alike. A bucket that is whole
# again is removed by its expiry; one that is not must not be evicted (maxmemory-policy noeviction).
SCRIPT = """
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local slacks = {}
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[i * 4 - 2])
  local tolerance = tonumber(ARGV[i * 4 - 1])
  local cost = tonumber(ARGV[i * 4])
  local start = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local slack = tolerance - (start - now) - cost * interval
  slacks[i] = slack
  if slack < 0 then return slacks end
  if ARGV[i * 4 + 1] == '1' then
    local whole_at = now + tolerance - slack
    if whole_at > now then
      local life = math.ceil((whole_at - now) / 1000)
      redis.call('SET', key, string.format('%.0f', whole_at), 'PX', string.format('%.0f', life))
    else
      redis.call('DEL', key)
    end
  end
end
return slacks
"""
SERVERS_TIME = -1
# As long as a busy machine may take: whoever gives up on a bus that lives counts apart from it.
_TIMEOUT_SECONDS = 2.0
_AGAIN_SECONDS = 1.0
_CONNECTIONS_MAX = 16


class RedisLimits:
    """Keeps buckets in the Redis or Valkey that ``url`` names; without it, in this process.

    A server that can't be reached is asked again a second later, and costs no other request a
    wait. Until then limits hold for each process alone: to refuse everybody would make the bus a
    way to stop the house, and to refuse nobody a way to open it.

    Needs the package ``redis``. ``now_us`` is for tests: without it the time is the server's.
    """

    def __init__(
        self, url: str, alone: MemoryLimits, now_us: Callable[[], int] | None = None
    ) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis

        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS_MAX,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(SCRIPT)
        self._alone = alone
        self._now_us = now_us
        self._again_at = 0.0
        self._told = False

    async def take(self, *charges: Charge) -> list[int]:
        """Take charges in their order, up to the first that is refused."""
        from redis.exceptions import RedisError

        if time.monotonic() < self._again_at:
            return await self._alone.take(*charges)
        try:
            slacks = await self._ask(charges)
        except (RedisError, OSError) as exc:
            self._missed(exc)
            return await self._alone.take(*charges)
        if self._told:
            self._told = False
            log.warning("the bus can be reached again: limits are shared between processes")
        return slacks

    async def aclose(self) -> None:
        """Close the connections."""
        with suppress(Exception):
            await self._redis.aclose()

    async def _ask(self, charges: tuple[Charge, ...]) -> list[int]:
        words: list[str | int] = [SERVERS_TIME if self._now_us is None else self._now_us()]
        for _, rate, cost, keep in charges:
            words += [rate.interval_us, rate.tolerance_us, cost, int(keep)]
        found: list[int] = await self._script(
            keys=[PREFIX + charge.key for charge in charges], args=words
        )
        return found

    def _missed(self, exc: BaseException) -> None:
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        if not self._told:
            self._told = True
            log.warning(
                "the bus can't be reached (%s): limits hold for each process alone until it can",
                type(exc).__name__,
            )
