"""What the keys subject asks of a store."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from doorward.server.keys.model import Key, KeyFilter, KeySecret
from doorward.server.paging import Page
from doorward.server.workspaces.ports import WorkspaceTx


class KeyRows(Protocol):
    """Keys, revoked ones included, and their secrets' digests."""

    def get(self, key_id: str) -> Key | None:
        """Give a key."""

    def add(self, key: Key, secret: KeySecret) -> None:
        """Insert a key with its first secret."""

    def change(self, key: Key) -> None:
        """Store name, bounds and revocation, and count the change."""

    def rotate(self, key: Key, secret: KeySecret, until: datetime) -> None:
        """Insert a further secret, and end all others at ``until`` or earlier."""

    def secrets(self, key_id: str, now: datetime) -> list[KeySecret]:
        """List the secrets that count, newest first."""

    def page(self, where: KeyFilter, page: Page) -> list[Key]:
        """List matching keys, newest first."""

    def used(self, key_id: str, at: datetime, address: str | None) -> None:
        """Note a use, unless a later one is noted."""

    def revoke_of(self, user_id: str, organization_id: str | None, now: datetime) -> list[str]:
        """Revoke all keys of a user, or those for one organization; gives which."""

    def revoke_for(self, organization_id: str, now: datetime) -> list[str]:
        """Revoke all keys for an organization; gives which."""

    def forget(self, before: datetime, most: int) -> Collection[str]:
        """Drop secrets that ended before a time, and give their handles."""


class KeyTx(WorkspaceTx, Protocol):
    """A transaction over keys, workspaces and members."""

    @property
    def keys(self) -> KeyRows:
        """The keys."""


class Proof(Protocol):
    """One secret as it stands now, with its key."""

    @property
    def key(self) -> Key:
        """The key."""

    @property
    def digest(self) -> bytes:
        """The secret's keyed digest."""

    @property
    def expires_at(self) -> datetime | None:
        """When the secret was, or is to be, rotated out."""


class KeyIndex(Protocol):
    """Answers at once, from the rows as they are now; raises Busy when they can't be read."""

    def by_handle(self, handle: str) -> Proof | None:
        """Give the secret with a handle."""

    def by_id(self, key_id: str) -> Key | None:
        """Give a key."""
