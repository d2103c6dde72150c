"""Members of workspaces."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
)

from doorward.server.members.model import Member, MemberSource
from doorward.server.paging import Page
from doorward.server.permission.roles import Role
from doorward.server.store.sql.tables import Instant, members

_HERE = members.c.workspace_id == bindparam("workspace")
_OF = select(members).where(_HERE, members.c.user_id == bindparam("user"))
_ALL = select(members).where(_HERE).order_by(members.c.user_id, members.c.source)
_REMOVE = delete(members).where(
    _HERE,
    members.c.user_id == bindparam("user"),
    members.c.source == bindparam("from_"),
)
_OVER = select(members).where(members.c.expires_at <= bindparam("at", type_=Instant))
_OWNERS = select(func.count()).select_from(members).where(_HERE, members.c.role == Role.OWNER.value)
_PUT = insert(members).prefix_with("OR REPLACE", dialect="sqlite")


class SqlMembers:
    """MemberRows over the table ``members``."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def of(self, workspace_id: str, user_id: str) -> list[Member]:
        """Give the person's memberships here."""
        found = self._connection.execute(_OF, {"workspace": workspace_id, "user": user_id})
        return [member_from(row) for row in found]

    def page(self, workspace_id: str, page: Page) -> list[Member]:
        """List members by user id and source."""
        order = (members.c.user_id, members.c.source)
        query = select(members).where(members.c.workspace_id == workspace_id, counts_at(self._now))
        if page.after is not None:
            query = query.where(tuple_(*order) > page.after)
        found = self._connection.execute(query.order_by(*order).limit(page.limit + 1))
        return [member_from(row) for row in found]

    def all(self, workspace_id: str) -> list[Member]:
        """Give every membership here."""
        return [
            member_from(row) for row in self._connection.execute(_ALL, {"workspace": workspace_id})
        ]

    def put(self, member: Member) -> None:
        """Insert or replace the membership of that person and source."""
        self._connection.execute(
            _PUT,
            {
                "workspace_id": member.workspace_id,
                "user_id": member.user_id,
                "source": member.source.value,
                "role": member.role.value,
                "created_at": member.created_at,
                "updated_at": member.updated_at,
                "expires_at": member.expires_at,
            },
        )

    def remove(self, workspace_id: str, user_id: str, source: MemberSource) -> None:
        """Drop a membership."""
        self._connection.execute(
            _REMOVE, {"workspace": workspace_id, "user": user_id, "from_": source.value}
        )

    def owners(self, workspace_id: str) -> int:
        """Count the owners."""
        return self._connection.execute(_OWNERS, {"workspace": workspace_id}).scalar_one()

    def over(self, limit: int) -> list[Member]:
        """List memberships whose time has passed."""
        found = self._connection.execute(_OVER.limit(limit), {"at": self._now})
        return [member_from(row) for row in found]


def counts_at(now: datetime) -> ColumnElement[bool]:
    """Give the condition that a membership's time has not passed."""
    return or_(members.c.expires_at.is_(None), members.c.expires_at > now)


def member_from(row: Row[Any]) -> Member:
    """Read a membership of ``members``, or one as it was kept."""
    return Member(
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        role=Role(row.role),
        source=MemberSource(row.source),
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
    )
