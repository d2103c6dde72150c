"""Workspaces."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, insert, or_, select, update

from doorward.server.members.model import MemberSource
from doorward.server.paging import Page
from doorward.server.store.sql.members import counts_at
from doorward.server.store.sql.tables import members, nodes, workspaces
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.policy import Policy

_LIVE = workspaces.c.deleted_at.is_(None)
_GET = select(workspaces).where(workspaces.c.id == bindparam("workspace"), _LIVE)
_HOME = select(workspaces).where(workspaces.c.home_of == bindparam("owner"), _LIVE)
_USE = (
    update(workspaces)
    .where(workspaces.c.id == bindparam("workspace"))
    .values(used_bytes=workspaces.c.used_bytes + bindparam("added"))
)
_RESERVE = (
    update(workspaces)
    .where(workspaces.c.id == bindparam("workspace"))
    .values(reserved_bytes=workspaces.c.reserved_bytes + bindparam("added"))
)


class SqlWorkspaces:
    """WorkspaceRows over the tables ``workspaces`` and ``members``."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, workspace_id: str) -> Workspace | None:
        """Give a workspace."""
        row = self._connection.execute(_GET, {"workspace": workspace_id}).one_or_none()
        return None if row is None else _workspace(row)

    def home(self, owner_id: str) -> Workspace | None:
        """Give the home workspace of a user or an organization."""
        row = self._connection.execute(_HOME, {"owner": owner_id}).one_or_none()
        return None if row is None else _workspace(row)

    def page(self, user_id: str, organization_id: str | None, page: Page) -> list[Workspace]:
        """List the workspaces in which the user has a membership that counts now."""
        query = (
            select(workspaces)
            .join(members, members.c.workspace_id == workspaces.c.id)
            .where(_LIVE, _counts(user_id, organization_id), counts_at(self._now))
            .distinct()
            .order_by(workspaces.c.id)
            .limit(page.limit + 1)
        )
        if page.after is not None:
            query = query.where(workspaces.c.id > page.after[0])
        return [_workspace(row) for row in self._connection.execute(query)]

    def add(self, workspace: Workspace) -> None:
        """Insert a workspace."""
        self._connection.execute(
            insert(workspaces),
            {
                "id": workspace.id,
                "name": workspace.name,
                "organization_id": workspace.organization_id,
                "home_of": workspace.home_of,
                "created_by": workspace.created_by,
                "created_at": workspace.created_at,
                "used_bytes": workspace.used_bytes,
                "quota_bytes": workspace.quota_bytes,
                "reserved_bytes": workspace.reserved_bytes,
            },
        )

    def change(self, workspace: Workspace) -> None:
        """Store name, organization and policy."""
        self._change(
            workspace.id,
            name=workspace.name,
            organization_id=workspace.organization_id,
            policy=workspace.policy.stored(),
        )

    def remove(self, workspace_id: str) -> None:
        """Mark as deleted."""
        self._change(workspace_id, deleted_at=self._now)

    def removed(self, before: datetime, limit: int) -> list[str]:
        """List workspaces deleted at that time or earlier that hold files or folders still."""
        query = select(workspaces.c.id).where(
            workspaces.c.deleted_at <= before,
            exists().where(nodes.c.workspace_id == workspaces.c.id),
        )
        return list(self._connection.execute(query.limit(limit)).scalars())

    def use(self, workspace_id: str, added_bytes: int) -> None:
        """Count bytes that were added or freed."""
        self._connection.execute(_USE, {"workspace": workspace_id, "added": added_bytes})

    def reserve(self, workspace_id: str, added_bytes: int) -> None:
        """Promise bytes of the quota, or take a promise back."""
        self._connection.execute(_RESERVE, {"workspace": workspace_id, "added": added_bytes})

    def _change(self, workspace_id: str, **values: object) -> None:
        self._connection.execute(
            update(workspaces).where(workspaces.c.id == workspace_id).values(**values)
        )


def _counts(user_id: str, organization_id: str | None) -> Any:
    direct = members.c.source == MemberSource.DIRECT.value
    spoken_for = workspaces.c.organization_id == organization_id
    return and_(members.c.user_id == user_id, or_(direct, spoken_for))


def _workspace(row: Row[Any]) -> Workspace:
    return Workspace(
        id=row.id,
        name=row.name,
        organization_id=row.organization_id,
        home_of=row.home_of,
        created_by=row.created_by,
        created_at=row.created_at,
        used_bytes=row.used_bytes,
        quota_bytes=row.quota_bytes,
        reserved_bytes=row.reserved_bytes,
        policy=Policy.of(row.policy),
    )
