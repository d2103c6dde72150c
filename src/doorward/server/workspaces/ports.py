"""What the workspaces subject asks of a store."""

from datetime import datetime
from typing import Protocol

from doorward.server.audit.ports import Transaction
from doorward.server.members.ports import MemberRows
from doorward.server.paging import Page
from doorward.server.workspaces.model import Workspace


class WorkspaceRows(Protocol):
    """Workspaces that are not deleted."""

    def get(self, workspace_id: str) -> Workspace | None:
        """Give a workspace."""

    def home(self, owner_id: str) -> Workspace | None:
        """Give the home workspace of a user or an organization."""

    def page(self, user_id: str, organization_id: str | None, page: Page) -> list[Workspace]:
        """List, by id, the workspaces in which the user has a membership that counts now.

        Any but a direct one counts only in workspaces of the organization that is spoken for.
        """

    def add(self, workspace: Workspace) -> None:
        """Insert a workspace."""

    def change(self, workspace: Workspace) -> None:
        """Store name, organization and policy."""

    def remove(self, workspace_id: str) -> None:
        """Mark as deleted: nothing finds it any more."""

    def removed(self, before: datetime, limit: int) -> list[str]:
        """List workspaces deleted at that time or earlier that hold files or folders still."""

    def use(self, workspace_id: str, added_bytes: int) -> None:
        """Count bytes that were added (or, negative, freed)."""

    def reserve(self, workspace_id: str, added_bytes: int) -> None:
        """Promise bytes of the quota to uploads (or, negative, take a promise back)."""


class WorkspaceTx(Transaction, Protocol):
    """A transaction over workspaces and members."""

    @property
    def workspaces(self) -> WorkspaceRows:
        """The workspaces."""

    @property
    def members(self) -> MemberRows:
        """The members."""
