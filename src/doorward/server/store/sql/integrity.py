"""Rows compared with each other: each statement is one steady view and names what contradicts."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from doorward.server.integrity.model import (
    STAGED,
    Fault,
    Finding,
    NamedBlob,
    OpenUpload,
    PlacedName,
)
from doorward.server.store.sql.tables import (
    ROOT,
    damaged_blobs,
    doomed_blobs,
    keeping_blobs,
    nodes,
    uploads,
    versions,
    workspaces,
)

_OPEN = ("pending", "receiving")
_CLOSED = ("complete", "failed", "aborted", "expired")
_SHOWN = ("blob_key", "size", "digest", "sha256", "content_type")
_IS_OPEN = uploads.c.status.in_(_OPEN)
_OVER = uploads.c.received_bytes > func.coalesce(uploads.c.size, uploads.c.promised_bytes)

_USED: Any = (
    select(func.coalesce(func.sum(versions.c.counted_bytes), 0))
    .where(versions.c.workspace_id == workspaces.c.id)
    .scalar_subquery()
)
_RESERVED: Any = (
    select(func.coalesce(func.sum(uploads.c.promised_bytes), 0))
    .where(uploads.c.workspace_id == workspaces.c.id, _IS_OPEN)
    .scalar_subquery()
)


def _counters(stored: Any, counted: Any) -> Select[Any]:
    shown = cast(stored, String) + " stored, " + cast(counted, String) + " counted"
    return select(workspaces.c.id, shown, workspaces.c.id).where(stored != counted)


def _version_numbers() -> Select[Any]:
    numbers = (
        select(
            versions.c.file_id,
            func.count().label("count"),
            func.max(versions.c.number).label("last"),
        )
        .group_by(versions.c.file_id)
        .subquery()
    )
    shown = versions.alias("shown")
    differs = [shown.c[name].is_distinct_from(nodes.c[name]) for name in _SHOWN]
    return (
        select(nodes.c.id, literal("versions and file differ"), nodes.c.workspace_id)
        .outerjoin(numbers, numbers.c.file_id == nodes.c.id)
        .outerjoin(shown, shown.c.id == nodes.c.version_id)
        .where(
            nodes.c.kind == "file",
            or_(
                numbers.c.last.is_distinct_from(nodes.c.version),
                numbers.c.count.is_distinct_from(nodes.c.version),
                shown.c.number.is_distinct_from(nodes.c.version),
                shown.c.file_id.is_distinct_from(nodes.c.id),
                *differs,
            ),
        )
    )


def _upload_states() -> Select[Any]:
    held = uploads.c.holder.is_not(None)
    what = case(
        (uploads.c.status.not_in((*_OPEN, *_CLOSED)), "it has no known status"),
        (_IS_OPEN & uploads.c.blob_key.is_(None), "it is open and has no blob"),
        (_IS_OPEN & uploads.c.file_id.is_not(None), "it is open and has a file"),
        (_IS_OPEN & _OVER, "it has more bytes than declared"),
        (uploads.c.received_bytes < 0, "it has less than no bytes"),
        ((uploads.c.status == "complete") & uploads.c.file_id.is_(None), "it made no file"),
        (uploads.c.status.in_(_CLOSED) & held, "it is closed and held"),
        ((uploads.c.status == "pending") & held, "it is held and not receiving"),
        ((uploads.c.status == "receiving") & ~held, "it is receiving and held by nobody"),
    )
    return select(uploads.c.id, what, uploads.c.workspace_id).where(what.is_not(None))


def _unreachable() -> Select[Any]:
    """Live nodes that no way leads to from the root, through live folders of one workspace."""
    live = nodes.c.deleted_at.is_(None)
    top = select(nodes.c.id, nodes.c.workspace_id, nodes.c.kind).where(
        live, nodes.c.parent_id == ROOT
    )
    reached = top.cte("reached", recursive=True)
    below = nodes.alias("below")
    reached = reached.union(
        select(below.c.id, below.c.workspace_id, below.c.kind).where(
            below.c.deleted_at.is_(None),
            below.c.parent_id == reached.c.id,
            below.c.workspace_id == reached.c.workspace_id,
            reached.c.kind == "folder",
        )
    )
    return select(nodes.c.id, nodes.c.parent_id, nodes.c.workspace_id).where(
        live, nodes.c.id.not_in(select(reached.c.id))
    )


_DOOMED_BUT_NAMED = (
    select(doomed_blobs.c.key, literal("a note says it may go"), versions.c.workspace_id)
    .join(versions, versions.c.blob_key == doomed_blobs.c.key)
    .distinct()
)
_CONTRADICTIONS: dict[Fault, Select[Any]] = {
    Fault.USED_BYTES: _counters(workspaces.c.used_bytes, _USED),
    Fault.RESERVED_BYTES: _counters(workspaces.c.reserved_bytes, _RESERVED),
    Fault.VERSION_NUMBERS: _version_numbers(),
    Fault.UPLOAD_STATE: _upload_states(),
    Fault.DOOMED_BUT_NAMED: _DOOMED_BUT_NAMED,
}
_UNREACHABLE = _unreachable()
_WAITING: Select[Any] = select(
    uploads.c.id, uploads.c.workspace_id, uploads.c.blob_key, uploads.c.received_bytes
).where(
    _IS_OPEN,
    uploads.c.holder.is_(None),
    uploads.c.blob_key.is_not(None),
    uploads.c.received_bytes >= 1,
    ~_OVER,
)
_RECOUNT = (
    update(workspaces)
    .where(workspaces.c.id == bindparam("workspace"))
    .values(used_bytes=_USED, reserved_bytes=_RESERVED)
)


class SqlIntegrity:
    """IntegrityRows over all tables."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def contradictions(self) -> list[Finding]:
        """Find counters, versions, uploads, notes and places that contradict other rows."""
        found = [
            Finding(fault, subject, detail, workspace_id)
            for fault, query in _CONTRADICTIONS.items()
            for subject, detail, workspace_id in self._connection.execute(query)
        ]
        return found + self._cut_off()

    def names(self, after: str, limit: int) -> list[PlacedName]:
        """List all nodes' names, by the nodes' ids."""
        query = select(nodes.c.id, nodes.c.workspace_id, nodes.c.name).where(nodes.c.id > after)
        rows = self._connection.execute(query.order_by(nodes.c.id).limit(limit))
        return [PlacedName(*row) for row in rows]

    def named(self, after: str, limit: int) -> list[NamedBlob]:
        """List what versions name, by key."""
        query = _blobs().where(versions.c.blob_key > after).order_by(versions.c.blob_key)
        return self._blobs(query.limit(limit))

    def is_named(self, key: str) -> bool:
        """Say whether a version names the blob."""
        query = select(versions.c.id).where(versions.c.blob_key == key).limit(1)
        return self._connection.execute(query).first() is not None

    def unknown(self, keys: Collection[str]) -> set[str]:
        """Give those of the keys that no version, open upload or note knows.

        What is known of a blob holds for its copy on the local disk too.
        """
        bare = {key: key.removeprefix(STAGED) for key in keys}
        asked = {*bare, *bare.values()}
        queries = (
            select(versions.c.blob_key).where(versions.c.blob_key.in_(asked)),
            select(uploads.c.blob_key).where(uploads.c.blob_key.in_(asked), _IS_OPEN),
            select(keeping_blobs.c.key).where(keeping_blobs.c.key.in_(asked)),
            select(doomed_blobs.c.key).where(doomed_blobs.c.key.in_(asked)),
        )
        known: set[str] = set()
        for query in queries:
            known.update(self._connection.execute(query).scalars())
        return {key for key in bare if not {key, bare[key]} & known}

    def waiting(self, after: str, limit: int) -> list[OpenUpload]:
        """List, by id, open uploads that nobody is sending now."""
        query = _WAITING.where(uploads.c.id > after).order_by(uploads.c.id).limit(limit)
        return [OpenUpload(*row) for row in self._connection.execute(query)]

    def is_waiting(self, upload: OpenUpload) -> bool:
        """Say whether an upload is still as it was listed, and nobody is sending it."""
        row = self._connection.execute(_WAITING.where(uploads.c.id == upload.id)).first()
        return row is not None and OpenUpload(*row) == upload

    def is_contradictory(self, upload_id: str) -> bool:
        """Say whether an upload is in a state that can't be."""
        query = _CONTRADICTIONS[Fault.UPLOAD_STATE].where(uploads.c.id == upload_id)
        return self._connection.execute(query).first() is not None

    def identical(self, blob: NamedBlob) -> list[str]:
        """Give other blobs of the workspace that are to hold the same."""
        content = (versions.c.workspace_id, versions.c.size, versions.c.digest)
        query = select(versions.c.blob_key).where(
            tuple_(*content) == (blob.workspace_id, blob.size, blob.digest),
            versions.c.blob_key != blob.key,
            versions.c.blob_key.not_in(select(damaged_blobs.c.key)),
        )
        return list(self._connection.execute(query.distinct()).scalars())

    def damaged(self) -> list[NamedBlob]:
        """List what is known to be damaged, and still named."""
        return self._blobs(_blobs().where(versions.c.blob_key.in_(select(damaged_blobs.c.key))))

    def damage(self, key: str, reason: str) -> None:
        """Note that a blob's bytes are not what they were."""
        self.undamage(key)
        values = {"key": key, "found_at": self._now, "reason": reason}
        self._connection.execute(insert(damaged_blobs), values)

    def undamage(self, key: str) -> None:
        """Take that note back."""
        self._connection.execute(delete(damaged_blobs).where(damaged_blobs.c.key == key))

    def orphan(self, key: str, due: datetime) -> bool:
        """Note that bytes nobody knows may go; says whether nobody does."""
        if not self.unknown([key]):
            return False
        values = {"key": key, "due_at": due, "going": False}
        self._connection.execute(insert(doomed_blobs), values)
        return True

    def recount(self, workspace_id: str) -> None:
        """Count a workspace's used and promised bytes anew."""
        self._connection.execute(_RECOUNT, {"workspace": workspace_id})

    def renumber(self, file_id: str) -> bool:
        """Number a file's versions from 1 and show the newest; says whether there are any."""
        query = select(versions).where(versions.c.file_id == file_id).order_by(versions.c.number)
        rows = list(self._connection.execute(query))
        for number, row in enumerate(rows, 1):
            # Upwards, so that a number is free when it is given.
            change = update(versions).where(versions.c.id == row.id).values(number=number)
            self._connection.execute(change)
        if rows:
            shown = {name: getattr(rows[-1], name) for name in _SHOWN}
            last = shown | {"version": len(rows), "version_id": rows[-1].id}
            self._connection.execute(update(nodes).where(nodes.c.id == file_id).values(last))
        return bool(rows)

    def end_upload(self, upload_id: str) -> None:
        """End an upload that is in a state that can't be; what it stored goes."""
        this = uploads.c.id == upload_id
        key = self._connection.execute(select(uploads.c.blob_key).where(this)).scalar_one_or_none()
        ended = {
            "status": "failed",
            "failure": "inconsistent",
            "holder": None,
            "blob_key": None,
            "received_bytes": 0,
            "closed_at": self._now,
        }
        self._connection.execute(update(uploads).where(this).values(ended))
        if key is not None:
            self.orphan(key, self._now)

    def _cut_off(self) -> list[Finding]:
        """Name the highest of what can't be reached; what lies under it comes back with it."""
        lost = {row.id: row for row in self._connection.execute(_UNREACHABLE)}
        above = {row.id: row.parent_id for row in lost.values()}
        tops = {_top(above, one) for one in above}
        return [
            Finding(
                Fault.TREE_BROKEN,
                top,
                f"its folder {lost[top].parent_id} can't be reached",
                lost[top].workspace_id,
            )
            for top in sorted(tops)
        ]

    def _blobs(self, query: Select[Any]) -> list[NamedBlob]:
        return [NamedBlob(*row) for row in self._connection.execute(query)]


def _top(above: dict[str, str], one: str) -> str:
    """Go up as far as ``above`` leads; of a ring the least is the top."""
    line: list[str] = []
    while one in above and one not in line:
        line.append(one)
        one = above[one]
    return min(line[line.index(one) :]) if one in line else line[-1]


def _blobs() -> Select[Any]:
    columns = versions.c
    query = select(columns.blob_key, columns.workspace_id, columns.size, columns.digest)
    return query.distinct()
