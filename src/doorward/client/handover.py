"""Workspaces handed over: what the clients ask, and what the server tells of it."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from doorward.client.calls import PAGE_SIZE, Call, Turn
from doorward.client.model import Page

T = TypeVar("T")


class OrganizationChange(msgspec.Struct, frozen=True):
    """The organization before and after, the latter unknown where it is the claimer's."""

    before: str | None = None
    after: str | None = None
    by_claimer: bool = False


class RoleChange(msgspec.Struct, frozen=True):
    """One person's role before and after; ``expires_at`` is of the one after."""

    user_id: str
    before: str | None = None
    after: str | None = None
    expires_at: datetime | None = None


class Acting(msgspec.Struct, frozen=True):
    """How many links, uploads or keys work, and how many of them stop."""

    live: int
    stopping: int
    stopping_ids: list[str] = []


class Preview(msgspec.Struct, frozen=True):
    """What claiming a workspace changes; sizes in bytes."""

    preview_id: str
    workspace_id: str
    workspace_name: str
    offered_by: str
    organization: OrganizationChange
    roles: list[RoleChange]
    unchanged_members: int
    loses_sight: list[str]
    files: int
    folders: int
    binned: int
    used_bytes: int
    reserved_bytes: int
    quota_bytes: int
    links: Acting
    uploads: Acting
    keys: Acting
    owner_id: str | None = None


class Offer(msgspec.Struct, frozen=True):
    """An offer as it is handed out; its token and URL are told this once."""

    id: str
    token: str
    url: str
    expires_at: datetime
    preview: Preview

    def __repr__(self) -> str:
        return f"Offer(id={self.id!r})"


class Transfer(msgspec.Struct, frozen=True):
    """A hand-over as it stands."""

    id: str
    workspace_id: str
    state: str
    offered_by: str
    organization: str
    keeps: str
    offered_at: datetime
    expires_at: datetime
    to_user_id: str | None = None
    keeps_for: int | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    undo_until: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    preview: Preview | None = None


class Runs(Protocol):
    """A client that waits, as far as is needed here."""

    def run(self, call: Call[T]) -> T:
        """Make a request."""

    def pages(self, turn: Turn[T]) -> Iterator[T]:
        """Give every row of a list."""


class AsyncRuns(Protocol):
    """A client on an event loop, as far as is needed here."""

    async def run(self, call: Call[T]) -> T:
        """Make a request."""

    def pages(self, turn: Turn[T]) -> AsyncIterator[T]:
        """Give every row of a list."""


class Handovers:
    """What ``Doorward`` does about workspaces that are handed over."""

    def offer_workspace(self: Runs, workspace_id: str, **terms: Any) -> Offer:
        """Offer a workspace that you own, and get its claim link.

        ``to_user_id=``, ``organization=`` (``stay``, ``claimer``, ``personal`` or an id),
        ``keeps=`` (a role or ``none``), ``keeps_for=`` and ``expires_in=`` (seconds).
        """
        return self.run(_offer(workspace_id, terms))

    def transfers(self: Runs, workspace_id: str) -> Iterator[Transfer]:
        """Give a workspace's hand-overs, newest first."""
        return self.pages(lambda cursor: _transfers(workspace_id, cursor))

    def transfer(self: Runs, workspace_id: str, transfer_id: str) -> Transfer:
        """Read a hand-over."""
        return self.run(_transfer("GET", workspace_id, transfer_id))

    def cancel_transfer(self: Runs, workspace_id: str, transfer_id: str) -> None:
        """Take an offer back."""
        self.run(_cancel(workspace_id, transfer_id))

    def read_offer(self: Runs, token: str) -> Preview:
        """See what claiming would change."""
        return self.run(_read_offer(token))

    def claim_workspace(self: Runs, token: str, *, preview_id: str | None = None) -> Transfer:
        """Take a workspace over; with ``preview_id``, only if that is still what would change."""
        return self.run(_claim(token, preview_id))

    def undo_transfer(self: Runs, workspace_id: str, transfer_id: str) -> Transfer:
        """Give a workspace back, or take it back."""
        return self.run(_transfer("POST", workspace_id, transfer_id, "/undo"))


class AsyncHandovers:
    """What ``AsyncDoorward`` does about workspaces that are handed over."""

    async def offer_workspace(self: AsyncRuns, workspace_id: str, **terms: Any) -> Offer:
        """Offer a workspace that you own, and get its claim link.

        ``to_user_id=``, ``organization=`` (``stay``, ``claimer``, ``personal`` or an id),
        ``keeps=`` (a role or ``none``), ``keeps_for=`` and ``expires_in=`` (seconds).
        """
        return await self.run(_offer(workspace_id, terms))

    def transfers(self: AsyncRuns, workspace_id: str) -> AsyncIterator[Transfer]:
        """Give a workspace's hand-overs, newest first."""
        return self.pages(lambda cursor: _transfers(workspace_id, cursor))

    async def transfer(self: AsyncRuns, workspace_id: str, transfer_id: str) -> Transfer:
        """Read a hand-over."""
        return await self.run(_transfer("GET", workspace_id, transfer_id))

    async def cancel_transfer(self: AsyncRuns, workspace_id: str, transfer_id: str) -> None:
        """Take an offer back."""
        await self.run(_cancel(workspace_id, transfer_id))

    async def read_offer(self: AsyncRuns, token: str) -> Preview:
        """See what claiming would change."""
        return await self.run(_read_offer(token))

    async def claim_workspace(
        self: AsyncRuns, token: str, *, preview_id: str | None = None
    ) -> Transfer:
        """Take a workspace over; with ``preview_id``, only if that is still what would change."""
        return await self.run(_claim(token, preview_id))

    async def undo_transfer(self: AsyncRuns, workspace_id: str, transfer_id: str) -> Transfer:
        """Give a workspace back, or take it back."""
        return await self.run(_transfer("POST", workspace_id, transfer_id, "/undo"))


def _offer(workspace_id: str, terms: dict[str, Any]) -> Call[Offer]:
    body = {name: value for name, value in terms.items() if value is not None}
    return Call("POST", f"/workspaces/{_part(workspace_id)}/transfers", Offer, body=body)


def _transfers(workspace_id: str, cursor: str | None) -> Call[Page[Transfer]]:
    params = {"limit": str(PAGE_SIZE)} | ({"cursor": cursor} if cursor else {})
    path = f"/workspaces/{_part(workspace_id)}/transfers"
    return Call("GET", path, Page[Transfer], params)


def _transfer(method: str, workspace_id: str, transfer_id: str, then: str = "") -> Call[Transfer]:
    path = f"/workspaces/{_part(workspace_id)}/transfers/{_part(transfer_id)}{then}"
    return Call(method, path, Transfer)


def _cancel(workspace_id: str, transfer_id: str) -> Call[None]:
    path = f"/workspaces/{_part(workspace_id)}/transfers/{_part(transfer_id)}"
    return Call("DELETE", path, None)


def _read_offer(token: str) -> Call[Preview]:
    return Call("GET", f"/transfers/{_part(token)}", Preview)


def _claim(token: str, preview_id: str | None) -> Call[Transfer]:
    body = {"preview_id": preview_id} if preview_id else {}
    return Call("POST", f"/transfers/{_part(token)}/claim", Transfer, body=body)


def _part(text: str) -> str:
    """Put an id or a token into a path as one segment, whatever it holds."""
    return quote(text, safe="")
