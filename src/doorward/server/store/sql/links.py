"""Signed URLs handed out."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from doorward.server.links.model import Bounds, Direction, Disposition, Link, LinkFilter, Use
from doorward.server.paging import Page
from doorward.server.store.sql.callers import caller_from, kept_caller
from doorward.server.store.sql.tables import Instant, link_uses, links

_ID = links.c.id == bindparam("link")
_NOW = bindparam("at", type_=Instant)
_USES: BindParameter[int] = bindparam("uses_more")
_SIZE: BindParameter[int] = bindparam("bytes_more")
_GET = select(links).where(_ID)
_ADD = insert(links)
_BOUND = (
    update(links)
    .where(_ID)
    .values(
        {
            name: bindparam(f"new_{name}", type_=links.c[name].type)
            for name in ("expires_at", "uses_max", "bytes_max", "networks", "killed_at")
        }
    )
)
_BYTES_LEFT = or_(links.c.bytes_max.is_(None), links.c.bytes + _SIZE <= links.c.bytes_max)
# One statement decides and counts, so that whatever is raced, the bound holds.
_SPEND = (
    update(links)
    .where(
        _ID,
        links.c.killed_at.is_(None),
        links.c.expires_at > _NOW,
        or_(links.c.uses_max.is_(None), links.c.uses + _USES <= links.c.uses_max),
        _BYTES_LEFT,
    )
    .values(uses=links.c.uses + _USES, bytes=links.c.bytes + _SIZE, last_used_at=_NOW)
)
_COUNT = update(links).where(_ID).values(bytes=links.c.bytes + _SIZE)
_COUNT_NOW = _COUNT.values(last_used_at=_NOW)
_COUNT_BOUNDED = _COUNT_NOW.where(_BYTES_LEFT)
_KILLED = select(links.c.id).where(
    links.c.id.in_(bindparam("links", expanding=True)), links.c.killed_at.is_not(None)
)
_ADD_USE = insert(link_uses)
_USE_OF = (
    select(link_uses)
    .where(
        link_uses.c.link_id == bindparam("link"),
        link_uses.c.client == bindparam("of"),
        link_uses.c.bytes_left >= bindparam("least"),
    )
    .limit(1)
)
_DRAW = (
    update(link_uses)
    .where(link_uses.c.id == bindparam("use"))
    .values(bytes_left=link_uses.c.bytes_left - bindparam("drawn"))
)
_NEW_TRIES = (
    update(links)
    .where(_ID, or_(links.c.tries_since.is_(None), links.c.tries_since <= bindparam("since")))
    .values(tries=0, tries_since=_NOW)
)
_TRY = update(links).where(_ID, links.c.tries < bindparam("most")).values(tries=links.c.tries + 1)
_FORGIVE = update(links).where(_ID, links.c.tries > 0).values(tries=links.c.tries - 1)
_OVER = select(links.c.id).where(links.c.expires_at < bindparam("before")).limit(bindparam("most"))
_LEADING = (
    select(links.c.id)
    .where(
        links.c.resource_id.in_(bindparam("uploads", expanding=True)),
        links.c.direction == Direction.UPLOAD.value,
    )
    .limit(bindparam("most"))
)
_GONE: BindParameter[str] = bindparam("gone", expanding=True)
_REMOVE_USES = delete(link_uses).where(link_uses.c.link_id.in_(_GONE))
_REMOVE = delete(links).where(links.c.id.in_(_GONE))


class SqlLinks:
    """LinkRows over the tables ``links`` and ``link_uses``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, link_id: str) -> Link | None:
        """Give a link."""
        row = self._connection.execute(_GET, {"link": link_id}).one_or_none()
        return None if row is None else _link(row)

    def add(self, link: Link) -> None:
        """Insert a link."""
        self._connection.execute(_ADD, _row(link))

    def bound(self, link: Link) -> None:
        """Store the link's bounds and when it was killed."""
        new = {f"new_{name}": value for name, value in _bounds(link).items()}
        self._connection.execute(_BOUND, {"link": link.id} | new)

    def page(self, where: LinkFilter, now: datetime, page: Page) -> list[Link]:
        """List matching links, newest first."""
        query = select(links).where(*_conditions(where, now))
        after = page.after_time()
        if after is not None:
            time, link_id = after
            query = query.where(
                tuple_(links.c.created_at, links.c.id)
                < tuple_(bindparam("time", time, Instant), bindparam("id_", link_id))
            )
        query = query.order_by(links.c.created_at.desc(), links.c.id.desc())
        found = self._connection.execute(query.limit(page.limit + 1))
        return [_link(row) for row in found]

    def spend(self, link_id: str, now: datetime, *, uses: int, size: int) -> bool:
        """Count uses and bytes, unless the link is over or that is more than is left of it."""
        values = {"link": link_id, "at": now, "uses_more": uses, "bytes_more": size}
        return self._connection.execute(_SPEND, values).rowcount == 1

    def refund(self, link_id: str, size: int) -> None:
        """Take back bytes that were counted and not sent."""
        self._connection.execute(_COUNT, {"link": link_id, "bytes_more": -size})

    def count(self, link_id: str, now: datetime, size: int, *, bounded: bool = True) -> bool:
        """Count bytes of what began already, and say whether they were."""
        values = {"link": link_id, "at": now, "bytes_more": size}
        statement = _COUNT_BOUNDED if bounded else _COUNT_NOW
        return self._connection.execute(statement, values).rowcount == 1

    def killed(self, link_ids: Collection[str]) -> set[str]:
        """Say which of these were killed."""
        found = self._connection.execute(_KILLED, {"links": list(link_ids)})
        return set(found.scalars())

    def add_use(self, use: Use) -> None:
        """Insert a use."""
        row = {"id": use.id, "link_id": use.link_id, "client": use.client}
        self._connection.execute(_ADD_USE, row | {"bytes_left": use.bytes_left})

    def use_of(self, link_id: str, client: str, size: int) -> Use | None:
        """Give a use of this client that has so many bytes left."""
        values = {"link": link_id, "of": client, "least": size}
        row = self._connection.execute(_USE_OF, values).one_or_none()
        return None if row is None else Use(row.id, row.link_id, row.client, row.bytes_left)

    def draw(self, use_id: str, size: int) -> None:
        """Take bytes from what a use has left."""
        self._connection.execute(_DRAW, {"use": use_id, "drawn": size})

    def take_try(self, link_id: str, now: datetime, since: datetime, most: int) -> bool:
        """Count a try of the password, unless ``most`` were counted after ``since``."""
        self._connection.execute(_NEW_TRIES, {"link": link_id, "at": now, "since": since})
        return self._connection.execute(_TRY, {"link": link_id, "most": most}).rowcount == 1

    def forgive_try(self, link_id: str) -> None:
        """Take a try back that was right."""
        self._connection.execute(_FORGIVE, {"link": link_id})

    def remove_to(self, upload_ids: Collection[str], limit: int) -> int:
        """Remove links that take the bytes of these uploads; gives how many, at most ``limit``."""
        found = self._connection.execute(_LEADING, {"uploads": list(upload_ids), "most": limit})
        return self._remove(list(found.scalars()))

    def remove_over(self, before: datetime, limit: int) -> int:
        """Remove links that expired before a time, with their uses."""
        found = self._connection.execute(_OVER, {"before": before, "most": limit})
        return self._remove(list(found.scalars()))

    def _remove(self, link_ids: list[str]) -> int:
        if link_ids:
            self._connection.execute(_REMOVE_USES, {"gone": link_ids})
            self._connection.execute(_REMOVE, {"gone": link_ids})
        return len(link_ids)


