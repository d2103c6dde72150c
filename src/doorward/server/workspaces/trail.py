"""Which part of the trail a caller may see: one workspace's, or their whole organization's."""

from dataclasses import replace

from doorward.server.audit.model import AuditFilter, organization_chain
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.policy import Outcome, decide
from doorward.server.problems import PermissionDenied
from doorward.server.workspaces.ports import WorkspaceTx
from doorward.server.workspaces.service import enter, refuse_unless


def may_see(tx: WorkspaceTx, who: Caller, action: Action, where: AuditFilter) -> AuditFilter:
    """Give the filter, within what the caller may see.

    Without a workspace that is all that happens in the organization that the credential speaks
    for, if it makes an admin there. Raises WorkspaceNotFound, PermissionDenied.
    """
    if where.workspace_id is not None:
        enter(tx, who, action, where.workspace_id)
        return where
    decision = decide(who.rights(who.organization_role), action, who.organization_id)
    if who.organization_id is None or decision.outcome is Outcome.HIDDEN:
        raise PermissionDenied(
            "Name a workspace, or come with a credential of an organization that you administer.",
            reason=decision.rule,
            missing="workspace",
        )
    refuse_unless(decision)
    return replace(where, chain=organization_chain(who.organization_id))
