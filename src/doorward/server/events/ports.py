"""What the events subject asks of a store."""

from datetime import datetime
from typing import Protocol

from doorward.server.events.model import Event
from doorward.server.paging import Page


class EventRows(Protocol):
    """The events of all workspaces, in one order."""

    def add(self, event: Event) -> None:
        """Append an event."""

    def supersede(self, event: Event) -> None:
        """Append an event in the place of an earlier one of its type about the same subject."""

    def page(self, workspace_id: str, page: Page) -> list[Event]:
        """List a workspace's events after the page's last one, oldest first."""

    def drop_before(self, time: datetime, limit: int) -> int:
        """Remove events older than that; gives how many, at most ``limit``."""


class EventTx(Protocol):
    """A transaction that publishes."""

    @property
    def now(self) -> datetime:
        """The time of the whole command, UTC."""

    def new_id(self, prefix: str) -> str:
        """Make an unguessable id."""

    @property
    def events(self) -> EventRows:
        """The events."""
