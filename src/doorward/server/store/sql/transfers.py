"""Hand-overs of workspaces, and the memberships as they were before each."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from doorward.server.links.model import Direction
from doorward.server.members.model import Member
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import ALL_SCOPES
from doorward.server.store.sql.callers import caller_from, kept_caller
from doorward.server.store.sql.keys import key_of
from doorward.server.store.sql.members import member_from
from doorward.server.store.sql.tables import (
    keys,
    links,
    members,
    nodes,
    transfer_members,
    transfers,
    uploads,
    workspaces,
)
from doorward.server.transfers.model import ActsFor, Holdings, State, Terms, Transfer

_OPEN = transfers.c.state == State.OFFERED.value
_HERE = transfers.c.workspace_id == bindparam("workspace")
_GET = select(transfers).where(_HERE, transfers.c.id == bindparam("transfer"))
_BY_DIGEST = select(transfers).where(transfers.c.digest == bindparam("digest"))
_OPEN_OF = select(transfers).where(_HERE, _OPEN)
_LATER = (
    select(transfers.c.id)
    .where(
        _HERE,
        transfers.c.state == State.CLAIMED.value,
        transfers.c.number > bindparam("number"),
    )
    .limit(1)
)
_MOVED = (
    "state",
    "claimed_by",
    "claimed_at",
    "undo_until",
    "organization_before",
    "ended_by",
    "ended_at",
)
_MOVE = (
    update(transfers)
    .where(transfers.c.id == bindparam("transfer"), transfers.c.state == bindparam("was"))
    .values({name: bindparam(f"new_{name}", type_=transfers.c[name].type) for name in _MOVED})
)
_MEMBER = ("workspace_id", "user_id", "source", "role", "created_at", "updated_at", "expires_at")
_KEPT = transfer_members.c.transfer_id == bindparam("transfer")
_LIVE_LINK = and_(
    links.c.direction == Direction.DOWNLOAD.value,
    links.c.killed_at.is_(None),
    or_(links.c.uses_max.is_(None), links.c.uses < links.c.uses_max),
    or_(links.c.bytes_max.is_(None), links.c.bytes < links.c.bytes_max),
)


class SqlTransfers:
    """TransferRows over the tables ``transfers`` and ``transfer_members``."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, workspace_id: str, transfer_id: str) -> Transfer | None:
        """Give a hand-over of this workspace."""
        return self._one(_GET, workspace=workspace_id, transfer=transfer_id)

    def by_digest(self, digest: str) -> Transfer | None:
        """Give the hand-over whose token has this digest."""
        return self._one(_BY_DIGEST, digest=digest)

    def open_of(self, workspace_id: str) -> Transfer | None:
        """Give the workspace's one open offer, which may have expired."""
        return self._one(_OPEN_OF, workspace=workspace_id)

    def page(self, workspace_id: str, page: Page) -> list[Transfer]:
        """List a workspace's hand-overs, newest first."""
        query = select(transfers).where(transfers.c.workspace_id == workspace_id)
        after = page.after_number()
        if after is not None:
            query = query.where(transfers.c.number < after)
        query = query.order_by(transfers.c.number.desc()).limit(page.limit + 1)
        return [_transfer(row) for row in self._connection.execute(query)]

    def later_claimed(self, transfer: Transfer) -> bool:
        """Say whether the workspace was claimed after this hand-over, and that stands."""
        asked = {"workspace": transfer.workspace_id, "number": transfer.number}
        return self._connection.execute(_LATER, asked).first() is not None

    def add(self, transfer: Transfer) -> None:
        """Insert an offer."""
        last = select(func.coalesce(func.max(transfers.c.number), 0) + 1).where(
            transfers.c.workspace_id == transfer.workspace_id
        )
        row = _row(transfer) | {"number": last.scalar_subquery()}
        self._connection.execute(insert(transfers).values(row))

    def move(self, transfer: Transfer, was: State) -> bool:
        """Store a hand-over's new state if it still has the one it ``was`` in."""
        new = {f"new_{name}": getattr(transfer, name) for name in _MOVED}
        new["new_state"] = transfer.state.value
        done = self._connection.execute(_MOVE, {"transfer": transfer.id, "was": was.value} | new)
        return done.rowcount == 1

    def keep_members(self, transfer: Transfer) -> None:
        """Keep every membership of the workspace as it is now."""
        columns = [members.c[name] for name in _MEMBER]
        now = select(bindparam("of", transfer.id), *columns).where(
            members.c.workspace_id == transfer.workspace_id
        )
        into = insert(transfer_members).from_select(["transfer_id", *_MEMBER], now)
        self._connection.execute(into)

    def kept_of(self, transfer_id: str, workspace_id: str, user_id: str) -> list[Member]:
        """Give one person's memberships as they were kept."""
        query = select(transfer_members).where(
            transfer_members.c.transfer_id == transfer_id,
            transfer_members.c.workspace_id == workspace_id,
            transfer_members.c.user_id == user_id,
        )
        return [member_from(row) for row in self._connection.execute(query)]

    def bring_back_members(self, transfer: Transfer) -> None:
        """Make the memberships of everybody kept, and of both sides, what they were."""
        kept = select(transfer_members.c.user_id).where(_KEPT)
        known = or_(members.c.user_id.in_(kept), members.c.user_id == transfer.claimed_by)
        here = members.c.workspace_id == transfer.workspace_id
        self._connection.execute(delete(members).where(here, known), {"transfer": transfer.id})
        columns = [transfer_members.c[name] for name in _MEMBER]
        back = insert(members).from_select(_MEMBER, select(*columns).where(_KEPT))
        self._connection.execute(back, {"transfer": transfer.id})

    def holdings(self, workspace_id: str) -> Holdings:
        """Count what the workspace has."""
        live = nodes.c.deleted_at.is_(None)
        counted = self._connection.execute(
            select(
                _sum(and_(live, nodes.c.kind == "file")),
                _sum(and_(live, nodes.c.kind == "folder")),
                _sum(nodes.c.deleted_at.is_not(None)),
            ).where(nodes.c.workspace_id == workspace_id)
        ).one()
        used = self._connection.execute(
            select(workspaces.c.used_bytes, workspaces.c.reserved_bytes).where(
                workspaces.c.id == workspace_id
            )
        ).one()
        return Holdings(*counted, *used)

    def acting(self, workspace_id: str, limit: int) -> list[ActsFor]:
        """List its live download links, its open uploads, and the keys that reach it."""
        handed_out = select(links.c.id, links.c.made_by.label("by")).where(
            links.c.workspace_id == workspace_id, links.c.expires_at > self._now, _LIVE_LINK
        )
        coming = select(uploads.c.id, uploads.c.bought_by.label("by")).where(
            uploads.c.workspace_id == workspace_id,
            uploads.c.status.in_(("pending", "receiving")),
            uploads.c.expires_at > self._now,
        )
        found = []
        for action, query in ((Action.LINK_CREATE, handed_out), (Action.UPLOAD_RECEIVE, coming)):
            rows = self._connection.execute(query.limit(limit))
            found += [ActsFor(action, row.id, caller_from(row.by)) for row in rows]
        return found + self._keys(workspace_id, limit)

    def _keys(self, workspace_id: str, limit: int) -> list[ActsFor]:
        """List keys of members that reach the workspace, whatever they may do there."""
        made = select(keys).where(
            keys.c.maker_id.in_(
                select(members.c.user_id).where(members.c.workspace_id == workspace_id)
            ),
            keys.c.revoked_at.is_(None),
            or_(keys.c.expires_at.is_(None), keys.c.expires_at > self._now),
        )
        reaching = [key_of(row) for row in self._connection.execute(made.limit(limit))]
        return [
            ActsFor(Action.WORKSPACE_READ, key.id, replace(key.maker, scopes=ALL_SCOPES))
            for key in reaching
            if key.bounds.workspaces is None or workspace_id in key.bounds.workspaces
        ]

    def expired(self, limit: int) -> list[Transfer]:
        """List open offers whose time has passed."""
        query = select(transfers).where(_OPEN, transfers.c.expires_at <= self._now).limit(limit)
        return [_transfer(row) for row in self._connection.execute(query)]

    def remove_over(self, before: datetime, limit: int) -> int:
        """Remove what was over before a time, with the memberships kept."""
        over = or_(
            transfers.c.ended_at < before,
            and_(
                transfers.c.state == State.CLAIMED.value,
                func.coalesce(transfers.c.undo_until, transfers.c.claimed_at) < before,
            ),
        )
        gone = self._connection.execute(select(transfers.c.id).where(over).limit(limit))
        ids = list(gone.scalars())
        if ids:
            kept = transfer_members.c.transfer_id.in_(ids)
            self._connection.execute(delete(transfer_members).where(kept))
            self._connection.execute(delete(transfers).where(transfers.c.id.in_(ids)))
        return len(ids)

    def _one(self, query: Any, **asked: str) -> Transfer | None:
        row = self._connection.execute(query, asked).one_or_none()
        return None if row is None else _transfer(row)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _row(transfer: Transfer) -> dict[str, object]:
    terms = transfer.terms
    return {
        "id": transfer.id,
        "workspace_id": transfer.workspace_id,
        "digest": transfer.digest,
        "offered_by": transfer.by.user_id,
        "made_by": kept_caller(transfer.by),
        "to_user_id": terms.to_user_id,
        "destination": terms.destination,
        "keeps": None if terms.keeps is None else terms.keeps.value,
        "keeps_seconds": terms.keeps_seconds,
        "offered_at": transfer.offered_at,
        "expires_at": transfer.expires_at,
        "state": transfer.state.value,
    }


def _transfer(row: Row[Any]) -> Transfer:
    keeps = None if row.keeps is None else Role(row.keeps)
    return Transfer(
        id=row.id,
        workspace_id=row.workspace_id,
        digest=row.digest,
        by=caller_from(row.made_by),
        terms=Terms(row.to_user_id, row.destination, keeps, row.keeps_seconds),
        offered_at=row.offered_at,
        expires_at=row.expires_at,
        state=State(row.state),
        claimed_by=row.claimed_by,
        claimed_at=row.claimed_at,
        undo_until=row.undo_until,
        organization_before=row.organization_before,
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        number=row.number,
    )
