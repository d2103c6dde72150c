"""Buckets in this process's memory: bounded, and never emptied by whoever invents names.

A bucket that is whole again says nothing, and goes when room is needed. One that is not never goes:
to push it out would be to fill it. Names that come while every place is taken share a few buckets
with one another, so that an attacker with a million names gets what a thousand are given.
"""

from collections.abc import Callable

from doorward.server.limits.gcra import MICROSECONDS, Rate, draw
from doorward.server.limits.ports import Charge

BUCKETS_MAX = 65_536
CROWD = 1024


class Buckets:
    """At most ``most`` buckets of one kind of name, and ``CROWD`` for all names beyond."""

    def __init__(self, most: int = BUCKETS_MAX) -> None:
        self._most = most
        self._whole_at: dict[str, int] = {}
        self._crowd: dict[str, int] = {}
        self._swept_us = 0

    def __len__(self) -> int:
        return len(self._whole_at) + len(self._crowd)

    def take(self, key: str, rate: Rate, cost: int, now_us: int) -> int:
        """Take steps from a bucket, if they are there, and give the slack."""
        buckets = self._whole_at
        found = buckets.get(key)
        if found is None:
            found = 0
            if len(buckets) >= self._most:
                key, buckets = self._place_of(key, now_us)
                found = buckets.get(key, 0)
        slack = draw(found, rate, cost, now_us)
        if slack >= 0:
            buckets[key] = now_us + rate.tolerance_us - slack  # as whole_at has it
        return slack

    def look(self, key: str, rate: Rate, cost: int, now_us: int) -> int:
        """Give the slack that taking would leave; takes nothing, and makes no bucket."""
        found = self._whole_at.get(key)
        if found is None:
            crowded = len(self._whole_at) >= self._most
            found = self._crowd.get(f"{hash(key) % CROWD}", 0) if crowded else 0
        return draw(found, rate, cost, now_us)

    def _place_of(self, key: str, now_us: int) -> tuple[str, dict[str, int]]:
        """Find a place for a new name: its own where one is free, else one among the crowd's."""
        self._sweep(now_us)
        if len(self._whole_at) < self._most:
            return key, self._whole_at
        return f"{hash(key) % CROWD}", self._crowd

    def _sweep(self, now_us: int) -> None:
        """Let buckets go that are whole again, once a second at most."""
        if abs(now_us - self._swept_us) >= MICROSECONDS:
            self._swept_us = now_us
            self._whole_at = {k: at for k, at in self._whole_at.items() if at > now_us}
            self._crowd = {k: at for k, at in self._crowd.items() if at > now_us}


class MemoryLimits:
    """Keeps the buckets of one process; a key's kind is what stands before its first colon.

    Each kind has a table of its own, so that names which anybody can invent, such as addresses,
    never meet those of verified callers.
    """

    def __init__(self, now_us: Callable[[], int], most: int = BUCKETS_MAX) -> None:
        self._now_us = now_us
        self._most = most
        self._kinds: dict[str, Buckets] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    async def take(self, *charges: Charge) -> list[int]:
        """Take charges in their order, up to the first that is refused."""
        now_us, kinds = self._now_us(), self._kinds
        slacks: list[int] = []
        for key, rate, cost, keep in charges:
            kind = key.partition(":")[0]
            buckets = kinds.get(kind)
            if buckets is None:
                buckets = kinds[kind] = Buckets(self._most)
            if keep:
                slack = buckets.take(key, rate, cost, now_us)
            else:
                slack = buckets.look(key, rate, cost, now_us)
            slacks.append(slack)
            if slack < 0:
                break
        return slacks

    async def aclose(self) -> None:
        """Nothing is held open."""
