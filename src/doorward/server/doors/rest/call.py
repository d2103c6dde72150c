"""One authenticated request, with all that a handler may reach."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import Tx, change, look, placed, refused
from doorward.server.doors.house import House
from doorward.server.doors.limits.fields import Standing
from doorward.server.permission.actions import Action
from doorward.server.permission.budgets import Spent
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    BudgetExhausted,
    CreditsExhausted,
    Json,
    PermissionDenied,
    Problem,
    RateLimited,
)

T = TypeVar("T")


# By any of these somebody may lose what they had.
_ENDING = frozenset(
    {
        Action.WORKSPACE_DELETE,
        Action.MEMBER_ADD,
        Action.MEMBER_UPDATE,
        Action.MEMBER_REMOVE,
        Action.MEMBER_LEAVE,
        Action.FILE_DELETE,
        Action.LINK_UPDATE,
        Action.LINK_KILL,
        Action.KEY_UPDATE,
        Action.KEY_REVOKE,
        Action.TOKEN_REVOKE,
        Action.TRANSFER_CLAIM,
        Action.TRANSFER_UNDO,
    }
)


@dataclass(slots=True)
class Call:
    """Who asks, for what, of which house."""

    house: House
    who: Caller
    action: Action | None = None
    standings: list[Standing] = field(default_factory=list)

    async def begin(self, action: Action | None, accepts: frozenset[str]) -> None:
        """Take up an operation, counted where it is limited or costs anything; audits refusals.

        Raises PermissionDenied for a kind of credential that it does not take, RateLimited,
        BudgetExhausted, CreditsExhausted.
        """
        self.action = action
        if self.who.credential.kind not in accepts:
            missing = " or ".join(sorted(accepts))
            problem = PermissionDenied(
                f"This operation takes a {missing}.",
                reason="credential-kind",
                missing=f"credential {missing}",
            )
            attempt = self._attempt(None)
            await refused(self.house.store, lambda _: attempt, problem)
            raise problem
        try:
            self.standings += await self.house.limiting.begin(self.who, action)
            await self.house.metering.begin(self.who, action)
        except (RateLimited, CreditsExhausted) as limit:
            await self.limited(limit)
            raise

    async def afford(self, size: int | None, on: Target, *, spent: bool = False) -> None:
        """Make sure that the credential's budget holds bytes to come; raises BudgetExhausted.

        They are paid for as they come, but for those that come to somebody else: these are
        ``spent`` at once.
        """
        try:
            await self.house.limiting.spend(self.who, Spent.BYTES, size or 0, keep=spent)
        except BudgetExhausted as problem:
            await self.limited(problem, on)
            raise

    async def limited(self, problem: Problem, on: Target | None = None) -> None:
        """Audit a refusal of which a flood may come: few one by one, and the others as sums."""
        await self.house.knocks.record(self._attempt(on), problem)

    async def look(
        self,
        command: Callable[[Tx], T],
        on: Target | None = None,
        *,
        seen: Callable[[T], Target] | None = None,
        wait: bool = False,
    ) -> T:
        """Read, audited as ``seen`` names what was found; with ``wait`` the entry comes first."""
        attempt = self._attempt(on)
        return await look(self.house.store, attempt, command, seen=seen, wait=wait)

    async def change(
        self, command: Callable[[Tx], T], on: Target | None = None, **details: Json
    ) -> T:
        """Change, audited; what ends is over for downloads under way too when this returns."""
        changed = await change(self.house.store, self._attempt(on, details), command)
        if self.action in _ENDING:
            await self.house.passage.empty()
        return changed

    async def through(self, doing: Awaitable[T], on: Target) -> T:
        """Wait for what takes several transactions and audits its own success."""
        try:
            return await doing
        except Problem as problem:
            attempt = self._attempt(on)
            await refused(self.house.store, lambda tx: placed(tx, attempt), problem)
            raise

    def _attempt(self, on: Target | None, details: dict[str, Json] | None = None) -> Attempt:
        return Attempt(self.action, on or Target(), self.who, details or {})


async def _current(request: Request) -> Call:
    call: Call = request.scope["state"]["call"]
    return call


CallDep = Annotated[Call, Depends(_current)]
"""What every handler takes first."""
