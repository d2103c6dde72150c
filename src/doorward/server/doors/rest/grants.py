"""What a person allowed applications: listed, and ended."""

from datetime import datetime
from typing import Annotated

from fastapi import Path

from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import PEOPLE, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import ListOut, Out
from doorward.server.oauth import service as grants
from doorward.server.oauth.model import Grant
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import GrantNotFound

rest = Operations("grants")
GrantId = Annotated[str, Path(max_length=80, description="A grant, grant_….")]


class GrantOut(Out):
    """What a person allowed an application; ``last_used_at`` may be some seconds late."""

    id: str
    client_id: str
    client_name: str
    scopes: list[str]
    workspaces: list[str] | None
    organization_id: str | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None

    @classmethod
    def of(cls, grant: Grant) -> "GrantOut":
        """Present a grant."""
        return cls(
            id=grant.id,
            client_id=grant.client_id,
            client_name=grant.client_name,
            scopes=sorted(grant.scopes),
            workspaces=None if grant.workspaces is None else sorted(grant.workspaces),
            organization_id=grant.person.organization_id,
            created_at=grant.created_at,
            expires_at=grant.expires_at,
            last_used_at=grant.last_used_at,
            last_used_from=grant.last_used_from,
        )


@rest.operation("GET", "/grants", accepts=PEOPLE, action=Action.GRANT_LIST, raises=())
async def list_grants(
    call: CallDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> ListOut[GrantOut]:
    """List what you allowed applications and did not end, newest first."""
    page = Page.of(limit, cursor, 2)
    found = await call.look(lambda tx: grants.list_grants(tx, call.who, page))
    return ListOut(data=[GrantOut.of(row) for row in found.rows], next_cursor=found.next_cursor)


@rest.operation(
    "DELETE",
    "/grants/{grant_id}",
    accepts=PEOPLE,
    action=Action.GRANT_REVOKE,
    raises=(GrantNotFound,),
    status=204,
)
async def revoke_grant(call: CallDep, grant_id: GrantId) -> None:
    """End what you allowed an application: nothing is let in by it any more once this is answered.

    Links that it made and uploads that it began end with it.
    """
    await call.change(
        lambda tx: grants.revoke_grant(tx, call.who, grant_id), Target(None, "grant", grant_id)
    )
