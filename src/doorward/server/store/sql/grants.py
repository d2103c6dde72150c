"""What people allowed OAuth clients, with the digests of codes and refresh tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, or_, select, tuple_, update

from doorward.server.oauth.model import Code, Grant, RefreshToken
from doorward.server.paging import Page
from doorward.server.permission.scopes import Scope
from doorward.server.store.sql.callers import caller_from, kept_caller
from doorward.server.store.sql.tables import (
    Instant,
    oauth_codes,
    oauth_grants,
    oauth_refresh_tokens,
)

_ID = oauth_grants.c.id == bindparam("grant")
_AT = bindparam("at", type_=Instant)
_NEWER = {"version": oauth_grants.c.version + 1}
GET_GRANT = select(oauth_grants).where(_ID)
_ADD = insert(oauth_grants)
_EXTEND = update(oauth_grants).where(_ID).values(expires_at=_AT, **_NEWER)
_REVOKE = (
    update(oauth_grants)
    .where(_ID, oauth_grants.c.revoked_at.is_(None))
    .values(revoked_at=_AT, **_NEWER)
)
_USED = (
    update(oauth_grants)
    .where(_ID, or_(oauth_grants.c.last_used_at.is_(None), oauth_grants.c.last_used_at < _AT))
    .values(last_used_at=_AT, last_used_from=bindparam("address"))
)


class SqlGrants:
    """GrantRows over the tables of grants, codes and refresh tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, grant_id: str) -> Grant | None:
        """Give a grant."""
        row = self._connection.execute(GET_GRANT, {"grant": grant_id}).one_or_none()
        return None if row is None else grant_of(row)

    def add(self, grant: Grant, code: Code) -> None:
        """Insert a grant with the code by which it is taken up."""
        self._connection.execute(_ADD, _row(grant))
        self._connection.execute(insert(oauth_codes), _values(code, oauth_codes))

    def code(self, digest: bytes) -> tuple[Code, Grant] | None:
        """Give a code, used ones included, and its grant."""
        found = self._digest(oauth_codes, digest)
        return None if found is None else (Code(**found[0]), found[1])

    def use_code(self, digest: bytes, now: datetime) -> None:
        """Mark a code as used."""
        self._use(oauth_codes, digest, now)

    def refresh(self, digest: bytes) -> tuple[RefreshToken, Grant] | None:
        """Give a refresh token, used ones included, and its grant."""
        found = self._digest(oauth_refresh_tokens, digest)
        return None if found is None else (RefreshToken(**found[0]), found[1])

    def use_refresh(self, digest: bytes, now: datetime) -> None:
        """Mark a refresh token as used."""
        self._use(oauth_refresh_tokens, digest, now)

    def add_refresh(self, token: RefreshToken) -> None:
        """Insert a refresh token."""
        table = oauth_refresh_tokens
        self._connection.execute(insert(table), _values(token, table))

    def extend(self, grant_id: str, expires_at: datetime) -> None:
        """Have a grant end at that time."""
        self._connection.execute(_EXTEND, {"grant": grant_id, "at": expires_at})

    def revoke(self, grant_id: str, now: datetime) -> None:
        """End a grant for good, unless it ended before."""
        self._connection.execute(_REVOKE, {"grant": grant_id, "at": now})

    def page(self, user_id: str, now: datetime, page: Page) -> list[Grant]:
        """List a person's grants that count, newest first."""
        query = select(oauth_grants).where(
            oauth_grants.c.user_id == user_id,
            oauth_grants.c.revoked_at.is_(None),
            oauth_grants.c.expires_at > now,
        )
        order = tuple_(oauth_grants.c.created_at, oauth_grants.c.id)
        after = page.after_time()
        if after is not None:
            query = query.where(order < after)
        newest = query.order_by(oauth_grants.c.created_at.desc(), oauth_grants.c.id.desc())
        return [grant_of(row) for row in self._connection.execute(newest.limit(page.limit + 1))]

    def used(self, grant_id: str, at: datetime, address: str | None) -> None:
        """Note a use, unless a later one is noted."""
        self._connection.execute(_USED, {"grant": grant_id, "at": at, "address": address})

    def revoke_of(self, user_id: str, organization_id: str | None, now: datetime) -> list[str]:
        """Revoke all grants of a user, or those for one organization; gives which."""
        whose = [oauth_grants.c.user_id == user_id]
        if organization_id is not None:
            whose.append(oauth_grants.c.organization_id == organization_id)
        return self._revoke(now, *whose)

    def revoke_for(self, organization_id: str, now: datetime) -> list[str]:
        """Revoke all grants for an organization; gives which."""
        return self._revoke(now, oauth_grants.c.organization_id == organization_id)

    def forget(self, before: datetime, most: int) -> int:
        """Drop codes, tokens and grants that were over before a time; gives how many."""
        over = or_(oauth_grants.c.revoked_at < before, oauth_grants.c.expires_at < before)
        gone = list(
            self._connection.execute(select(oauth_grants.c.id).where(over).limit(most)).scalars()
        )
        for table in (oauth_codes, oauth_refresh_tokens):
            self._connection.execute(delete(table).where(table.c.grant_id.in_(gone)))
        self._connection.execute(delete(oauth_grants).where(oauth_grants.c.id.in_(gone)))
        return len(gone) + sum(
            self._forget_digests(table, before, most)
            for table in (oauth_codes, oauth_refresh_tokens)
        )

    def _forget_digests(self, table: Table, before: datetime, most: int) -> int:
        query = select(table.c.digest).where(table.c.expires_at < before).limit(most)
        gone = list(self._connection.execute(query).scalars())
        self._connection.execute(delete(table).where(table.c.digest.in_(gone)))
        return len(gone)

    def _digest(self, table: Table, digest: bytes) -> tuple[dict[str, Any], Grant] | None:
        row = self._connection.execute(select(table).where(table.c.digest == digest)).one_or_none()
        grant = None if row is None else self.get(row.grant_id)
        return None if row is None or grant is None else (row._asdict(), grant)

    def _use(self, table: Table, digest: bytes, now: datetime) -> None:
        self._connection.execute(update(table).where(table.c.digest == digest).values(used_at=now))

    def _revoke(self, now: datetime, *whose: Any) -> list[str]:
        query = (
            update(oauth_grants)
            .where(oauth_grants.c.revoked_at.is_(None), *whose)
            .values(revoked_at=now, **_NEWER)
            .returning(oauth_grants.c.id)
        )
        return list(self._connection.execute(query).scalars())


def grant_of(row: Any) -> Grant:
    """Read a row of ``oauth_grants``, whose columns are attributes."""
    return Grant(
        id=row.id,
        person=caller_from(row.person),
        client_id=row.client_id,
        client_name=row.client_name,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        workspaces=None if row.workspaces is None else frozenset(row.workspaces),
        resource=row.resource,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        last_used_from=row.last_used_from,
        version=row.version,
    )


def _row(grant: Grant) -> dict[str, Any]:
    names = ("id", "client_id", "client_name", "resource", "created_at", "expires_at", "revoked_at")
    return {name: getattr(grant, name) for name in names} | {
        "user_id": grant.person.user_id,
        "organization_id": grant.person.organization_id,
        "person": kept_caller(grant.person),
        "scopes": sorted(grant.scopes),
        "workspaces": None if grant.workspaces is None else sorted(grant.workspaces),
        "version": grant.version,
    }


def _values(row: Code | RefreshToken, table: Table) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in table.columns}
