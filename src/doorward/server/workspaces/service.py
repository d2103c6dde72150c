"""The way into a workspace, and what is done to workspaces themselves."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.ports import Transaction
from doorward.server.audit.service import record
from doorward.server.members.model import Member, MemberSource
from doorward.server.names import checked_name
from doorward.server.paging import Listed, Page, listed_seen
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.judgement import Judgement
from doorward.server.permission.policy import Decision, Outcome, Rights, decide
from doorward.server.permission.roles import Role, strongest, weaker
from doorward.server.problems import HomeWorkspace, Json, PermissionDenied, WorkspaceNotFound
from doorward.server.workspaces.model import Standing, Workspace
from doorward.server.workspaces.policy import Policy
from doorward.server.workspaces.ports import WorkspaceTx


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """What a caller asks for when it creates a workspace."""

    name: str
    quota_bytes: int


def enter(tx: WorkspaceTx, who: Caller, action: Action, workspace_id: str) -> Standing:
    """Give the workspace and the caller's role in it, if the action is allowed there.

    Raises:
        WorkspaceNotFound: missing, or hidden from this caller: the same answer for both.
        PermissionDenied: visible, and not allowed; ``missing`` names what would be needed.
    """
    workspace = tx.workspaces.get(workspace_id)
    role = None if workspace is None else role_in(tx, who, workspace)
    judge(tx, who.rights(role), action, workspace_id)
    if workspace is None:
        raise WorkspaceNotFound
    return Standing(workspace, role)


def judge(tx: Transaction, rights: Rights, action: Action, workspace_id: str) -> None:
    """Decide about an action in a workspace; raises WorkspaceNotFound, PermissionDenied."""
    tx.judgement = Judgement.made(rights, action, workspace_id)
    if tx.judgement.decision.outcome is Outcome.HIDDEN:
        raise WorkspaceNotFound
    _refuse(tx.judgement.decision)


def role_in(tx: WorkspaceTx, who: Caller, workspace: Workspace) -> Role | None:
    """Give the strongest role that counts now.

    What comes from the owning organization counts only while the credential speaks for it, so
    that leaving the organization ends it with the next token. Where somebody acts for another,
    the weaker role of both counts.
    """
    who = standing_now(tx, who)
    role = strongest_counted(who, workspace, tx.members.of(workspace.id, who.user_id), tx.now)
    return role if who.agent is None else weaker(role, role_in(tx, who.agent, workspace))


def standing_now(tx: WorkspaceTx, who: Caller) -> Caller:
    """Give whoever's credential outlives a token as they stand in their organization now.

    Of the role they had then and the one seen last, the weaker counts.
    """
    if not who.lasting or who.organization_id is None:
        return who
    home = tx.workspaces.home(who.organization_id)
    found = tx.members.of(home.id, who.user_id) if home is not None else []
    seen = strongest([m.role for m in found if m.source is MemberSource.CLERK])
    role = weaker(who.organization_role, seen)
    if role is None:
        return replace(who, organization_id=None, organization_role=None, lasting=False)
    return replace(who, organization_role=role, lasting=False)


def strongest_counted(
    who: Caller, workspace: Workspace, memberships: Iterable[Member], now: datetime
) -> Role | None:
    """Give the strongest of what a caller's own memberships are worth."""
    roles = [counted_role(who, workspace, member, now) for member in memberships]
    return strongest([role for role in roles if role is not None])


def counted_role(who: Caller, workspace: Workspace, member: Member, now: datetime) -> Role | None:
    """Give what one membership is worth to this caller now.

    One whose time has passed is worth nothing, from that very instant on. Of a role that Clerk
    decides, the credential in hand is the authority, not what was stored when an older one was
    seen.
    """
    if member.is_over(now):
        return None
    if member.source is MemberSource.DIRECT:
        return member.role
    if who.organization_id is None or who.organization_id != workspace.organization_id:
        return None
    return who.organization_role if member.source is MemberSource.CLERK else member.role


def require_outside(tx: Transaction, who: Caller, action: Action) -> None:
    """Make sure that a caller may do what no workspace is asked for; raises PermissionDenied."""
    tx.judgement = Judgement.made(who.rights(None), action)
    _refuse(tx.judgement.decision)


def _refuse(decision: Decision) -> None:
    """Raise PermissionDenied, naming what was missing, for a decision that refuses."""
    if decision.outcome is Outcome.REFUSED:
        raise PermissionDenied(
            f"This takes the {decision.missing}.", reason=decision.rule, missing=decision.missing
        )


def require_scope(tx: WorkspaceTx, who: Caller, action: Action) -> None:
    """Make sure of the scope alone, where no workspace is named; raises PermissionDenied."""
    tx.judgement = Judgement.made(Rights(who.scopes, action.role), action, "")
    _refuse(tx.judgement.decision)


