"""What the alerts subject asks of a store."""

from datetime import datetime
from typing import Protocol

from doorward.server.alerts.model import Alert, AlertKind, Count
from doorward.server.events.ports import EventTx
from doorward.server.paging import Page
from doorward.server.workspaces.ports import WorkspaceTx


class AlertRows(Protocol):
    """The alerts, and what the trail says that they are found by."""

    def refusals(self, since: datetime, least: int) -> list[Count]:
        """Count refusals since a time, by address and by credential, where at least so many."""

    def uploaded(self, since: datetime, least: int) -> list[Count]:
        """Sum the bytes of uploads that ended since a time, by credential."""

    def before(self, count: Count, since: datetime, until: datetime) -> int:
        """Give how much of the same the same subject did in an earlier time."""

    def latest(self, kind: AlertKind, subject: str) -> Alert | None:
        """Give the newest alert of a subject."""

    def add(self, alert: Alert) -> None:
        """Insert an alert."""

    def change(self, alert: Alert) -> None:
        """Store that an alert lasts."""

    def page(self, workspace_id: str, page: Page) -> list[Alert]:
        """List a workspace's alerts, newest first."""

    def totals(self) -> dict[str, int]:
        """Count all alerts there ever were, by kind."""

    def knows_network(self, key_id: str, network: str, now: datetime) -> bool | None:
        """Note a network that a key is used from.

        Says whether it was known; None for the first one that the key was ever used from.
        """


class AlertTx(WorkspaceTx, EventTx, Protocol):
    """A transaction over alerts."""

    @property
    def alerts(self) -> AlertRows:
        """The alerts."""
