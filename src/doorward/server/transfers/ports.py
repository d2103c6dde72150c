"""What the transfers subject asks of a store."""

from datetime import datetime
from typing import Protocol

from doorward.server.events.ports import EventTx
from doorward.server.members.model import Member
from doorward.server.paging import Page
from doorward.server.transfers.model import ActsFor, Holdings, State, Transfer
from doorward.server.workspaces.ports import WorkspaceTx


class TransferRows(Protocol):
    """Hand-overs, and the memberships as they were before each."""

    def get(self, workspace_id: str, transfer_id: str) -> Transfer | None:
        """Give a hand-over of this workspace."""

    def by_digest(self, digest: str) -> Transfer | None:
        """Give the hand-over whose token has this digest; the caller judges who may know."""

    def open_of(self, workspace_id: str) -> Transfer | None:
        """Give the workspace's one open offer, which may have expired."""

    def page(self, workspace_id: str, page: Page) -> list[Transfer]:
        """List a workspace's hand-overs, newest first."""

    def later_claimed(self, transfer: Transfer) -> bool:
        """Say whether the workspace was claimed after this hand-over, and that stands."""

    def add(self, transfer: Transfer) -> None:
        """Insert an offer."""

    def move(self, transfer: Transfer, was: State) -> bool:
        """Store a hand-over's new state if it still has the one it ``was`` in, and say whether.

        One statement decides, so that of two that want to move it, one does.
        """

    def keep_members(self, transfer: Transfer) -> None:
        """Keep every membership of the workspace as it is now."""

    def kept_of(self, transfer_id: str, workspace_id: str, user_id: str) -> list[Member]:
        """Give one person's memberships as they were kept."""

    def bring_back_members(self, transfer: Transfer) -> None:
        """Make the memberships of everybody kept, and of both sides, what they were.

        Whoever came since stays.
        """

    def holdings(self, workspace_id: str) -> Holdings:
        """Count what the workspace has."""

    def acting(self, workspace_id: str, limit: int) -> list[ActsFor]:
        """List its live download links and open uploads, which act for whoever made them."""

    def expired(self, limit: int) -> list[Transfer]:
        """List open offers whose time has passed."""

    def remove_over(self, before: datetime, limit: int) -> int:
        """Remove what was over before a time, with the memberships kept; gives how many."""


class TransferTx(WorkspaceTx, EventTx, Protocol):
    """A transaction over hand-overs."""

    @property
    def transfers(self) -> TransferRows:
        """The hand-overs."""
