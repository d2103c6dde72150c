"""Signed links: made for a file, listed, narrowed and killed."""

from typing import Annotated

from fastapi import Query

from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.link_schemas import HandedOut, LinkIn, LinkOut, NarrowerIn
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, FileId, Limit, LinkId
from doorward.server.doors.rest.schemas import IdText, ListOut
from doorward.server.links import service as links
from doorward.server.links.model import Direction, LinkFilter
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    FileNotFound,
    LinkEnded,
    LinkNotFound,
    LinkWider,
    PermissionDenied,
    RequestInvalid,
    VersionNotFound,
    WorkspaceNotFound,
)

rest = Operations("links")
_GUARDED = (PermissionDenied, LinkNotFound)


@rest.operation(
    "POST",
    "/files/{file_id}/link",
    accepts=EVERYBODY,
    action=Action.LINK_CREATE,
    raises=(PermissionDenied, FileNotFound, VersionNotFound),
    status=201,
)
async def create_link(call: CallDep, file_id: FileId, body: LinkIn | None = None) -> HandedOut:
    """Make a signed download link, which acts for you and ends when your rights do."""
    asked = body or LinkIn()
    if asked.expires_in > call.house.link_seconds_max:
        raise RequestInvalid(f"A link lives at most {call.house.link_seconds_max} seconds here.")
    digest = None
    if asked.password is not None:
        digest = await call.house.passwords.digest_of(asked.password)
    made = await call.change(
        lambda tx: links.create_link(tx, call.who, file_id, asked.new(digest)),
        Target(None, "file", file_id),
    )
    expires_at = made.bounds.expires_at
    url = call.house.signer.download_url(made.id, expires_at)
    return HandedOut(id=made.id, url=url, expires_at=expires_at)


@rest.operation(
    "GET",
    "/links",
    accepts=EVERYBODY,
    action=Action.LINK_LIST,
    raises=(PermissionDenied, WorkspaceNotFound),
)
async def list_links(
    call: CallDep,
    workspace: Annotated[IdText | None, Query(description="Only of this workspace.")] = None,
    direction: Annotated[Direction | None, Query()] = None,
    resource: Annotated[IdText | None, Query(description="A file or upload.")] = None,
    live: Annotated[bool | None, Query(description="Only live ones, or only the others.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[LinkOut]:
    """List links, newest first: your own, and a whole workspace's for whoever administers it."""
    where = LinkFilter(workspace, None, direction, resource, live)
    page = Page.of(limit, cursor, 2)
    found = await call.look(
        lambda tx: links.list_links(tx, call.who, where, page), Target(workspace, "link", None)
    )
    rows = [LinkOut.of(row, call.house.clock()) for row in found.rows]
    return ListOut(data=rows, next_cursor=found.next_cursor)


@rest.operation(
    "GET", "/links/{link_id}", accepts=EVERYBODY, action=Action.LINK_READ, raises=_GUARDED
)
async def read_link(call: CallDep, link_id: LinkId) -> LinkOut:
    """Read a link's uses and limits."""
    link = await call.look(
        lambda tx: links.get_link(tx, call.who, link_id), _link(link_id), seen=links.target_of_link
    )
    return LinkOut.of(link, call.house.clock())


@rest.operation(
    "PATCH",
    "/links/{link_id}",
    accepts=EVERYBODY,
    action=Action.LINK_UPDATE,
    raises=(*_GUARDED, LinkEnded, LinkWider),
)
async def narrow_link(call: CallDep, link_id: LinkId, body: NarrowerIn) -> LinkOut:
    """Set tighter bounds on a link; nothing widens one."""
    link = await call.change(
        lambda tx: links.narrow_link(tx, call.who, link_id, body.change()), _link(link_id)
    )
    return LinkOut.of(link, call.house.clock())


@rest.operation(
    "DELETE",
    "/links/{link_id}",
    accepts=EVERYBODY,
    action=Action.LINK_KILL,
    raises=_GUARDED,
    status=204,
)
async def kill_link(call: CallDep, link_id: LinkId) -> None:
    """Kill a link: the next request is refused, and what is under way ends within a second."""
    await call.change(lambda tx: links.kill_link(tx, call.who, link_id), _link(link_id))


def _link(link_id: str) -> Target:
    return Target(None, "link", link_id)
