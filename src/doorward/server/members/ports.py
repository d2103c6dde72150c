"""What the members subject asks of a store."""

from typing import Protocol

from doorward.server.members.model import Member, MemberSource
from doorward.server.paging import Page


class MemberRows(Protocol):
    """Members of workspaces; every read names the workspace."""

    def of(self, workspace_id: str, user_id: str) -> list[Member]:
        """Give the person's memberships here: none, or one per source."""

    def page(self, workspace_id: str, page: Page) -> list[Member]:
        """List members by user id, one row more than the page to tell whether more follow.

        Those whose time has passed are not in it.
        """

    def all(self, workspace_id: str) -> list[Member]:
        """Give every membership here, by user id and source, also those that are over."""

    def put(self, member: Member) -> None:
        """Insert or replace the membership of that person and source."""

    def remove(self, workspace_id: str, user_id: str, source: MemberSource) -> None:
        """Drop a membership."""

    def owners(self, workspace_id: str) -> int:
        """Count the owners."""

    def over(self, limit: int) -> list[Member]:
        """List memberships whose time has passed, whichever workspace they are in."""
