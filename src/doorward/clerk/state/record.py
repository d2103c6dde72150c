"""The one shape of what is remembered, and the questions every store of it answers."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol


class StateUnavailable(Exception):
    """The store can't be asked for the moment; whoever depends on it must not guess."""


@dataclass(frozen=True, slots=True)
class Record:
    """A fact under a key; of two facts the one with the greater ``version`` counts.

    ``version`` is when the fact came to be, in seconds since 1970.
    """

    version: float
    value: bytes = b""


class State(Protocol):
    """A store of records that forgets each at its time; raises StateUnavailable."""

    def get(self, keys: Sequence[str]) -> list[Record | None] | Awaitable[list[Record | None]]:
        """Give the records of these keys, at once where the store is at hand."""

    async def put(self, key: str, record: Record, until: float) -> None:
        """Remember a record until a time, unless a newer one is there."""

    async def add(self, key: str, until: float) -> bool:
        """Remember a key; False says that it was there before."""

    async def remove(self, key: str) -> None:
        """Forget a key."""
