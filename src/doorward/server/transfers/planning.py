"""What a hand-over changes: a pure plan, shown before and carried out afterwards, line by line.

The preview and the claim are made from the same plan, so that what was shown is what happens.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from doorward.server.members.model import Member, MemberSource
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.transfers.model import PERSONAL, STAY, WITH_CLAIMER, Terms, Transfer
from doorward.server.workspaces.model import Workspace


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who takes over, and for which organization they speak.

    Before they are ``here`` nobody knows the latter, nor who it is of an offer to nobody by name.
    """

    user_id: str | None
    organization_id: str | None
    here: bool = True

    @classmethod
    def of(cls, who: Caller) -> "Claimer":
        """Take a caller for the one who claims."""
        return cls(who.user_id, who.organization_id)

    @classmethod
    def expected(cls, terms: Terms) -> "Claimer":
        """Take whoever an offer is made to for the one who claims."""
        named = terms.destination not in {STAY, WITH_CLAIMER, PERSONAL}
        return cls(terms.to_user_id, terms.destination if named else None, here=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """A workspace with its memberships, before and after a hand-over.

    ``open_`` says that where the workspace goes is up to whoever claims it; what depends on it is
    then planned as for a workspace that leaves its organization.
    """

    workspace: Workspace
    after: Workspace
    members_before: tuple[Member, ...]
    members_after: tuple[Member, ...]
    open_: bool = False

    @property
    def id(self) -> str:
        """Name what decides rights, before and after: it changes when any of that does."""
        facts = [
            _facts(self.workspace, self.members_before),
            [str(member.expires_at) for member in self.members_before],
            _facts(self.after, self.members_after),
        ]
        return f"prev_{blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()}"

    def lost(self) -> list[Member]:
        """Give the memberships of those who see the workspace before and not after."""
        still = {member.user_id for member in self.members_after}
        return [member for member in self.members_before if member.user_id not in still]


def plan(
    workspace: Workspace,
    members: Sequence[Member],
    offer: Transfer,
    claimer: Claimer,
    now: datetime,
) -> Plan:
    """Plan a hand-over; ``members`` are all of the workspace's, those that are over left out.

    The claimer owns it, the offerer has what was agreed and no more, and of the others those stay
    who were let in by somebody here: what came from an organization ends where it is left.
    """
    terms = offer.terms
    open_ = terms.destination == WITH_CLAIMER and not claimer.here
    after = replace(workspace, organization_id=_organization(workspace, terms, claimer))
    moves = open_ or after.organization_id != workspace.organization_id
    counted = tuple(member for member in members if not member.is_over(now))
    sides = {offer.by.user_id, claimer.user_id}
    others = [m for m in counted if m.user_id not in sides]
    stay = [m for m in others if not moves or m.source is MemberSource.DIRECT]
    own = [
        _owner(after, counted, claimer, now, moves=moves),
        _kept(after, counted, offer, now, moves=moves),
    ]
    members_after = [*stay, *(member for member in own if member is not None)]
    members_after.sort(key=lambda member: (member.user_id, member.source.value))
    return Plan(workspace, after, counted, tuple(members_after), open_)


def _organization(workspace: Workspace, terms: Terms, claimer: Claimer) -> str | None:
    if terms.destination == STAY:
        return workspace.organization_id
    if terms.destination == PERSONAL:
        return None
    return claimer.organization_id if terms.destination == WITH_CLAIMER else terms.destination


def _owner(
    after: Workspace, members: Sequence[Member], claimer: Claimer, now: datetime, *, moves: bool
) -> Member | None:
    """Give the new owner's membership: by their organization where they speak for it.

    So leaving it ends the ownership, as of a workspace that they had made there themselves.
    """
    if claimer.user_id is None:
        return None
    was = _decided_here(members, claimer.user_id)
    if was is not None and not moves:
        return replace(was, role=Role.OWNER, updated_at=now, expires_at=None)
    inside = after.organization_id is not None and after.organization_id == claimer.organization_id
    source = MemberSource.ORGANIZATION if inside else MemberSource.DIRECT
    return Member(after.id, claimer.user_id, Role.OWNER, source, now, now)


def _kept(
    after: Workspace, members: Sequence[Member], offer: Transfer, now: datetime, *, moves: bool
) -> Member | None:
    """Give what the offerer keeps; it outlasts their organization only where that is left."""
    role, user_id = offer.terms.keeps, offer.by.user_id
    was = _decided_here(members, user_id)
    if role is None:
        return None
    source = MemberSource.DIRECT if moves or was is None else was.source
    seconds = offer.terms.keeps_seconds
    until = None if seconds is None else now + timedelta(seconds=seconds)
    began = now if was is None else was.created_at
    return Member(after.id, user_id, role, source, began, now, until)


def _decided_here(members: Sequence[Member], user_id: str) -> Member | None:
    own = [m for m in members if m.user_id == user_id and m.source is not MemberSource.CLERK]
    return max(own, key=lambda member: member.role.rank, default=None)


def _facts(workspace: Workspace, members: Sequence[Member]) -> list[object]:
    """Write down what decides rights; when a membership to come ends goes by the claim's time."""
    rights = [[m.user_id, m.source.value, m.role.value, m.expires_at is not None] for m in members]
    return [workspace.id, workspace.name, workspace.organization_id, *rights]
