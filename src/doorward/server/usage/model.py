"""Who pays, and what has been used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from doorward.server.limits.plans import Plan
from doorward.server.permission.caller import Caller
from doorward.server.usage.costs import Meter, cost_milli
from doorward.server.workspaces.model import Workspace

_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Account:
    """An organization, or a person on their own."""

    kind: str
    id: str

    @classmethod
    def of(cls, who: Caller) -> "Account":
        """Give whose credits a caller spends: those of the organization it speaks for, or its own.

        What an organization has is open to its people only while they speak for it, so that nobody
        spends elsewhere what they take there.
        """
        if who.organization_id is not None:
            return cls("organization", who.organization_id)
        return cls("user", who.user_id)

    @classmethod
    def owning(cls, workspace: Workspace) -> "Account":
        """Give whose storage a workspace takes."""
        if workspace.organization_id is not None:
            return cls("organization", workspace.organization_id)
        return cls("user", workspace.created_by)


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes over all workspaces of an account: taken by files, and promised to open uploads."""

    used_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Where an account stands in a month that ends at ``resets_at``."""

    account: Account
    plan: Plan
    stored: Stored
    resets_at: datetime
    amounts: Mapping[Meter, int] = field(default_factory=dict)

    @property
    def milli(self) -> int:
        """What was spent, in thousandths of a credit."""
        return cost_milli(self.amounts)


def month_of(now: datetime) -> str:
    """Name the calendar month, in UTC: credits are counted by it, and so begin anew with it."""
    return f"{now.astimezone(UTC):%Y-%m}"


def end_of_month(now: datetime) -> datetime:
    """Give the first moment of the next month, in UTC."""
    at = now.astimezone(UTC)
    year, month = (at.year + 1, 1) if at.month == _DECEMBER else (at.year, at.month + 1)
    return datetime(year, month, 1, tzinfo=UTC)
