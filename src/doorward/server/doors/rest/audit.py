"""The audit trail, for whoever answers for a workspace or an organization."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from doorward.server.audit import service as audit
from doorward.server.audit.exporting import HEADS_MAX, Extract, Writing, plan
from doorward.server.audit.model import Attempt, AuditFilter, AuditOutcome, Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import Call, CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import AuditOut, IdText, ListOut
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import Json, NotAuthenticated, PermissionDenied, WorkspaceNotFound
from doorward.server.workspaces.trail import may_see

rest = Operations("audit")
_PROOFS_AT_ONCE = 500
Workspace = Annotated[
    IdText | None,
    Query(description="The workspace whose trail to read; without, all of the organization's."),
]
Since = Annotated[datetime | None, Query(description="From this time on.")]
Until = Annotated[datetime | None, Query(description="Before this time.")]


@rest.operation(
    "GET",
    "/audit",
    accepts=EVERYBODY,
    action=Action.AUDIT_READ,
    raises=(PermissionDenied, WorkspaceNotFound),
)
async def list_audit(
    call: CallDep,
    workspace: Workspace = None,
    actor: Annotated[IdText | None, Query()] = None,
    credential: Annotated[IdText | None, Query()] = None,
    action: Annotated[IdText | None, Query()] = None,
    outcome: Annotated[AuditOutcome | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[AuditOut]:
    """List what was tried, newest first; takes the role admin in the workspace or organization."""
    asked = AuditFilter(
        workspace_id=workspace,
        actor_id=actor,
        credential_id=credential,
        action=action,
        outcome=outcome,
        since=_utc(since),
        until=_utc(until),
    )
    page = Page.of(limit, cursor, keys=1)

    def command(tx: Tx) -> ListOut[AuditOut]:
        where = may_see(tx, call.who, Action.AUDIT_READ, asked)
        found = audit.list_entries(tx, where, page)
        rows = [AuditOut.of(row) for row in found.rows]
        return ListOut(data=rows, next_cursor=found.next_cursor)

    return await call.look(command, _target(call, asked))


@rest.operation(
    "GET",
    "/audit/export",
    accepts=EVERYBODY,
    action=Action.AUDIT_EXPORT,
    raises=(PermissionDenied, WorkspaceNotFound),
    response_class=Response,
)
async def export_audit(
    call: CallDep, workspace: Workspace = None, since: Since = None, until: Until = None
) -> Response:
    """Export the trail as JSON Lines that verify without this server; takes the role admin.

    Of a single workspace, rows of others in its chain are there by their digests alone.
    """
    asked = AuditFilter(workspace_id=workspace, since=_utc(since), until=_utc(until))
    target, told = _target(call, asked), _told(asked)

    def command(tx: Tx) -> None:
        may_see(tx, call.who, Action.AUDIT_EXPORT, asked)
        audit.record(tx, Attempt(Action.AUDIT_EXPORT, target, call.who, told))

    await call.change(command, target, **told)
    extract = await call.house.store.read(
        lambda tx: plan(tx, may_see(tx, call.who, Action.AUDIT_EXPORT, asked))
    )
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(call, asked, extract), 200, headers, "application/jsonl")


async def _lines(call: Call, asked: AuditFilter, extract: Extract) -> AsyncIterator[bytes]:
    """Give an export part by part; whoever loses the right meanwhile gets no more of it."""
    store, trail = call.house.store, call.house.trail
    writing = Writing(extract, trail.signer)
    yield writing.begin()
    async for proofs in _proofs(call, extract):
        yield writing.statements(proofs)
    heads = await asyncio.to_thread(
        trail.heads, extract.chain, extract.first, extract.last, HEADS_MAX
    )
    yield writing.statements(heads)

    def command(tx: Tx) -> bytes:
        may_see(tx, call.who, Action.AUDIT_EXPORT, asked)
        return writing.go_on(tx)

    while lines := await store.read(command):
        yield lines
        if call.house.revoked(call.who):
            raise NotAuthenticated
    yield writing.end()


async def _proofs(call: Call, extract: Extract) -> AsyncIterator[list[dict[str, Json]]]:
    """Give what was pruned before the first row, a part at a time."""
    after = 0

    def command(tx: Tx) -> list[str]:
        return tx.audit.proofs(extract.chain, after, _PROOFS_AT_ONCE)

    while found := await call.house.store.read(command):
        proofs = [json.loads(text) for text in found]
        yield [proof for proof in proofs if proof["last"] < extract.first]
        after = proofs[-1]["last"]


def _target(call: Call, asked: AuditFilter) -> Target:
    """Name what is asked about: a workspace, or the organization."""
    if asked.workspace_id is not None:
        return Target(asked.workspace_id, "audit", asked.workspace_id)
    return Target(None, "audit", call.who.organization_id)


def _told(asked: AuditFilter) -> dict[str, Json]:
    times = {"since": asked.since, "until": asked.until}
    return {name: time.isoformat() for name, time in times.items() if time is not None}


def _utc(time: datetime | None) -> datetime | None:
    """Read a time without a zone as UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
