"""What an organization, or a person alone, has used, and where the caller stands with limits."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from doorward.server.audit.model import Target
from doorward.server.doors.limits.fields import Standing
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.limits.gcra import verdict
from doorward.server.permission.actions import Action
from doorward.server.problems import PermissionDenied
from doorward.server.usage import service as usage
from doorward.server.usage.costs import MILLI, Meter
from doorward.server.usage.model import Account, Usage

rest = Operations("usage")


class AccountOut(BaseModel):
    """Whose usage it is."""

    model_config = ConfigDict(frozen=True)

    type: Literal["organization", "user"]
    id: str


class StorageOut(BaseModel):
    """Bytes over all workspaces of the account; a quota of null bounds nothing."""

    model_config = ConfigDict(frozen=True)

    used_bytes: int
    reserved_bytes: int = Field(description="Promised to open uploads.")
    quota_bytes: int | None


class CreditsOut(BaseModel):
    """Credits of the calendar month, in UTC; a limit of null bounds nothing."""

    model_config = ConfigDict(frozen=True)

    used: float
    limit: int | None
    resets_at: datetime
    amounts: dict[Meter, int] = Field(description="What was counted, before it had a price.")


class LimitOut(BaseModel):
    """One limit of the caller: so many in a window, and how many of them are left."""

    model_config = ConfigDict(frozen=True)

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int = Field(description="After so long all of them are back.")

    @classmethod
    def of(cls, standing: Standing) -> "LimitOut":
        """Present a standing."""
        now = verdict(standing.rate, standing.slack_us, standing.cost)
        return cls(
            name=standing.name,
            limit=standing.rate.limit,
            window_seconds=standing.rate.seconds,
            remaining=now.remaining,
            reset_seconds=now.reset_seconds,
        )


class UsageOut(BaseModel):
    """Storage, credits and limits."""

    model_config = ConfigDict(frozen=True)

    account: AccountOut
    storage: StorageOut
    credits: CreditsOut
    limits: list[LimitOut]

    @classmethod
    def of(cls, found: Usage, standings: list[Standing]) -> "UsageOut":
        """Present usage."""
        return cls(
            account=_account(found.account),
            storage=StorageOut(
                used_bytes=found.stored.used_bytes,
                reserved_bytes=found.stored.reserved_bytes,
                quota_bytes=found.plan.storage_bytes,
            ),
            credits=CreditsOut(
                used=found.milli / MILLI,
                limit=found.plan.credits,
                resets_at=found.resets_at,
                amounts={meter: found.amounts.get(meter, 0) for meter in Meter},
            ),
            limits=[LimitOut.of(one) for one in standings],
        )


@rest.operation(
    "GET", "/usage", accepts=EVERYBODY, action=Action.USAGE_READ, raises=(PermissionDenied,)
)
async def read_usage(call: CallDep) -> UsageOut:
    """Read storage and credits of the organization you speak for, or your own, and your limits."""
    metering = call.house.metering
    found = await call.look(
        lambda tx: usage.read_usage(tx, call.who, metering.plans), Target(None, "usage", None)
    )
    amounts = dict(await metering.amounts(found.account))
    standings = await call.house.limiting.standings(call.who)
    return UsageOut.of(replace(found, amounts=amounts), standings)


def _account(account: Account) -> AccountOut:
    kind: Literal["organization", "user"] = "user"
    if account.kind == "organization":
        kind = "organization"
    return AccountOut(type=kind, id=account.id)
