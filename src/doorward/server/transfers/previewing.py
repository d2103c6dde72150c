"""What a hand-over changes, as people look at it before they agree."""

from dataclasses import dataclass

from doorward.server.members.model import Member
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.policy import decide
from doorward.server.permission.roles import Role, strongest, weaker
from doorward.server.transfers.model import ActsFor, Holdings, Transfer
from doorward.server.transfers.planning import Claimer, Plan, plan
from doorward.server.transfers.ports import TransferTx
from doorward.server.transfers.presenting import Presented, presented
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import standing_now, strongest_counted

ACTING_MAX = 10_000
"""How many links, and how many uploads, are judged one by one for a preview."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """One person's role before and after, by the rows; None for whoever is not in it."""

    user_id: str
    before: Role | None
    after: Role | None
    after_member: Member | None


@dataclass(frozen=True, slots=True)
class Acting:
    """Links or uploads that work before, and the ids of those that stop with the hand-over."""

    live: int
    stopping: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What changes and what survives."""

    transfer: Transfer
    plan: Plan
    owner_id: str | None
    changes: tuple[RoleChange, ...]
    unchanged_members: int
    holdings: Holdings
    links: Acting
    uploads: Acting
    keys: Acting


def look_at(tx: TransferTx, who: Caller, token: Presented) -> Preview:
    """Show the holder of a token what claiming it would change.

    Raises what ``presented`` does.
    """
    transfer, workspace = presented(tx, who, Action.TRANSFER_PREVIEW, token)
    return preview_of(tx, transfer, workspace, Claimer.of(who))


def preview_for_owner(tx: TransferTx, transfer: Transfer, workspace: Workspace) -> Preview:
    """Show what an open offer changes, as far as it is known before anybody claims it."""
    return preview_of(tx, transfer, workspace, Claimer.expected(transfer.terms))


def preview_of(
    tx: TransferTx, transfer: Transfer, workspace: Workspace, claimer: Claimer
) -> Preview:
    """Draw up the preview of a hand-over to ``claimer``."""
    planned = plan(workspace, tx.members.all(workspace.id), transfer, claimer, tx.now)
    acting = tx.transfers.acting(workspace.id, ACTING_MAX)
    changes = _changes(planned)
    people = {m.user_id for m in (*planned.members_before, *planned.members_after)}
    return Preview(
        transfer,
        planned,
        claimer.user_id,
        tuple(changes),
        len(people) - len(changes),
        tx.transfers.holdings(workspace.id),
        _acting(tx, planned, [one for one in acting if one.action is Action.LINK_CREATE]),
        _acting(tx, planned, [one for one in acting if one.action is Action.UPLOAD_RECEIVE]),
        _acting(tx, planned, [one for one in acting if one.action is Action.WORKSPACE_READ]),
    )


def _changes(planned: Plan) -> list[RoleChange]:
    before, after = _by_person(planned.members_before), _by_person(planned.members_after)
    changes = []
    for user_id in sorted(before.keys() | after.keys()):
        was, now = before.get(user_id, []), after.get(user_id, [])
        if was != now:
            kept = now[0] if now else None
            changes.append(RoleChange(user_id, _strongest(was), _strongest(now), kept))
    return changes


def _by_person(members: tuple[Member, ...]) -> dict[str, list[Member]]:
    people: dict[str, list[Member]] = {}
    for member in members:
        people.setdefault(member.user_id, []).append(member)
    return people


def _strongest(members: list[Member]) -> Role | None:
    return strongest([member.role for member in members])


def _acting(tx: TransferTx, planned: Plan, acting: list[ActsFor]) -> Acting:
    """Judge each by whoever it acts for, with the rows before and those after."""
    before, after = _by_person(planned.members_before), _by_person(planned.members_after)
    live = [one for one in acting if _may(tx, one, planned.workspace, before)]
    stopping = [one.id for one in live if not _may(tx, one, planned.after, after)]
    return Acting(len(live), tuple(stopping))


def _may(
    tx: TransferTx, one: ActsFor, workspace: Workspace, people: dict[str, list[Member]]
) -> bool:
    role = _role(tx, one.by, workspace, people)
    return decide(one.by.rights(role), one.action, workspace.id).allowed


def _role(
    tx: TransferTx, who: Caller, workspace: Workspace, people: dict[str, list[Member]]
) -> Role | None:
    """Give the role that somebody would have; of an agent and its person the weaker."""
    own = people.get(who.user_id, [])
    role = strongest_counted(standing_now(tx, who), workspace, own, tx.now)
    return role if who.agent is None else weaker(role, _role(tx, who.agent, workspace, people))
