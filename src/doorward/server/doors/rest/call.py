"""One authenticated request, with all that a handler may reach."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import Tx, change, look, placed, refused
from doorward.server.doors.house import House
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import Json, PermissionDenied, Problem

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """Who asks, for what, of which house."""

    house: House
    who: Caller
    action: Action | None = None

    async def begin(self, action: Action | None, accepts: frozenset[str]) -> None:
        """Take up an operation; raises PermissionDenied for a kind of credential it does not take.

        The refusal is audited.
        """
        self.action = action
        if self.who.credential.kind not in accepts:
            missing = " or ".join(sorted(accepts))
            problem = PermissionDenied(
                f"This operation takes a {missing}.",
                reason="credential-kind",
                missing=f"credential {missing}",
            )
            attempt = Attempt(action, Target(), self.who)
            await refused(self.house.store, lambda _: attempt, problem)
            raise problem

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
        """Change, audited."""
        return await change(self.house.store, self._attempt(on, details), command)

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
