"""What the OAuth subject asks of a store."""

from datetime import datetime
from typing import Protocol

from doorward.server.oauth.model import Client, Code, Grant, RefreshToken
from doorward.server.paging import Page
from doorward.server.workspaces.ports import WorkspaceTx


class ClientRows(Protocol):
    """Applications that registered, or whose documents were read."""

    def get(self, client_id: str) -> Client | None:
        """Give a client."""

    def put(self, client: Client) -> None:
        """Insert a client, or take over how it describes itself now."""

    def waiting(
        self, since: datetime, address: str | None = None, *, documents: bool = False
    ) -> int:
        """Count clients that nobody allowed anything, made since a time, from an address if any.

        Those that registered, or those whose ``documents`` were read.
        """

    def forget_idle(self, before: datetime, most: int) -> int:
        """Drop clients that nobody allowed anything, made before a time; gives how many."""


class GrantRows(Protocol):
    """What people allowed, ended grants included, with the digests of codes and tokens."""

    def get(self, grant_id: str) -> Grant | None:
        """Give a grant."""

    def add(self, grant: Grant, code: Code) -> None:
        """Insert a grant with the code by which it is taken up."""

    def code(self, digest: bytes) -> tuple[Code, Grant] | None:
        """Give a code, used ones included, and its grant."""

    def use_code(self, digest: bytes, now: datetime) -> None:
        """Mark a code as used."""

    def refresh(self, digest: bytes) -> tuple[RefreshToken, Grant] | None:
        """Give a refresh token, used ones included, and its grant."""

    def use_refresh(self, digest: bytes, now: datetime) -> None:
        """Mark a refresh token as used."""

    def add_refresh(self, token: RefreshToken) -> None:
        """Insert a refresh token."""

    def extend(self, grant_id: str, expires_at: datetime) -> None:
        """Have a grant end at that time."""

    def revoke(self, grant_id: str, now: datetime) -> None:
        """End a grant for good, unless it ended before."""

    def page(self, user_id: str, now: datetime, page: Page) -> list[Grant]:
        """List a person's grants that count, newest first."""

    def used(self, grant_id: str, at: datetime, address: str | None) -> None:
        """Note a use, unless a later one is noted."""

    def revoke_of(self, user_id: str, organization_id: str | None, now: datetime) -> list[str]:
        """Revoke all grants of a user, or those for one organization; gives which."""

    def revoke_for(self, organization_id: str, now: datetime) -> list[str]:
        """Revoke all grants for an organization; gives which."""

    def forget(self, before: datetime, most: int) -> int:
        """Drop codes, tokens and grants that were over before a time; gives how many."""


class OAuthTx(WorkspaceTx, Protocol):
    """A transaction over clients, grants, workspaces and members."""

    @property
    def clients(self) -> ClientRows:
        """The clients."""

    @property
    def grants(self) -> GrantRows:
        """The grants."""


class GrantIndex(Protocol):
    """Answers at once, from the rows as they are now; raises Busy when they can't be read."""

    def by_id(self, grant_id: str) -> Grant | None:
        """Give a grant."""
