"""What one credential may spend in an hour, beside what it may do at all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Spent(StrEnum):
    """What a budget bounds; the value is the name of the field of ``Budgets``."""

    BYTES = "bytes"
    CALLS = "calls"
    DELETES = "deletes"
    LINKS = "links"


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one credential may spend in an hour; None bounds nothing. Bytes count both ways."""

    bytes: int | None = None
    calls: int | None = None
    deletes: int | None = None
    links: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Budgets":
        """Read budgets as ``stored`` gave them."""
        if not stored:
            return NO_BUDGETS
        return cls(**{one.name: stored.get(one.name) for one in fields(cls)})

    def stored(self) -> dict[str, int | None] | None:
        """Give the budgets as JSON, None where they bound nothing."""
        return None if self == NO_BUDGETS else asdict(self)

    def within(self, other: "Budgets") -> "Budgets":
        """Give, of each, the smaller of both."""
        pairs = {
            one.name: (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)
        }
        return Budgets(
            **{
                name: min((value for value in pair if value is not None), default=None)
                for name, pair in pairs.items()
            }
        )

    def limit(self, spent: Spent) -> int | None:
        """Give how much of it may be spent in an hour; 0 is nothing at all."""
        limit: int | None = getattr(self, spent.value)
        return limit


NO_BUDGETS = Budgets()