def _conditions(where: LinkFilter, now: datetime) -> list[ColumnElement[bool]]:
    equal = {
        links.c.workspace_id: where.workspace_id,
        links.c.maker_id: where.maker_id,
        links.c.direction: where.direction,
        links.c.resource_id: where.resource_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if where.live is not None:
        live = and_(
            links.c.killed_at.is_(None),
            links.c.expires_at > now,
            or_(links.c.uses_max.is_(None), links.c.uses < links.c.uses_max),
            or_(links.c.bytes_max.is_(None), links.c.bytes < links.c.bytes_max),
        )
        conditions.append(live if where.live else not_(live))
    return conditions


def _bounds(link: Link) -> dict[str, object]:
    bounds = link.bounds
    return {
        "expires_at": bounds.expires_at,
        "uses_max": bounds.uses_max,
        "bytes_max": bounds.bytes_max,
        "networks": None if bounds.networks is None else list(bounds.networks),
        "killed_at": link.killed_at,
    }


def _row(link: Link) -> dict[str, object]:
    return _bounds(link) | {
        "id": link.id,
        "direction": link.direction.value,
        "workspace_id": link.workspace_id,
        "resource_kind": link.resource_kind,
        "resource_id": link.resource_id,
        "resource_name": link.resource_name,
        "maker_id": link.by.user_id,
        "made_by": kept_caller(link.by),
        "created_at": link.created_at,
        "version_id": link.version_id,
        "disposition": link.disposition.value,
        "password": link.password,
        "uses": link.uses,
        "bytes": link.bytes,
        "last_used_at": link.last_used_at,
        "tries": 0,
    }


def _link(row: Row[Any]) -> Link:
    networks = None if row.networks is None else tuple(row.networks)
    return Link(
        id=row.id,
        direction=Direction(row.direction),
        workspace_id=row.workspace_id,
        resource_kind=row.resource_kind,
        resource_id=row.resource_id,
        resource_name=row.resource_name,
        by=caller_from(row.made_by),
        created_at=row.created_at,
        bounds=Bounds(row.expires_at, row.uses_max, row.bytes_max, networks),
        version_id=row.version_id,
        disposition=Disposition(row.disposition),
        password=row.password,
        uses=row.uses,
        bytes=row.bytes,
        last_used_at=row.last_used_at,
        killed_at=row.killed_at,
    )
