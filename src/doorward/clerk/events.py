"""Clerk's webhook events, typed for users, sessions, organizations and memberships.

The set of types grows, so one that is not known comes as a plain ``Event``; and what Clerk adds
to an object stays in its ``data``. Source: Clerk's webhook catalogue, version 2025-04-15.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.clerk.times import seconds_of

_MILLISECONDS_MAX = 253_402_300_799_000  # the end of the year 9999


class EventMalformed(ValueError):
    """A signed event without what its type promises."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as far as guards need one; everything else is in ``data``."""

    id: str
    public_metadata: Mapping[str, Any] = field(repr=False)
    banned: bool
    locked: bool
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a user."""

    id: str
    user_id: str
    status: str
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization."""

    id: str
    name: str
    slug: str | None
    public_metadata: Mapping[str, Any] = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's membership of an organization; ``role`` is as in ``org:admin``."""

    id: str
    user_id: str
    organization_id: str
    role: str
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at Clerk; ``id`` is the same for every delivery of it.

    ``happened_at`` is in seconds since 1970: when the object changed, else when the event was
    made, else when it was sent. A deletion happened when its event was made.
    """

    id: str
    type: str
    happened_at: float
    data: Mapping[str, Any] = field(repr=False)
    instance_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UserEvent(Event):
    """Something about a user who is there."""

    @property
    def user(self) -> User:
        """The user."""
        return _user(self.data)


@dataclass(frozen=True, slots=True)
class UserCreated(UserEvent):
    """``user.created``."""


@dataclass(frozen=True, slots=True)
class UserUpdated(UserEvent):
    """``user.updated``: also a ban, a lock and a change of metadata."""


@dataclass(frozen=True, slots=True)
class UserDeleted(Event):
    """``user.deleted``: only the id is left."""

    @property
    def id_of_user(self) -> str:
        """Whom there was."""
        return _text(self.data, "id")


@dataclass(frozen=True, slots=True)
class SessionEvent(Event):
    """Something about a session."""

    @property
    def session(self) -> Session:
        """The session."""
        return _session(self.data)


@dataclass(frozen=True, slots=True)
class SessionCreated(SessionEvent):
    """``session.created`` and ``session.pending``."""


@dataclass(frozen=True, slots=True)
class SessionEnded(SessionEvent):
    """``session.ended``, ``session.removed`` and ``session.revoked``: it is over."""


@dataclass(frozen=True, slots=True)
class OrganizationEvent(Event):
    """``organization.created`` and ``organization.updated``."""

    @property
    def organization(self) -> Organization:
        """The organization."""
        return _organization(self.data)


@dataclass(frozen=True, slots=True)
class OrganizationDeleted(Event):
    """``organization.deleted``: only the id is left."""

    @property
    def id_of_organization(self) -> str:
        """Which there was."""
        return _text(self.data, "id")


@dataclass(frozen=True, slots=True)
class MembershipEvent(Event):
    """Something about a membership."""

    @property
    def membership(self) -> Membership:
        """The membership."""
        return _membership(self.data)


@dataclass(frozen=True, slots=True)
class MembershipCreated(MembershipEvent):
    """``organizationMembership.created``."""


@dataclass(frozen=True, slots=True)
class MembershipUpdated(MembershipEvent):
    """``organizationMembership.updated``: another role."""


@dataclass(frozen=True, slots=True)
class MembershipDeleted(MembershipEvent):
    """``organizationMembership.deleted``: no longer a member."""


_TYPES: dict[str, type[Event]] = {
    "user.created": UserCreated,
    "user.updated": UserUpdated,
    "user.deleted": UserDeleted,
    "session.created": SessionCreated,
    "session.pending": SessionCreated,
    "session.ended": SessionEnded,
    "session.removed": SessionEnded,
    "session.revoked": SessionEnded,
    "organization.created": OrganizationEvent,
    "organization.updated": OrganizationEvent,
    "organization.deleted": OrganizationDeleted,
    "organizationMembership.created": MembershipCreated,
    "organizationMembership.updated": MembershipUpdated,
    "organizationMembership.deleted": MembershipDeleted,
}


_PROMISES = ("user", "session", "organization", "membership", "id_of_user", "id_of_organization")


def read_event(event_id: str, envelope: Mapping[str, Any], sent_at: float) -> Event:
    """Give the event that an envelope holds, its promised fields checked at once.

    Raises EventMalformed.
    """
    name, data = envelope.get("type"), envelope.get("data")
    if not isinstance(name, str) or not isinstance(data, Mapping):
        raise EventMalformed("An event has a type and data.")
    instance = envelope.get("instance_id")
    event = _TYPES.get(name, Event)(
        id=event_id,
        type=name,
        happened_at=_when(envelope, data, sent_at),
        data=data,
        instance_id=instance if isinstance(instance, str) else None,
    )
    for promised in _PROMISES:
        getattr(event, promised, None)
    return event


def _when(envelope: Mapping[str, Any], data: Mapping[str, Any], sent_at: float) -> float:
    """Read when it happened; Clerk gives milliseconds, and in some examples seconds."""
    changed = _time(data.get("updated_at"))
    made = _time(envelope.get("timestamp")) or sent_at
    # What is deleted still says when it last changed, which may be long before it was deleted.
    if str(envelope.get("type")).endswith(".deleted"):
        return max(changed or made, made)
    return changed or made


def _time(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return seconds_of(value) if 0 < value <= _MILLISECONDS_MAX else None


def _user(data: Mapping[str, Any]) -> User:
    return User(
        _text(data, "id"),
        _mapping(data, "public_metadata"),
        data.get("banned") is True,
        data.get("locked") is True,
        data,
    )


def _session(data: Mapping[str, Any]) -> Session:
    return Session(_text(data, "id"), _text(data, "user_id"), str(data.get("status", "")), data)


def _organization(data: Mapping[str, Any]) -> Organization:
    slug = data.get("slug")
    return Organization(
        _text(data, "id"),
        str(data.get("name", "")),
        slug if isinstance(slug, str) else None,
        _mapping(data, "public_metadata"),
        data,
    )


def _membership(data: Mapping[str, Any]) -> Membership:
    return Membership(
        _text(data, "id"),
        _text(_mapping(data, "public_user_data"), "user_id"),
        _text(_mapping(data, "organization"), "id"),
        str(data.get("role", "")),
        data,
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise EventMalformed(f"The event's data has no {name}.")
    return value


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}
