"""A signed URL that was handed out, and what came of it so far."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.caller import Caller


class Direction(StrEnum):
    """Which way the bytes go."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


class Disposition(StrEnum):
    """Whether a browser is asked to save what it gets, or may show it."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a link goes; None sets no bound. Networks are written as CIDR."""

    expires_at: datetime
    uses_max: int | None = None
    bytes_max: int | None = None
    networks: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Narrower:
    """Bounds to set instead; None leaves the one there is."""

    expires_at: datetime | None = None
    uses_max: int | None = None
    bytes_max: int | None = None
    networks: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewLink:
    """A download link to make; lives in seconds, ``password`` as its digest."""

    expires_in_seconds: int
    version_id: str | None = None
    uses_max: int | None = None
    bytes_max: int | None = None
    networks: tuple[str, ...] | None = None
    disposition: Disposition = Disposition.ATTACHMENT
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A signed URL as stored: its row decides everything but the signature.

    ``by`` is whoever it acts for, whose rights are judged again on every use. ``bytes`` counts
    what was sent or is being sent.
    """

    id: str
    direction: Direction
    workspace_id: str
    resource_kind: str
    resource_id: str
    resource_name: str
    by: Caller
    created_at: datetime
    bounds: Bounds
    version_id: str | None = None
    disposition: Disposition = Disposition.ATTACHMENT
    password: str | None = None
    uses: int = 0
    bytes: int = 0
    last_used_at: datetime | None = None
    killed_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Say whether anything may still go by this link."""
        bounds = self.bounds
        used_up = bounds.uses_max is not None and self.uses >= bounds.uses_max
        used_up = used_up or (bounds.bytes_max is not None and self.bytes >= bounds.bytes_max)
        return self.ended(now) is None and not used_up

    def ended(self, now: datetime) -> str | None:
        """Say why nothing goes by this link any more: ``killed`` or ``expired``; None if it may."""
        if self.killed_at is not None:
            return "killed"
        return "expired" if now >= self.bounds.expires_at else None


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a link, for one client: so many bytes may still be sent by it."""

    id: str
    link_id: str
    client: str
    bytes_left: int


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """Which links to list; every field narrows, None does not."""

    workspace_id: str | None = None
    maker_id: str | None = None
    direction: Direction | None = None
    resource_id: str | None = None
    live: bool | None = None
