"""Files, folders and versions."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from doorward.server.files.model import Content, Kind, Named, Node, Purged, Version
from doorward.server.paging import Page
from doorward.server.store.sql.tables import ROOT, Instant, nodes, uploads, versions

_ID = nodes.c.id == bindparam("node")
_HERE = nodes.c.workspace_id == bindparam("workspace")
_LIVE = nodes.c.deleted_at.is_(None)
_IN_FOLDER = nodes.c.parent_id == bindparam("parent")

_WORKSPACE_OF = select(nodes.c.workspace_id).where(_ID)
_GET = select(nodes).where(_ID, _HERE)
_CHILD = select(nodes).where(_HERE, _IN_FOLDER, _LIVE, nodes.c.name == bindparam("called"))
_TAKEN = select(nodes.c.name).where(
    _HERE, _IN_FOLDER, _LIVE, nodes.c.name.in_(bindparam("names", expanding=True))
)
_ADD = insert(nodes)
_PLACED = ("parent_id", "name", "updated_at", "deleted_at", "deleted_by", "bin_root_id")
_SHOWN = (
    "version_id",
    "version",
    "metadata",
    "blob_key",
    "size",
    "digest",
    "sha256",
    "content_type",
    "updated_at",
)


def _change_of(columns: tuple[str, ...]) -> Any:
    """Make an update of these columns once, so that each use finds it compiled."""
    new = {name: bindparam(f"new_{name}", type_=nodes.c[name].type) for name in columns}
    return update(nodes).where(_ID, _HERE).values(new)


_PLACE = _change_of(_PLACED)
_SHOW = _change_of(_SHOWN)
_ADD_VERSION = insert(versions)


def _upwards() -> Any:
    line = select(nodes.c.id, nodes.c.parent_id, literal(0).label("level")).where(_ID, _HERE)
    walk = line.cte("line", recursive=True)
    above = nodes.alias("above")
    walk = walk.union_all(
        select(above.c.id, above.c.parent_id, walk.c.level + 1).where(
            above.c.id == walk.c.parent_id, above.c.workspace_id == bindparam("workspace")
        )
    )
    return select(walk.c.id, walk.c.level).order_by(walk.c.level)


def _downwards() -> Any:
    top = select(nodes.c.id, literal(0).label("level")).where(_ID, _HERE)
    walk = top.cte("tree", recursive=True)
    below = nodes.alias("below")
    return walk.union_all(
        select(below.c.id, walk.c.level + 1).where(
            below.c.parent_id == walk.c.id,
            below.c.workspace_id == bindparam("workspace"),
        )
    )


_ANCESTORS = _upwards()
_TREE = _downwards()
_HEIGHT = select(func.max(_TREE.c.level))
_LIVE_COUNT = (
    select(func.count()).select_from(nodes).where(nodes.c.id.in_(select(_TREE.c.id)), _LIVE)
)
_BIN = (
    update(nodes)
    .where(nodes.c.id.in_(select(_TREE.c.id)), _LIVE)
    .values(
        deleted_at=bindparam("at", type_=Instant),
        deleted_by=bindparam("by"),
        bin_root_id=bindparam("node"),
    )
)
_UNBIN = (
    update(nodes)
    .where(_HERE, nodes.c.bin_root_id == bindparam("node"))
    .values(deleted_at=None, deleted_by=None, bin_root_id=None)
)


_TAKEN_ALONG = select(nodes.c.id).where(_HERE, nodes.c.bin_root_id == bindparam("node"))
_NAMES = select(nodes.c.id, nodes.c.name, nodes.c.kind).where(
    _HERE, nodes.c.deleted_at.is_not(None), nodes.c.bin_root_id == bindparam("node")
)
_AWAITED = select(func.count()).where(
    uploads.c.workspace_id == bindparam("workspace"),
    uploads.c.status.in_(("pending", "receiving")),
)
_THEIRS = versions.c.file_id.in_(_TAKEN_ALONG)
_CONTENTS: Select[Any] = select(
    versions.c.blob_key,
    versions.c.size,
    versions.c.digest,
    versions.c.content_type,
    versions.c.sha256,
).distinct()
_HELD = _CONTENTS.where(_THEIRS)
_FREED = select(func.sum(versions.c.counted_bytes)).where(_THEIRS)
_ALL = versions.c.workspace_id == bindparam("workspace")
_ALL_HELD = _CONTENTS.where(_ALL)
_ALL_FREED = select(func.sum(versions.c.counted_bytes)).where(_ALL)
_PURGE_ALL_VERSIONS = delete(versions).where(_ALL)
_PURGE_ALL = delete(nodes).where(_HERE)
_PURGE_VERSIONS = delete(versions).where(_THEIRS)
_PURGE = delete(nodes).where(_HERE, nodes.c.bin_root_id == bindparam("node"))
# What lay in the bin already, from within, stays there and can still be had back.
_MOVE_UP = (
    update(nodes)
    .where(
        _HERE,
        nodes.c.parent_id.in_(_TAKEN_ALONG),
        nodes.c.bin_root_id.is_distinct_from(bindparam("node")),
    )
    .values(parent_id=bindparam("parent"))
)


class SqlFiles:
    """FileRows over the tables ``nodes`` and ``versions``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def workspace_of(self, file_id: str) -> str | None:
        """Say which workspace a node is in."""
        found: str | None = self._connection.execute(
            _WORKSPACE_OF, {"node": file_id}
        ).scalar_one_or_none()
        return found

    def get(self, workspace_id: str, file_id: str) -> Node | None:
        """Give a node, deleted or not."""
        found = self._connection.execute(_GET, {"workspace": workspace_id, "node": file_id})
        row = found.one_or_none()
        return None if row is None else _node(row)

    def child(self, workspace_id: str, parent_id: str | None, name: str) -> Node | None:
        """Give the live node of that name in that folder."""
        found = self._connection.execute(
            _CHILD, {"workspace": workspace_id, "parent": parent_id or ROOT, "called": name}
        )
        row = found.one_or_none()
        return None if row is None else _node(row)

    def taken(self, workspace_id: str, parent_id: str | None, names: Collection[str]) -> set[str]:
        """Say which of the names are taken in that folder."""
        found = self._connection.execute(
            _TAKEN, {"workspace": workspace_id, "parent": parent_id or ROOT, "names": list(names)}
        )
        return set(found.scalars())

    def page(self, workspace_id: str, parent_id: str | None, page: Page) -> list[Node]:
        """List live children by name and id."""
        order = (nodes.c.name, nodes.c.id)
        query = select(nodes).where(
            nodes.c.workspace_id == workspace_id, nodes.c.parent_id == (parent_id or ROOT), _LIVE
        )
        if page.after is not None:
            query = query.where(tuple_(*order) > page.after)
        return self._nodes(query.order_by(*order).limit(page.limit + 1))

    def bin_page(self, workspace_id: str, page: Page) -> list[Node]:
        """List what was put in the bin itself, latest first."""
        query = select(nodes).where(
            nodes.c.workspace_id == workspace_id,
            nodes.c.deleted_at.is_not(None),
            nodes.c.bin_root_id == nodes.c.id,
        )
        after = page.after_time()
        if after is not None:
            last = tuple_(literal(after[0], Instant), literal(after[1]))
            query = query.where(tuple_(nodes.c.deleted_at, nodes.c.id) < last)
        order = (nodes.c.deleted_at.desc(), nodes.c.id.desc())
        return self._nodes(query.order_by(*order).limit(page.limit + 1))

    def ancestors(self, workspace_id: str, file_id: str) -> list[str]:
        """Give the ids from the node itself up to the root."""
        found = self._connection.execute(_ANCESTORS, {"workspace": workspace_id, "node": file_id})
        return [row[0] for row in found]

    def height(self, workspace_id: str, file_id: str) -> int:
        """Say how many levels lie under a node."""
        found = self._connection.execute(_HEIGHT, {"workspace": workspace_id, "node": file_id})
        return found.scalar_one() or 0

    def add(self, node: Node) -> None:
        """Insert a node."""
        self._connection.execute(
            _ADD,
            {
                "id": node.id,
                "workspace_id": node.workspace_id,
                "kind": node.kind.value,
                "created_by": node.created_by,
                "created_at": node.created_at,
                "version": node.version,
            }
            | _place(node),
        )

    def place(self, node: Node) -> None:
        """Store name, parent and time of an existing node."""
        self._change(_PLACE, node, _place(node))

    def set_version(self, node: Node, version: Version) -> None:
        """Append a version and make it the file's content."""
        content = _content(version.content)
        self._connection.execute(
            _ADD_VERSION,
            {
                "id": version.id,
                "file_id": version.file_id,
                "workspace_id": version.workspace_id,
                "number": version.number,
                "created_by": version.created_by,
                "created_at": version.created_at,
                "counted_bytes": version.counted_bytes,
            }
            | content,
        )
        shown = {"version_id": version.id, "version": version.number, "metadata": node.metadata}
        self._change(_SHOW, node, content | shown | {"updated_at": node.updated_at})

    def bin(self, workspace_id: str, file_id: str, at: datetime, by: str) -> int:
        """Put a node and all live ones under it in the bin."""
        here = {"workspace": workspace_id, "node": file_id}
        count = self._connection.execute(_LIVE_COUNT, here).scalar_one()
        self._connection.execute(_BIN, here | {"at": at, "by": by})
        return count

    def unbin(self, workspace_id: str, file_id: str) -> None:
        """Take out of the bin all that ``file_id`` took into it."""
        self._connection.execute(_UNBIN, {"workspace": workspace_id, "node": file_id})

    def count(self, workspace_id: str) -> int:
        """Say how many live files there are."""
        query = select(func.count()).where(
            nodes.c.workspace_id == workspace_id, _LIVE, nodes.c.kind == Kind.FILE.value
        )
        return self._connection.execute(query).scalar_one()

    def count_awaited(self, workspace_id: str) -> int:
        """Say how many uploads of a workspace may still become files."""
        return self._connection.execute(_AWAITED, {"workspace": workspace_id}).scalar_one()

    def taken_along(self, workspace_id: str, file_id: str) -> list[Named]:
        """List the node and all that it took into the bin."""
        found = self._connection.execute(_NAMES, {"workspace": workspace_id, "node": file_id})
        return [Named(row.id, row.name, Kind(row.kind)) for row in found]

    def purge(self, node: Node) -> Purged:
        """Remove for good what a node took into the bin; what else lay under it moves up."""
        here = {"workspace": node.workspace_id, "node": node.id, "parent": node.parent_id or ROOT}
        held = self._connection.execute(_HELD, here)
        contents = [_read_content(row) for row in held]
        freed = self._connection.execute(_FREED, here).scalar_one()
        self._connection.execute(_PURGE_VERSIONS, here)
        self._connection.execute(_MOVE_UP, here)
        count = self._connection.execute(_PURGE, here).rowcount
        return Purged(count, freed or 0, contents)

    def purge_workspace(self, workspace_id: str) -> Purged:
        """Remove every file and folder of a workspace for good."""
        here = {"workspace": workspace_id}
        contents = [_read_content(row) for row in self._connection.execute(_ALL_HELD, here)]
        freed = self._connection.execute(_ALL_FREED, here).scalar_one()
        self._connection.execute(_PURGE_ALL_VERSIONS, here)
        count = self._connection.execute(_PURGE_ALL, here).rowcount
        return Purged(count, freed or 0, contents)

    def bin_overdue(self, before: datetime, limit: int) -> list[Node]:
        """List what was itself put in the bin at that time or earlier, in any workspace."""
        query = select(nodes).where(
            nodes.c.deleted_at.is_not(None),
            nodes.c.deleted_at <= before,
            nodes.c.bin_root_id == nodes.c.id,
        )
        return self._nodes(query.order_by(nodes.c.deleted_at).limit(limit))

    def versions(self, workspace_id: str, file_id: str, page: Page) -> list[Version]:
        """List versions, newest first."""
        query = select(versions).where(
            versions.c.workspace_id == workspace_id, versions.c.file_id == file_id
        )
        after = page.after_number()
        if after is not None:
            query = query.where(versions.c.number < after)
        query = query.order_by(versions.c.number.desc()).limit(page.limit + 1)
        return [_version(row) for row in self._connection.execute(query)]

    def version(self, workspace_id: str, file_id: str, version_id: str) -> Version | None:
        """Give one version."""
        query = select(versions).where(
            versions.c.workspace_id == workspace_id,
            versions.c.file_id == file_id,
            versions.c.id == version_id,
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _version(row)

    def _change(self, statement: Any, node: Node, values: dict[str, object]) -> None:
        new = {f"new_{name}": value for name, value in values.items()}
        here = {"workspace": node.workspace_id, "node": node.id}
        self._connection.execute(statement, new | here)

    def _nodes(self, query: Select[Any]) -> list[Node]:
        return [_node(row) for row in self._connection.execute(query)]


def _place(node: Node) -> dict[str, object]:
    return {
        "parent_id": node.parent_id or ROOT,
        "name": node.name,
        "updated_at": node.updated_at,
        "deleted_at": node.deleted_at,
        "deleted_by": node.deleted_by,
        "bin_root_id": node.bin_root_id,
    }


def _content(content: Content) -> dict[str, object]:
    return {
        "blob_key": content.blob_key,
        "size": content.size,
        "digest": content.digest,
        "sha256": content.sha256,
        "content_type": content.content_type,
    }


def _read_content(row: Row[Any]) -> Content:
    return Content(row.blob_key, row.size, row.digest, row.content_type, row.sha256)


def _node(row: Row[Any]) -> Node:
    return Node(
        id=row.id,
        workspace_id=row.workspace_id,
        parent_id=row.parent_id or None,
        name=row.name,
        kind=Kind(row.kind),
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version_id=row.version_id,
        version=row.version,
        content=None if row.blob_key is None else _read_content(row),
        metadata=row.metadata,
        deleted_at=row.deleted_at,
        deleted_by=row.deleted_by,
        bin_root_id=row.bin_root_id,
    )


def _version(row: Row[Any]) -> Version:
    return Version(
        id=row.id,
        file_id=row.file_id,
        workspace_id=row.workspace_id,
        number=row.number,
        content=_read_content(row),
        created_by=row.created_by,
        created_at=row.created_at,
    )
