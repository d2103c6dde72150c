"""What both clients do about keys, and by keys for people."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, TypeVar

from doorward.client import calls
from doorward.client.calls import Call, Turn
from doorward.client.model import DelegatedToken, Key, KeyWithSecret

T = TypeVar("T")


class KeyMethods(ABC):
    """Keys, for the client that waits."""

    @abstractmethod
    def run(self, call: Call[T]) -> T:
        """Make a request; raises DoorwardError."""

    @abstractmethod
    def pages(self, turn: Turn[T]) -> Iterator[T]:
        """Give every row of a list."""

    @abstractmethod
    def _credential(self) -> str | None:
        """Give what is presented with the next request."""

    def keys(self, environment: str | None = None) -> Iterator[Key]:
        """Give your keys, newest first; an organization's too if you administer it."""
        return self.pages(lambda cursor: calls.keys(cursor, environment))

    def create_key(self, name: str, scopes: Iterable[str], **bounds: Any) -> KeyWithSecret:
        """Make a key that acts for you; its secret is told this once.

        ``workspaces=``, ``networks=``, ``expires_in=`` (seconds), ``environment=``,
        ``rotate_every=`` (seconds) bound it further.
        """
        return self.run(calls.create_key(name, scopes, **bounds))

    def key(self, key_id: str) -> Key:
        """Read a key."""
        return self.run(calls.key(key_id))

    def change_key(self, key_id: str, **change: Any) -> Key:
        """Set ``name=``, ``scopes=``, ``workspaces=``, ``networks=`` or ``expires_in=`` anew."""
        return self.run(calls.change_key(key_id, **change))

    def rotate_key(self, key_id: str, overlap: int | None = None) -> KeyWithSecret:
        """Give a key a new secret; the old one counts for ``overlap`` seconds, else for a day."""
        return self.run(calls.rotate_key(key_id, overlap))

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key, for good and at once."""
        self.run(calls.revoke_key(key_id))

    def delegate(
        self,
        *,
        key: str | None = None,
        session: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> DelegatedToken:
        """Get a token by which an agent acts for a person, for minutes, with what both hold.

        As the person give the agent's ``key``, as the agent the person's ``session``.
        """
        own = self._credential() or ""
        return self.run(calls.delegate(own, key=key, session=session, scopes=scopes))

    def end_token(self, token: str) -> None:
        """End a delegated token before its time."""
        self.run(calls.end_token(token))


class AsyncKeyMethods(ABC):
    """Keys, for the client of asyncio."""

    @abstractmethod
    async def run(self, call: Call[T]) -> T:
        """Make a request; raises DoorwardError."""

    @abstractmethod
    def pages(self, turn: Turn[T]) -> AsyncIterator[T]:
        """Give every row of a list."""

    @abstractmethod
    async def _credential(self) -> str | None:
        """Give what is presented with the next request."""

    def keys(self, environment: str | None = None) -> AsyncIterator[Key]:
        """Give your keys, newest first; an organization's too if you administer it."""
        return self.pages(lambda cursor: calls.keys(cursor, environment))

    async def create_key(self, name: str, scopes: Iterable[str], **bounds: Any) -> KeyWithSecret:
        """Make a key that acts for you; its secret is told this once.

        ``workspaces=``, ``networks=``, ``expires_in=`` (seconds), ``environment=``,
        ``rotate_every=`` (seconds) bound it further.
        """
        return await self.run(calls.create_key(name, scopes, **bounds))

    async def key(self, key_id: str) -> Key:
        """Read a key."""
        return await self.run(calls.key(key_id))

    async def change_key(self, key_id: str, **change: Any) -> Key:
        """Set ``name=``, ``scopes=``, ``workspaces=``, ``networks=`` or ``expires_in=`` anew."""
        return await self.run(calls.change_key(key_id, **change))

    async def rotate_key(self, key_id: str, overlap: int | None = None) -> KeyWithSecret:
        """Give a key a new secret; the old one counts for ``overlap`` seconds, else for a day."""
        return await self.run(calls.rotate_key(key_id, overlap))

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key, for good and at once."""
        await self.run(calls.revoke_key(key_id))

    async def delegate(
        self,
        *,
        key: str | None = None,
        session: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> DelegatedToken:
        """Get a token by which an agent acts for a person, for minutes, with what both hold.

        As the person give the agent's ``key``, as the agent the person's ``session``.
        """
        own = await self._credential() or ""
        return await self.run(calls.delegate(own, key=key, session=session, scopes=scopes))

    async def end_token(self, token: str) -> None:
        """End a delegated token before its time."""
        await self.run(calls.end_token(token))
