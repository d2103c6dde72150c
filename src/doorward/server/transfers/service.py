"""Hand-overs as people deal with them: offered, listed, looked at, cancelled, claimed, undone.

Each step moves a row from one state to the next in one statement, and all that comes with it is in
the same transaction: whatever is raced, the steps come out in one order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from doorward.server.audit.model import Attempt, AuditOutcome, Target
from doorward.server.audit.service import record
from doorward.server.events.model import EventType
from doorward.server.events.service import publish
from doorward.server.members.model import Member
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    HomeWorkspace,
    Json,
    PermissionDenied,
    PreviewChanged,
    TransferEnded,
    TransferNotFound,
    TransferPending,
    TransferSuperseded,
    TransferToSelf,
)
from doorward.server.transfers.model import State, Terms, Transfer
from doorward.server.transfers.planning import Claimer, Plan, plan
from doorward.server.transfers.ports import TransferTx
from doorward.server.transfers.presenting import Presented, presented
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import enter, judge, standing_now, strongest_counted


@dataclass(frozen=True, slots=True)
class NewOffer:
    """What a caller asks for when it offers a workspace; ``digest`` is that of the token."""

    terms: Terms
    expires_in_seconds: int
    digest: str


def offer(tx: TransferTx, who: Caller, workspace_id: str, new: NewOffer) -> Transfer:
    """Offer a workspace that the caller owns.

    Raises WorkspaceNotFound, PermissionDenied, HomeWorkspace, TransferToSelf, TransferPending.
    """
    workspace = enter(tx, who, Action.TRANSFER_OFFER, workspace_id).workspace
    if workspace.home_of is not None:
        raise HomeWorkspace("A personal or organization home workspace can't be handed over.")
    if new.terms.to_user_id == who.user_id:
        raise TransferToSelf
    _require_none_open(tx, workspace_id)
    transfer = Transfer(
        id=tx.new_id("tr"),
        workspace_id=workspace_id,
        digest=new.digest,
        by=who,
        terms=new.terms,
        offered_at=tx.now,
        expires_at=tx.now + timedelta(seconds=new.expires_in_seconds),
    )
    tx.transfers.add(transfer)
    record(tx, attempt_on(transfer, Action.TRANSFER_OFFER, who, workspace))
    return transfer


def list_transfers(tx: TransferTx, who: Caller, workspace_id: str, page: Page) -> Listed[Transfer]:
    """List a workspace's hand-overs, newest first.

    Raises WorkspaceNotFound, PermissionDenied.
    """
    enter(tx, who, Action.TRANSFER_LIST, workspace_id)
    rows = tx.transfers.page(workspace_id, page)
    return listed(rows, page, lambda transfer: (str(transfer.number),))


def get_transfer(tx: TransferTx, who: Caller, workspace_id: str, transfer_id: str) -> Transfer:
    """Give a hand-over to either side of it, and to whoever administers the workspace.

    Raises WorkspaceNotFound, PermissionDenied, TransferNotFound.
    """
    return _found(tx, who, Action.TRANSFER_READ, workspace_id, transfer_id)[1]


def cancel(tx: TransferTx, who: Caller, workspace_id: str, transfer_id: str) -> Transfer:
    """Take an offer back; every owner may.

    Raises WorkspaceNotFound, PermissionDenied, TransferNotFound, TransferEnded.
    """
    workspace = enter(tx, who, Action.TRANSFER_CANCEL, workspace_id).workspace
    transfer = tx.transfers.get(workspace_id, transfer_id)
    if transfer is None:
        raise TransferNotFound
    return _cancelled(tx, transfer, who, workspace)


def claim(
    tx: TransferTx,
    who: Caller,
    token: Presented,
    *,
    undo_seconds: int,
    preview_id: str | None = None,
) -> Transfer:
    """Make the caller the owner, as was offered and in no other way; once.

    With ``preview_id`` only if what was looked at is what happens. Raises what ``presented`` does,
    and PreviewChanged.
    """
    transfer, workspace = presented(tx, who, Action.TRANSFER_CLAIM, token)
    planned = plan(workspace, tx.members.all(workspace.id), transfer, Claimer.of(who), tx.now)
    if preview_id is not None and preview_id != planned.id:
        raise PreviewChanged(preview_id=planned.id)
    claimed = replace(
        transfer,
        state=State.CLAIMED,
        claimed_by=who.user_id,
        claimed_at=tx.now,
        undo_until=tx.now + timedelta(seconds=undo_seconds) if undo_seconds else None,
        organization_before=workspace.organization_id,
    )
    _move(tx, claimed, State.OFFERED)
    tx.transfers.keep_members(claimed)
    _carry_out(tx, planned)
    record(tx, attempt_on(claimed, Action.TRANSFER_CLAIM, who, planned.after))
    _publish(tx, claimed, planned.after, owner=who.user_id)
    return claimed


def undo(tx: TransferTx, who: Caller, workspace_id: str, transfer_id: str) -> Transfer:
    """Make ownership, roles and organization what they were before the claim; either side may.

    Members who came since and all that happened to files stay. Raises WorkspaceNotFound,
    PermissionDenied, TransferNotFound, TransferEnded, TransferSuperseded.
    """
    workspace, transfer = _found(tx, who, Action.TRANSFER_UNDO, workspace_id, transfer_id)
    if not transfer.may_be_undone(tx.now):
        raise _ended(transfer, tx.now)
    if tx.transfers.later_claimed(transfer):
        raise TransferSuperseded
    before = replace(workspace, organization_id=transfer.organization_before)
    _require_side(tx, who, transfer, before)
    undone = replace(transfer, state=State.UNDONE, ended_by=who.user_id, ended_at=tx.now)
    _move(tx, undone, State.CLAIMED)
    pending = tx.transfers.open_of(workspace_id)
    if pending is not None:
        _cancelled(tx, pending, who, workspace)
    tx.transfers.bring_back_members(undone)
    tx.workspaces.change(before)
    record(tx, attempt_on(undone, Action.TRANSFER_UNDO, who, before))
    _publish(tx, undone, before, owner=transfer.by.user_id)
    return undone


def expire(tx: TransferTx, offers: Iterable[Transfer]) -> None:
    """End offers whose time has passed; audited in the name of whoever made them."""
    for transfer in offers:
        expired = replace(transfer, state=State.EXPIRED, ended_at=transfer.expires_at)
        if tx.transfers.move(expired, State.OFFERED):
            attempt = attempt_on(expired, Action.TRANSFER_CANCEL, transfer.by)
            record(tx, attempt, AuditOutcome.FAILED, "expired")


def attempt_on(
    transfer: Transfer, action: Action, who: Caller, workspace: Workspace | None = None
) -> Attempt:
    """Describe a step of a hand-over for the audit trail, with both sides and what was agreed."""
    terms = transfer.terms
    details: dict[str, Json] = {
        "offered_by": transfer.by.user_id,
        "offered_to": terms.to_user_id,
        "claimed_by": transfer.claimed_by,
        "keeps": None if terms.keeps is None else terms.keeps.value,
        "keeps_seconds": terms.keeps_seconds,
        "destination": terms.destination,
        "organization_before": transfer.organization_before,
    }
    if workspace is not None:
        details["organization_id"] = workspace.organization_id
    name = workspace.name if workspace else None
    return Attempt(
        action, Target(transfer.workspace_id, "transfer", transfer.id, name), who, details
    )


def _require_none_open(tx: TransferTx, workspace_id: str) -> None:
    pending = tx.transfers.open_of(workspace_id)
    if pending is None:
        return
    if pending.state_at(tx.now) is State.OFFERED:
        raise TransferPending(transfer_id=pending.id)
    expire(tx, [pending])


def _found(
    tx: TransferTx, who: Caller, action: Action, workspace_id: str, transfer_id: str
) -> tuple[Workspace, Transfer]:
    """Give a workspace and a hand-over of it, to either side whatever role it has left there."""
    transfer = tx.transfers.get(workspace_id, transfer_id)
    workspace = tx.workspaces.get(workspace_id)
    if workspace is not None and transfer is not None and transfer.is_party(who.user_id):
        judge(tx, who.rights(action.role), action, workspace_id)
        return workspace, transfer
    workspace = enter(tx, who, action, workspace_id).workspace
    if transfer is None:
        raise TransferNotFound
    return workspace, transfer


def _require_side(tx: TransferTx, who: Caller, transfer: Transfer, before: Workspace) -> None:
    """Let the two sides alone undo, and the offerer only where ownership would count again.

    So nobody who has left an organization since takes its workspace from a colleague.
    """
    if who.user_id == transfer.claimed_by:
        return
    if who.user_id != transfer.by.user_id:
        raise PermissionDenied(
            "Only the two sides of a hand-over undo it.", reason="not-a-side", missing="a side"
        )
    kept = tx.transfers.kept_of(transfer.id, transfer.workspace_id, who.user_id)
    now = standing_now(tx, who)
    if strongest_counted(now, before, kept, tx.now) is not Role.OWNER:
        missing = f"organization {before.organization_id}"
        raise PermissionDenied(
            f"This takes a credential for the {missing}.",
            reason="ownership-would-not-count",
            missing=missing,
        )


def _cancelled(tx: TransferTx, transfer: Transfer, who: Caller, workspace: Workspace) -> Transfer:
    if transfer.state_at(tx.now) is not State.OFFERED:
        raise _ended(transfer, tx.now)
    cancelled = replace(transfer, state=State.CANCELLED, ended_by=who.user_id, ended_at=tx.now)
    _move(tx, cancelled, State.OFFERED)
    record(tx, attempt_on(cancelled, Action.TRANSFER_CANCEL, who, workspace))
    return cancelled


def _move(tx: TransferTx, transfer: Transfer, was: State) -> None:
    """Take a step; raises TransferEnded where another one came first."""
    if not tx.transfers.move(transfer, was):
        raise TransferEnded(reason="raced")


def _carry_out(tx: TransferTx, planned: Plan) -> None:
    """Make the memberships and the organization what the plan says."""
    before, after = set(planned.members_before), set(planned.members_after)
    for member in sorted(before - after, key=_place):
        tx.members.remove(member.workspace_id, member.user_id, member.source)
    for member in sorted(after - before, key=_place):
        tx.members.put(member)
    tx.workspaces.change(planned.after)


def _place(member: Member) -> tuple[str, str]:
    return member.user_id, member.source.value


def _ended(transfer: Transfer, now: datetime) -> TransferEnded:
    state = transfer.state_at(now).value
    reason = "undo-over" if state == State.CLAIMED else state
    return TransferEnded(reason=reason, transfer_state=state)


def _publish(tx: TransferTx, transfer: Transfer, workspace: Workspace, owner: str) -> None:
    publish(
        tx,
        EventType.WORKSPACE_TRANSFERRED,
        workspace.id,
        transfer.id,
        name=workspace.name,
        owner_id=owner,
        offered_by=transfer.by.user_id,
        claimed_by=transfer.claimed_by,
        organization_id=workspace.organization_id,
        undone=transfer.state is State.UNDONE,
    )
