"""What the links subject asks of a store."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from doorward.server.files.ports import FileTx
from doorward.server.keys.ports import KeyTx
from doorward.server.links.model import Link, LinkFilter, Use
from doorward.server.paging import Page


class LinkRows(Protocol):
    """Signed URLs handed out, and the uses of those that count them."""

    def get(self, link_id: str) -> Link | None:
        """Give a link; the caller asks for the way into its workspace."""

    def add(self, link: Link) -> None:
        """Insert a link."""

    def bound(self, link: Link) -> None:
        """Store the link's bounds and when it was killed."""

    def page(self, where: LinkFilter, now: datetime, page: Page) -> list[Link]:
        """List matching links, newest first."""

    def spend(self, link_id: str, now: datetime, *, uses: int, size: int) -> bool:
        """Count uses and bytes, unless the link is over or that is more than is left of it.

        Says whether they were counted: of two that want the last use, one gets it.
        """

    def refund(self, link_id: str, size: int) -> None:
        """Take back bytes that were counted and not sent."""

    def count(self, link_id: str, now: datetime, size: int, *, bounded: bool = True) -> bool:
        """Count bytes of what began already, and say whether they were: beyond a bound they aren't.

        With ``bounded`` unset they always are.
        """

    def killed(self, link_ids: Collection[str]) -> set[str]:
        """Say which of these were killed."""

    def add_use(self, use: Use) -> None:
        """Insert a use."""

    def use_of(self, link_id: str, client: str, size: int) -> Use | None:
        """Give a use of this client that has so many bytes left."""

    def draw(self, use_id: str, size: int) -> None:
        """Take bytes from what a use has left; a negative size gives some back."""

    def take_try(self, link_id: str, now: datetime, since: datetime, most: int) -> bool:
        """Count a try of the password, unless ``most`` were counted after ``since``."""

    def forgive_try(self, link_id: str) -> None:
        """Take a try back that was right."""

    def remove_to(self, upload_ids: Collection[str], limit: int) -> int:
        """Remove links that take the bytes of these uploads; gives how many, at most ``limit``."""

    def remove_over(self, before: datetime, limit: int) -> int:
        """Remove links that expired before a time, with their uses; gives how many."""


class LinkTx(FileTx, KeyTx, Protocol):
    """A transaction over links."""

    @property
    def links(self) -> LinkRows:
        """The links."""
