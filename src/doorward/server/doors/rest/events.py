"""What happened in a workspace, for whoever may see it."""

from typing import Annotated

from fastapi import Query

from doorward.server.audit.model import Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import EventOut, IdText, ListOut
from doorward.server.events import service as events
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import PermissionDenied, WorkspaceNotFound
from doorward.server.workspaces.service import enter

rest = Operations("events")


@rest.operation(
    "GET",
    "/events",
    accepts=EVERYBODY,
    action=Action.EVENT_LIST,
    raises=(PermissionDenied, WorkspaceNotFound),
)
async def list_events(
    call: CallDep,
    workspace: Annotated[IdText, Query(description="The workspace whose events to read.")],
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[EventOut]:
    """List what happened in a workspace in the last seven days, oldest first.

    Of an upload's progress only the latest is kept.
    """
    page = Page.of(limit, cursor, keys=1)

    def command(tx: Tx) -> ListOut[EventOut]:
        enter(tx, call.who, Action.EVENT_LIST, workspace)
        found = events.list_events(tx, workspace, page)
        rows = [EventOut.of(row) for row in found.rows]
        return ListOut(data=rows, next_cursor=found.next_cursor)

    return await call.look(command, Target(workspace, "events", workspace))
