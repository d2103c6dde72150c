"""Alerts: what whoever answers for a workspace should look at."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from doorward.server.alerts import service as alerts
from doorward.server.alerts.model import Alert, AlertKind
from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import IdText, ListOut, Out
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import PermissionDenied, WorkspaceNotFound

rest = Operations("alerts")


class AlertOut(Out):
    """Something to look at: ``amount`` in a window of five minutes, where ``usual`` is usual."""

    id: str
    kind: AlertKind
    subject: str
    first_at: datetime
    last_at: datetime
    amount: int
    usual: float
    times: int

    @classmethod
    def of(cls, alert: Alert) -> "AlertOut":
        """Present an alert."""
        return cls(
            id=alert.id,
            kind=alert.kind,
            subject=alert.subject,
            first_at=alert.first_at,
            last_at=alert.last_at,
            amount=alert.amount,
            usual=alert.usual,
            times=alert.times,
        )


@rest.operation(
    "GET",
    "/alerts",
    accepts=EVERYBODY,
    action=Action.ALERT_LIST,
    raises=(PermissionDenied, WorkspaceNotFound),
)
async def list_alerts(
    call: CallDep,
    workspace: Annotated[IdText, Query(description="A home workspace: of a person or all.")],
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[AlertOut]:
    """List alerts about the credentials of whose home this is, newest first."""
    page = Page.of(limit, cursor, 2)
    found = await call.look(
        lambda tx: alerts.list_alerts(tx, call.who, workspace, page),
        Target(workspace, "alert", None),
    )
    rows = [AlertOut.of(row) for row in found.rows]
    return ListOut(data=rows, next_cursor=found.next_cursor)
