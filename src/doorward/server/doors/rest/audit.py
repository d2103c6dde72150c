"""The audit trail, for whoever answers for a workspace."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query

from doorward.server.audit import service as audit
from doorward.server.audit.model import AuditFilter, AuditOutcome, Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import AuditOut, IdText, ListOut
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import PermissionDenied, WorkspaceNotFound
from doorward.server.workspaces.service import enter

rest = Operations("audit")


@rest.operation(
    "GET",
    "/audit",
    accepts=EVERYBODY,
    action=Action.AUDIT_READ,
    raises=(PermissionDenied, WorkspaceNotFound),
)
async def list_audit(
    call: CallDep,
    workspace: Annotated[IdText, Query(description="The workspace whose trail to read.")],
    actor: Annotated[IdText | None, Query()] = None,
    credential: Annotated[IdText | None, Query()] = None,
    action: Annotated[IdText | None, Query()] = None,
    outcome: Annotated[AuditOutcome | None, Query()] = None,
    since: Annotated[datetime | None, Query(description="From this time on.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[AuditOut]:
    """List what was tried in a workspace, newest first; takes the role admin there."""
    where = AuditFilter(workspace, actor, credential, action, outcome, _utc(since), _utc(until))
    page = Page.of(limit, cursor, keys=1)

    def command(tx: Tx) -> ListOut[AuditOut]:
        enter(tx, call.who, Action.AUDIT_READ, workspace)
        found = audit.list_entries(tx, where, page)
        rows = [AuditOut.of(row) for row in found.rows]
        return ListOut(data=rows, next_cursor=found.next_cursor)

    return await call.look(command, Target(workspace, "audit", workspace))


def _utc(time: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
