"""An offer of a workspace, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role


class State(StrEnum):
    """How far a hand-over is: offered, then one of three, and from claimed to undone."""

    OFFERED = "offered"
    CLAIMED = "claimed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNDONE = "undone"


STAY, WITH_CLAIMER, PERSONAL = "stay", "claimer", "personal"
"""Where a workspace goes, beside an organization's own id: nowhere, along with its new owner, or
out of any organization."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is offered: to whom (None: whoever has the link), where the workspace goes, what stays.

    ``keeps`` is the role that the offerer has afterwards, None for none; ``keeps_seconds`` for how
    long, None for good.
    """

    to_user_id: str | None = None
    destination: str = STAY
    keeps: Role | None = Role.ADMIN
    keeps_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One hand-over. Its link's secret is here as a digest only.

    ``by`` is whoever offered, as their credential had them, and is judged anew at the claim.
    """

    id: str
    workspace_id: str
    digest: str
    by: Caller
    terms: Terms
    offered_at: datetime
    expires_at: datetime
    state: State = State.OFFERED
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    undo_until: datetime | None = None
    organization_before: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    number: int | None = None  # given by the store: the order of a workspace's hand-overs

    def __repr__(self) -> str:
        return f"Transfer(id={self.id!r}, state={self.state.value!r})"

    def state_at(self, now: datetime) -> State:
        """Say how far it is; an offer is over from the very instant of its expiry on."""
        if self.state is State.OFFERED and now >= self.expires_at:
            return State.EXPIRED
        return self.state

    def may_be_undone(self, now: datetime) -> bool:
        """Say whether its time to be undone has not passed."""
        until = self.undo_until
        return self.state is State.CLAIMED and until is not None and now < until

    def is_party(self, user_id: str) -> bool:
        """Say whether this is one of the two."""
        return user_id in {self.by.user_id, self.claimed_by}


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a workspace has, counted; bytes are those of its quota."""

    files: int
    folders: int
    binned: int
    used_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class ActsFor:
    """A link, an open upload or a key: it goes on while whoever it acts for may."""

    action: Action
    id: str
    by: Caller