def welcome(tx: WorkspaceTx, who: Caller, quota_bytes: int) -> None:
    """Give a user, and the organization the credential speaks for, a home on first sight.

    Idempotent. The organization role in the token is taken over, so a change of role in Clerk
    arrives with the next token.
    """
    if tx.workspaces.home(who.user_id) is None:
        home = _new(tx, who, NewWorkspace("Personal", quota_bytes), home_of=who.user_id)
        _join(tx, home, who.user_id, Role.OWNER, MemberSource.DIRECT)
    if who.organization_id is None or who.organization_role is None:
        return
    name = who.organization_name or who.organization_id
    home_ = tx.workspaces.home(who.organization_id) or _new(
        tx, who, NewWorkspace(name, quota_bytes), home_of=who.organization_id
    )
    _join(tx, home_, who.user_id, who.organization_role, MemberSource.CLERK)


def hear_role(
    tx: WorkspaceTx, organization_id: str, user_id: str, role: Role | None, at: datetime
) -> None:
    """Take over a role that Clerk told of; what was heard later counts, whatever comes first.

    So that credentials which outlive a token are bounded by it at once. Whoever was never seen
    here is not entered: they are when they come.
    """
    home = tx.workspaces.home(organization_id)
    found = tx.members.of(home.id, user_id) if home is not None else []
    known = next((m for m in found if m.source is MemberSource.CLERK), None)
    if known is None or known.updated_at > at:
        return
    if role is None:
        tx.members.remove(known.workspace_id, user_id, MemberSource.CLERK)
    else:
        tx.members.put(replace(known, role=role, updated_at=at))


def create_workspace(tx: WorkspaceTx, who: Caller, new: NewWorkspace) -> Standing:
    """Create a workspace that the caller owns, in the organization it speaks for if any.

    Raises PermissionDenied, NameInvalid.
    """
    require_outside(tx, who, Action.WORKSPACE_CREATE)
    who = standing_now(tx, who)
    workspace = _new(tx, who, replace(new, name=checked_name(new.name)))
    source = MemberSource.ORGANIZATION if workspace.organization_id else MemberSource.DIRECT
    _join(tx, workspace, who.user_id, Role.OWNER, source)
    record(tx, Attempt(Action.WORKSPACE_CREATE, target_of(workspace), who))
    return Standing(workspace, Role.OWNER)


def list_workspaces(tx: WorkspaceTx, who: Caller, page: Page) -> Listed[Standing]:
    """List the workspaces in which the caller holds a role now, by id; raises PermissionDenied."""
    require_outside(tx, who, Action.WORKSPACE_LIST)
    who = standing_now(tx, who)

    def fetch(ahead: Page) -> list[Standing]:
        rows = tx.workspaces.page(who.user_id, who.organization_id, ahead)
        return [Standing(row, role_in(tx, who, row)) for row in rows]

    return listed_seen(fetch, page, lambda one: (one.workspace.id,), lambda one: _sees(who, one))


def _sees(who: Caller, standing: Standing) -> bool:
    """Say whether a credential that may be bound, or acts for another, sees what its user does."""
    return decide(who.rights(standing.role), Action.WORKSPACE_READ, standing.workspace.id).allowed


def update_workspace(
    tx: WorkspaceTx,
    who: Caller,
    workspace_id: str,
    name: str | None = None,
    policy: Policy | None = None,
) -> Standing:
    """Change a workspace's name or policy; None leaves either.

    Raises WorkspaceNotFound, PermissionDenied, NameInvalid.
    """
    standing = enter(tx, who, Action.WORKSPACE_UPDATE, workspace_id)
    was = standing.workspace
    changed = replace(
        was,
        name=was.name if name is None else checked_name(name),
        policy=was.policy if policy is None else policy,
    )
    tx.workspaces.change(changed)
    details: dict[str, Json] = {} if policy is None else {"policy": changed.policy.stored()}
    record(tx, Attempt(Action.WORKSPACE_UPDATE, target_of(changed), who, details))
    return Standing(changed, standing.role)


def delete_workspace(tx: WorkspaceTx, who: Caller, workspace_id: str) -> None:
    """Delete a workspace with all in it: nothing finds it any more.

    Raises WorkspaceNotFound, PermissionDenied, HomeWorkspace.
    """
    standing = enter(tx, who, Action.WORKSPACE_DELETE, workspace_id)
    if standing.workspace.home_of is not None:
        raise HomeWorkspace
    tx.workspaces.remove(workspace_id)
    record(tx, Attempt(Action.WORKSPACE_DELETE, target_of(standing.workspace), who))


def target_of(workspace: Workspace) -> Target:
    """Name a workspace for the audit trail."""
    return Target(workspace.id, "workspace", workspace.id, workspace.name)


def _new(tx: WorkspaceTx, who: Caller, new: NewWorkspace, home_of: str | None = None) -> Workspace:
    organization_id = None if home_of == who.user_id else who.organization_id
    workspace = Workspace(
        id=tx.new_id("ws"),
        name=new.name,
        organization_id=organization_id,
        home_of=home_of,
        created_by=who.user_id,
        created_at=tx.now,
        used_bytes=0,
        quota_bytes=new.quota_bytes,
    )
    tx.workspaces.add(workspace)
    return workspace


def _join(
    tx: WorkspaceTx, workspace: Workspace, user_id: str, role: Role, source: MemberSource
) -> None:
    tx.members.put(Member(workspace.id, user_id, role, source, tx.now, tx.now))
