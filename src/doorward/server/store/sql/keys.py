"""API keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from doorward.server.keys.model import Key, KeyBounds, KeyFilter, KeySecret
from doorward.server.paging import Page
from doorward.server.permission.budgets import Budgets
from doorward.server.permission.scopes import Scope
from doorward.server.store.sql.callers import caller_from, kept_caller
from doorward.server.store.sql.tables import Instant, key_secrets, keys

_ID = keys.c.id == bindparam("key")
_AT = bindparam("at", type_=Instant)
_CHANGED = ("name", "scopes", "workspaces", "networks", "expires_at", "budgets", "revoked_at")
_GET = select(keys).where(_ID)
_ADD = insert(keys)
_ADD_SECRET = insert(key_secrets)
_CHANGE = (
    update(keys)
    .where(_ID)
    .values(
        {name: bindparam(f"new_{name}", type_=keys.c[name].type) for name in _CHANGED}
        | {"version": keys.c.version + 1}
    )
)
_TOUCH = update(keys).where(_ID).values(version=keys.c.version + 1)
_LIVES_ON = or_(key_secrets.c.expires_at.is_(None), key_secrets.c.expires_at > _AT)
_END_SECRETS = (
    update(key_secrets)
    .where(key_secrets.c.key_id == bindparam("key"), _LIVES_ON)
    .values(expires_at=_AT)
)
_SECRETS = (
    select(key_secrets)
    .where(key_secrets.c.key_id == bindparam("key"), _LIVES_ON)
    .order_by(key_secrets.c.created_at.desc(), key_secrets.c.handle)
)
_USED = (
    update(keys)
    .where(_ID, or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < _AT))
    .values(last_used_at=_AT, last_used_from=bindparam("address"))
)


class SqlKeys:
    """KeyRows over the tables ``keys`` and ``key_secrets``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key_id: str) -> Key | None:
        """Give a key."""
        row = self._connection.execute(_GET, {"key": key_id}).one_or_none()
        return None if row is None else key_of(row)

    def add(self, key: Key, secret: KeySecret) -> None:
        """Insert a key with its first secret."""
        self._connection.execute(_ADD, _row(key))
        self._add(secret)

    def change(self, key: Key) -> None:
        """Store name, bounds and revocation, and count the change."""
        row = _row(key)
        new = {f"new_{name}": row[name] for name in _CHANGED}
        self._connection.execute(_CHANGE, {"key": key.id} | new)

    def rotate(self, key: Key, secret: KeySecret, until: datetime) -> None:
        """Insert a further secret, and end all others at ``until`` or earlier."""
        self._connection.execute(_END_SECRETS, {"key": key.id, "at": until})
        self._connection.execute(_TOUCH, {"key": key.id})
        self._add(secret)

    def secrets(self, key_id: str, now: datetime) -> list[KeySecret]:
        """List the secrets that count, newest first."""
        found = self._connection.execute(_SECRETS, {"key": key_id, "at": now})
        return [KeySecret(**row._asdict()) for row in found]

    def page(self, where: KeyFilter, page: Page) -> list[Key]:
        """List matching keys, newest first."""
        whose = [keys.c.maker_id == where.maker_id]
        if where.organization_id is not None:
            whose.append(keys.c.organization_id == where.organization_id)
        query = select(keys).where(or_(*whose))
        if where.environment is not None:
            query = query.where(keys.c.environment == where.environment)
        order, after = tuple_(keys.c.created_at, keys.c.id), page.after_time()
        if after is not None:
            query = query.where(order < after)
        query = query.order_by(keys.c.created_at.desc(), keys.c.id.desc()).limit(page.limit + 1)
        return [key_of(row) for row in self._connection.execute(query)]

    def used(self, key_id: str, at: datetime, address: str | None) -> None:
        """Note a use, unless a later one is noted."""
        self._connection.execute(_USED, {"key": key_id, "at": at, "address": address})

    def revoke_of(self, user_id: str, organization_id: str | None, now: datetime) -> list[str]:
        """Revoke all keys of a user, or those for one organization; gives which."""
        whose = [keys.c.maker_id == user_id]
        if organization_id is not None:
            whose.append(keys.c.organization_id == organization_id)
        return self._revoke(now, *whose)

    def revoke_for(self, organization_id: str, now: datetime) -> list[str]:
        """Revoke all keys for an organization; gives which."""
        return self._revoke(now, keys.c.organization_id == organization_id)

    def forget(self, before: datetime, most: int) -> list[str]:
        """Drop secrets that ended before a time, and give their handles."""
        query = select(key_secrets.c.handle).where(key_secrets.c.expires_at < before).limit(most)
        gone = list(self._connection.execute(query).scalars())
        self._connection.execute(delete(key_secrets).where(key_secrets.c.handle.in_(gone)))
        return gone

    def _add(self, secret: KeySecret) -> None:
        names = ("handle", "key_id", "digest", "created_at", "expires_at")
        self._connection.execute(_ADD_SECRET, {name: getattr(secret, name) for name in names})

    def _revoke(self, now: datetime, *whose: Any) -> list[str]:
        query = (
            update(keys)
            .where(keys.c.revoked_at.is_(None), *whose)
            .values(revoked_at=now, version=keys.c.version + 1)
            .returning(keys.c.id)
        )
        return list(self._connection.execute(query).scalars())


def key_of(row: Any) -> Key:
    """Read a row of ``keys``, whose columns are attributes."""
    return Key(
        id=row.id,
        name=row.name,
        environment=row.environment,
        maker=caller_from(row.made_by),
        bounds=KeyBounds(
            frozenset(Scope(scope) for scope in row.scopes),
            None if row.workspaces is None else frozenset(row.workspaces),
            None if row.networks is None else tuple(row.networks),
            row.expires_at,
            Budgets.of(row.budgets),
        ),
        created_at=row.created_at,
        rotate_every_seconds=row.rotate_every_seconds,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        last_used_from=row.last_used_from,
        version=row.version,
    )


def _row(key: Key) -> dict[str, Any]:
    bounds = key.bounds
    return {
        "id": key.id,
        "name": key.name,
        "environment": key.environment,
        "maker_id": key.maker.user_id,
        "organization_id": key.maker.organization_id,
        "made_by": kept_caller(key.maker),
        "scopes": sorted(bounds.scopes),
        "workspaces": None if bounds.workspaces is None else sorted(bounds.workspaces),
        "networks": None if bounds.networks is None else list(bounds.networks),
        "created_at": key.created_at,
        "expires_at": bounds.expires_at,
        "budgets": bounds.budgets.stored(),
        "rotate_every_seconds": key.rotate_every_seconds,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "last_used_from": key.last_used_from,
        "version": key.version,
    }
