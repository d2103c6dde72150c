"""A key as kept: everything but what it was shown as."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from doorward.server.permission.budgets import NO_BUDGETS, Budgets
from doorward.server.permission.caller import API_KEY, Caller, Credential, Origin
from doorward.server.permission.scopes import Scope


class KeyStatus(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """How far a key goes; None sets no bound. Networks are written as CIDR."""

    scopes: frozenset[Scope]
    workspaces: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    budgets: Budgets = NO_BUDGETS


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked for; lives in seconds.

    ``rotate_every_seconds`` is how long one secret is good at most: whoever holds the key is to
    rotate it before that.
    """

    name: str
    environment: str
    scopes: frozenset[Scope]
    workspaces: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    expires_in_seconds: int | None = None
    rotate_every_seconds: int | None = None
    budgets: Budgets = NO_BUDGETS


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What to set anew; None leaves what there is."""

    name: str | None = None
    scopes: frozenset[Scope] | None = None
    workspaces: frozenset[str] | None = None
    networks: tuple[str, ...] | None = None
    expires_in_seconds: int | None = None
    budgets: Budgets | None = None

    @property
    def renames_only(self) -> bool:
        """Whether nothing that bounds the key is touched."""
        return self == KeyChange(name=self.name)


@dataclass(frozen=True, slots=True)
class Key:
    """A key; it acts for ``maker``, as they stand now, within ``bounds``.

    ``version`` counts its changes. ``last_used_at`` is written lazily, some seconds late.
    """

    id: str
    name: str
    environment: str
    maker: Caller
    bounds: KeyBounds
    created_at: datetime
    rotate_every_seconds: int | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    version: int = 1

    def status(self, now: datetime) -> KeyStatus:
        """Say whether the key opens anything at that time."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        expires_at = self.bounds.expires_at
        over = expires_at is not None and now >= expires_at
        return KeyStatus.EXPIRED if over else KeyStatus.ACTIVE

    def caller(self, origin: Origin, handle: str | None = None) -> Caller:
        """Give whom a request with this key comes from: its maker, within its bounds.

        ``handle`` names the secret by which it came, if it did by one.
        """
        maker = self.maker
        return Caller(
            user_id=maker.user_id,
            credential=Credential(API_KEY, self.id),
            origin=origin,
            organization_id=maker.organization_id,
            organization_name=maker.organization_name,
            organization_role=maker.organization_role,
            scopes=self.bounds.scopes,
            workspaces=self.bounds.workspaces,
            issued_at=self.created_at.timestamp(),
            lasting=True,
            budgets=None if self.bounds.budgets is NO_BUDGETS else self.bounds.budgets,
            handle=handle,
        )


@dataclass(frozen=True, slots=True)
class KeySecret:
    """One secret of a key, as its keyed digest; several may count while one is rotated out."""

    handle: str
    key_id: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys to list: of a maker, or of a whole organization; others narrow."""

    maker_id: str | None = None
    organization_id: str | None = None
    environment: str | None = None


def earlier(first: datetime | None, second: datetime | None) -> datetime | None:
    """Give whichever comes first; None never comes."""
    return min((time for time in (first, second) if time is not None), default=None)


def after(now: datetime, seconds: int | None) -> datetime | None:
    """Give the time so many seconds later; None for never."""
    return None if seconds is None else now + timedelta(seconds=seconds)
