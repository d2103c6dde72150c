"""Members are added, changed and removed here, and a workspace never loses its last owner."""

from dataclasses import replace

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.members.model import Member, MemberSource
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    Json,
    LastOwner,
    MemberExists,
    MemberFromClerk,
    MemberNotFound,
    PermissionDenied,
)
from doorward.server.workspaces.ports import WorkspaceTx
from doorward.server.workspaces.service import enter


def list_members(tx: WorkspaceTx, who: Caller, workspace_id: str, page: Page) -> Listed[Member]:
    """List members by user id.

    Raises WorkspaceNotFound, PermissionDenied.
    """
    enter(tx, who, Action.MEMBER_LIST, workspace_id)
    rows = tx.members.page(workspace_id, page)
    return listed(rows, page, lambda member: (member.user_id, member.source.value))


def add_member(tx: WorkspaceTx, who: Caller, workspace_id: str, user_id: str, role: Role) -> Member:
    """Let a person in.

    Raises WorkspaceNotFound, PermissionDenied, MemberExists.
    """
    own = enter(tx, who, Action.MEMBER_ADD, workspace_id).role
    _refuse_above(own, role)
    # Nobody adds themselves: it would make a role that ends with the organization's last.
    acting = {who.user_id, who.agent.user_id if who.agent else None}
    if user_id in acting or _own(tx, workspace_id, user_id) is not None:
        raise MemberExists
    member = Member(workspace_id, user_id, role, MemberSource.DIRECT, tx.now, tx.now)
    tx.members.put(member)
    record(tx, _attempt(Action.MEMBER_ADD, who, member))
    return member


def change_role(
    tx: WorkspaceTx, who: Caller, workspace_id: str, user_id: str, role: Role
) -> Member:
    """Change what a person may do.

    Raises WorkspaceNotFound, PermissionDenied, MemberNotFound, MemberFromClerk, LastOwner.
    """
    own = enter(tx, who, Action.MEMBER_UPDATE, workspace_id).role
    member = _editable(tx, workspace_id, user_id)
    _refuse_above(own, role)
    _refuse_above(own, member.role)
    _keep_an_owner(tx, member, role)
    # An owner is one for good: with one that ends, a workspace could be left without.
    until = None if role is Role.OWNER else member.expires_at
    changed = replace(member, role=role, updated_at=tx.now, expires_at=until)
    tx.members.put(changed)
    record(tx, _attempt(Action.MEMBER_UPDATE, who, changed))
    return changed


def remove_member(tx: WorkspaceTx, who: Caller, workspace_id: str, user_id: str) -> None:
    """Take a person out; anybody may leave.

    Raises WorkspaceNotFound, PermissionDenied, MemberNotFound, MemberFromClerk, LastOwner.
    """
    leaving = user_id == who.user_id
    action = Action.MEMBER_LEAVE if leaving else Action.MEMBER_REMOVE
    own = enter(tx, who, action, workspace_id).role
    member = _editable(tx, workspace_id, user_id)
    _refuse_above(own, member.role)
    _keep_an_owner(tx, member, None)
    tx.members.remove(workspace_id, user_id, member.source)
    record(tx, _attempt(action, who, member))


def remove_over(tx: WorkspaceTx, limit: int) -> int:
    """Take out whoever was let in until now; gives how many, at most ``limit``."""
    over = tx.members.over(limit)
    for member in over:
        tx.members.remove(member.workspace_id, member.user_id, member.source)
        target = Target(member.workspace_id, "member", member.user_id)
        details: dict[str, Json] = {"role": member.role.value}
        record(tx, Attempt(Action.MEMBER_REMOVE, target, None, details), reason="expired")
    return len(over)


def _own(tx: WorkspaceTx, workspace_id: str, user_id: str) -> Member | None:
    """Give the membership that is decided here, if the person has one that is not over."""
    found = tx.members.of(workspace_id, user_id)
    own = (m for m in found if m.source is not MemberSource.CLERK)
    return next((m for m in own if not m.is_over(tx.now)), None)


def _editable(tx: WorkspaceTx, workspace_id: str, user_id: str) -> Member:
    member = _own(tx, workspace_id, user_id)
    if member is not None:
        return member
    found = tx.members.of(workspace_id, user_id)
    by_clerk = any(member.source is MemberSource.CLERK for member in found)
    raise MemberFromClerk if by_clerk else MemberNotFound


def _refuse_above(own: Role | None, role: Role) -> None:
    """Nobody hands out, changes or takes a role stronger than their own."""
    if own is None or not own.covers(role):
        missing = f"role {role.value}"
        raise PermissionDenied(
            f"This takes the {missing}.", reason="role-too-weak", missing=missing
        )


def _keep_an_owner(tx: WorkspaceTx, member: Member, role: Role | None) -> None:
    loses_one = member.role is Role.OWNER and role is not Role.OWNER
    if loses_one and tx.members.owners(member.workspace_id) == 1:
        raise LastOwner


def _attempt(action: Action, who: Caller, member: Member) -> Attempt:
    target = Target(member.workspace_id, "member", member.user_id)
    return Attempt(action, target, who, {"role": member.role.value})
