"""Records in this process alone: gone with it, and unknown to any other."""

import time
from collections.abc import Callable, Sequence

from doorward.clerk.state.record import Record

_SWEEP_EVERY = 256


class MemoryState:
    """Keeps records in a dictionary and lets go of those whose time has come."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._records: dict[str, tuple[Record, float]] = {}
        self._changes = 0

    def get(self, keys: Sequence[str]) -> list[Record | None]:
        """Give the records of these keys."""
        if self._records.keys().isdisjoint(keys):
            return [None] * len(keys)
        now, found = self._now(), map(self._records.get, keys)
        return [one[0] if one is not None and one[1] > now else None for one in found]

    async def put(self, key: str, record: Record, until: float) -> None:
        """Remember a record until a time, unless a newer one is there."""
        kept = self._kept(key)
        if kept is None or kept.version <= record.version:
            self._remember(key, record, until)

    async def add(self, key: str, until: float) -> bool:
        """Remember a key; False says that it was there before."""
        if self._kept(key) is not None:
            return False
        self._remember(key, Record(self._now()), until)
        return True

    async def remove(self, key: str) -> None:
        """Forget a key."""
        self._records.pop(key, None)

    def _kept(self, key: str) -> Record | None:
        found = self._records.get(key)
        return found[0] if found is not None and found[1] > self._now() else None

    def _remember(self, key: str, record: Record, until: float) -> None:
        self._records[key] = (record, until)
        self._changes += 1
        if self._changes % _SWEEP_EVERY == 0:
            now = self._now()
            self._records = {k: kept for k, kept in self._records.items() if kept[1] > now}
