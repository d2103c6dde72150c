"""Which part of the trail a caller may see: one workspace's, or their whole organization's."""

from dataclasses import replace

from doorward.server.audit.model import AuditFilter, organization_chain
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role, weaker
from doorward.server.problems import PermissionDenied, WorkspaceNotFound
from doorward.server.workspaces.ports import WorkspaceTx
from doorward.server.workspaces.service import enter, judge, standing_now


def may_see(tx: WorkspaceTx, who: Caller, action: Action, where: AuditFilter) -> AuditFilter:
    """Give the filter, within what the caller may see.

    Without a workspace that is all that happens in the organization that the credential speaks
    for, if it makes an admin there. Raises WorkspaceNotFound, PermissionDenied.
    """
    if where.workspace_id is not None:
        enter(tx, who, action, where.workspace_id)
        return where
    who = standing_now(tx, who)
    try:
        judge(tx, who.rights(_role(tx, who)), action, who.organization_id or "")
    except WorkspaceNotFound as hidden:
        raise PermissionDenied(
            "Name a workspace, or come with a credential of an organization that you administer.",
            reason=hidden.reason,
            missing="workspace",
        ) from None
    return replace(where, chain=organization_chain(who.organization_id or ""))


def _role(tx: WorkspaceTx, who: Caller) -> Role | None:
    """Give the role in the organization; where somebody acts for another, what both have."""
    if who.agent is None:
        return who.organization_role
    agent = standing_now(tx, who.agent)
    same = agent.organization_id == who.organization_id
    return weaker(who.organization_role, agent.organization_role) if same else None
