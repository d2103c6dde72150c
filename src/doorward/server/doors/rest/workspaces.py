"""Workspaces and who is in them."""

from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, KEYHOLDERS, Operations
from doorward.server.doors.rest.parameters import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    MemberId,
    WorkspaceId,
)
from doorward.server.doors.rest.schemas import (
    ListOut,
    MemberIn,
    MemberOut,
    MeOut,
    RoleIn,
    WorkspaceChangeIn,
    WorkspaceIn,
    WorkspaceOut,
)
from doorward.server.members import service as members
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import OAUTH_TOKEN
from doorward.server.problems import (
    HomeWorkspace,
    LastOwner,
    MemberExists,
    MemberFromClerk,
    MemberNotFound,
    NameInvalid,
    PermissionDenied,
    WorkspaceNotFound,
)
from doorward.server.workspaces import service as workspaces
from doorward.server.workspaces.service import NewWorkspace

rest = Operations("workspaces")
people = Operations("members")
# Whoever acts for somebody else would see nothing of a workspace that is theirs alone.
_MAKERS = KEYHOLDERS | {OAUTH_TOKEN}
_GUARDED = (PermissionDenied, WorkspaceNotFound)


@rest.operation("GET", "/me", accepts=EVERYBODY, action=None, raises=())
async def read_me(call: CallDep) -> MeOut:
    """Say who you are here."""
    return MeOut.of(call.who)


@rest.operation(
    "GET",
    "/workspaces",
    accepts=EVERYBODY,
    action=Action.WORKSPACE_LIST,
    raises=(PermissionDenied,),
)
async def list_workspaces(
    call: CallDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> ListOut[WorkspaceOut]:
    """List the workspaces that you are in, your home among them."""
    page = Page.of(limit, cursor, keys=1)
    found = await call.look(lambda tx: workspaces.list_workspaces(tx, call.who, page))
    return ListOut(data=[WorkspaceOut.of(row) for row in found.rows], next_cursor=found.next_cursor)


@rest.operation(
    "POST",
    "/workspaces",
    accepts=_MAKERS,
    action=Action.WORKSPACE_CREATE,
    raises=(PermissionDenied, NameInvalid),
    status=201,
)
async def create_workspace(call: CallDep, body: WorkspaceIn) -> WorkspaceOut:
    """Create a workspace that you own."""
    new = NewWorkspace(body.name, call.house.quota_bytes)
    made = await call.change(
        lambda tx: workspaces.create_workspace(tx, call.who, new),
        Target(kind="workspace", name=body.name),
    )
    return WorkspaceOut.of(made)


@rest.operation(
    "GET",
    "/workspaces/{workspace_id}",
    accepts=EVERYBODY,
    action=Action.WORKSPACE_READ,
    raises=_GUARDED,
)
async def read_workspace(call: CallDep, workspace_id: WorkspaceId) -> WorkspaceOut:
    """Read one workspace."""
    found = await call.look(
        lambda tx: workspaces.enter(tx, call.who, Action.WORKSPACE_READ, workspace_id),
        _workspace(workspace_id),
    )
    return WorkspaceOut.of(found)


@rest.operation(
    "PATCH",
    "/workspaces/{workspace_id}",
    accepts=EVERYBODY,
    action=Action.WORKSPACE_UPDATE,
    raises=(*_GUARDED, NameInvalid),
)
async def update_workspace(
    call: CallDep, workspace_id: WorkspaceId, body: WorkspaceChangeIn
) -> WorkspaceOut:
    """Rename a workspace, or say what may be put into it."""
    policy = None if body.policy is None else body.policy.asked()
    changed = await call.change(
        lambda tx: workspaces.update_workspace(tx, call.who, workspace_id, body.name, policy),
        _workspace(workspace_id),
    )
    return WorkspaceOut.of(changed)


@rest.operation(
    "DELETE",
    "/workspaces/{workspace_id}",
    accepts=EVERYBODY,
    action=Action.WORKSPACE_DELETE,
    raises=(*_GUARDED, HomeWorkspace),
    status=204,
)
async def delete_workspace(call: CallDep, workspace_id: WorkspaceId) -> None:
    """Delete a workspace with everything in it."""
    await call.change(
        lambda tx: workspaces.delete_workspace(tx, call.who, workspace_id),
        _workspace(workspace_id),
    )


@people.operation(
    "GET",
    "/workspaces/{workspace_id}/members",
    accepts=EVERYBODY,
    action=Action.MEMBER_LIST,
    raises=_GUARDED,
)
async def list_members(
    call: CallDep, workspace_id: WorkspaceId, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> ListOut[MemberOut]:
    """List who is in a workspace, and as what."""
    page = Page.of(limit, cursor, keys=2)
    found = await call.look(
        lambda tx: members.list_members(tx, call.who, workspace_id, page),
        _workspace(workspace_id),
    )
    return ListOut(data=[MemberOut.of(row) for row in found.rows], next_cursor=found.next_cursor)


@people.operation(
    "POST",
    "/workspaces/{workspace_id}/members",
    accepts=EVERYBODY,
    action=Action.MEMBER_ADD,
    raises=(*_GUARDED, MemberExists),
    status=201,
)
async def add_member(call: CallDep, workspace_id: WorkspaceId, body: MemberIn) -> MemberOut:
    """Let a person into a workspace."""
    added = await call.change(
        lambda tx: members.add_member(tx, call.who, workspace_id, body.user_id, body.role),
        _member(workspace_id, body.user_id),
        role=body.role.value,
    )
    return MemberOut.of(added)


@people.operation(
    "PATCH",
    "/workspaces/{workspace_id}/members/{user_id}",
    accepts=EVERYBODY,
    action=Action.MEMBER_UPDATE,
    raises=(*_GUARDED, MemberNotFound, MemberFromClerk, LastOwner),
)
async def change_member(
    call: CallDep, workspace_id: WorkspaceId, user_id: MemberId, body: RoleIn
) -> MemberOut:
    """Change a person's role."""
    changed = await call.change(
        lambda tx: members.change_role(tx, call.who, workspace_id, user_id, body.role),
        _member(workspace_id, user_id),
        role=body.role.value,
    )
    return MemberOut.of(changed)


@people.operation(
    "DELETE",
    "/workspaces/{workspace_id}/members/{user_id}",
    accepts=EVERYBODY,
    action=Action.MEMBER_REMOVE,
    raises=(*_GUARDED, MemberNotFound, MemberFromClerk, LastOwner),
    status=204,
)
async def remove_member(call: CallDep, workspace_id: WorkspaceId, user_id: MemberId) -> None:
    """Take a person out of a workspace, or leave it."""
    await call.change(
        lambda tx: members.remove_member(tx, call.who, workspace_id, user_id),
        _member(workspace_id, user_id),
    )


def _workspace(workspace_id: str) -> Target:
    return Target(workspace_id, "workspace", workspace_id)


def _member(workspace_id: str, user_id: str) -> Target:
    return Target(workspace_id, "member", user_id)
