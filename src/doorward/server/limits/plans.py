"""What an organization, or a person on their own, may store and spend in a month."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GIBIBYTE = 1 << 30
STORAGE_BYTES = 50 * GIBIBYTE
CREDITS = 5000


@dataclass(frozen=True, slots=True)
class Plan:
    """Bytes over all its workspaces, and credits in a calendar month; None bounds nothing."""

    storage_bytes: int | None = STORAGE_BYTES
    credits: int | None = CREDITS


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan of everybody, and those of some by their id."""

    default: Plan = Plan()
    by_account: Mapping[str, Plan] = field(default_factory=dict)

    def of(self, account_id: str) -> Plan:
        """Give the plan of an organization or a person."""
        return self.by_account.get(account_id, self.default)


NO_PLANS = Plans(Plan(None, None))
"""Bounds nobody."""
