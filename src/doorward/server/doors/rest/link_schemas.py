"""What goes over the wire of signed links."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from doorward.server.doors.rest.schemas import IdText, In, Out
from doorward.server.links.model import Disposition, Link, Narrower, NewLink

EXPIRES_IN_DEFAULT = 900
_COUNT_MAX = 1 << 50
Uses = Annotated[int, Field(ge=1, le=_COUNT_MAX, description="Whole downloads it is good for.")]
Bytes = Annotated[int, Field(ge=1, le=_COUNT_MAX, description="Bytes it gives in all.")]
Networks = Annotated[
    list[Annotated[str, StringConstraints(max_length=64)]],
    Field(description="From where it works, such as `192.0.2.0/24`.", max_length=16),
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class LinkIn(In):
    """A link to make; what is left out sets no bound, but for its life."""

    expires_in: Annotated[int, Field(ge=1, description="Its life in seconds.")] = EXPIRES_IN_DEFAULT
    version_id: IdText | None = None
    uses: Uses | None = None
    bytes: Bytes | None = None
    networks: Networks | None = None
    password: Password | None = None
    disposition: Disposition = Disposition.ATTACHMENT

    def new(self, password_digest: str | None) -> NewLink:
        """Give it as the service takes it."""
        return NewLink(
            expires_in_seconds=self.expires_in,
            version_id=self.version_id,
            uses_max=self.uses,
            bytes_max=self.bytes,
            networks=None if self.networks is None else tuple(self.networks),
            disposition=self.disposition,
            password=password_digest,
        )


class NarrowerIn(In):
    """Tighter bounds; leave out what stays."""

    expires_at: AwareDatetime | None = None
    uses: Uses | None = None
    bytes: Bytes | None = None
    networks: Networks | None = None

    def change(self) -> Narrower:
        """Give it as the service takes it."""
        networks = None if self.networks is None else tuple(self.networks)
        return Narrower(self.expires_at, self.uses, self.bytes, networks)


class HandedOut(Out):
    """A link as it is handed out; its URL is shown this once."""

    id: str
    url: str
    expires_at: datetime


class LinkBounds(Out):
    """How far a link goes; None sets no bound."""

    uses: int | None
    bytes: int | None
    networks: list[str] | None


class ResourceRef(Out):
    """What a link leads to."""

    type: str
    id: str
    name: str


class LinkOut(Out):
    """A signed URL that was handed out, without the URL."""

    id: str
    direction: str
    workspace_id: str
    resource: ResourceRef
    version_id: str | None
    disposition: str
    password: bool = Field(description="Whether it has one.")
    created_by: str
    created_at: datetime
    expires_at: datetime
    limits: LinkBounds
    uses: int
    bytes: int = Field(description="Sent or being sent.")
    last_used_at: datetime | None
    killed_at: datetime | None
    live: bool

    @classmethod
    def of(cls, link: Link, now: datetime) -> "LinkOut":
        """Present a link."""
        bounds = link.bounds
        networks = None if bounds.networks is None else list(bounds.networks)
        return cls(
            id=link.id,
            direction=link.direction.value,
            workspace_id=link.workspace_id,
            resource=ResourceRef(
                type=link.resource_kind, id=link.resource_id, name=link.resource_name
            ),
            version_id=link.version_id,
            disposition=link.disposition.value,
            password=link.password is not None,
            created_by=link.by.user_id,
            created_at=link.created_at,
            expires_at=bounds.expires_at,
            limits=LinkBounds(uses=bounds.uses_max, bytes=bounds.bytes_max, networks=networks),
            uses=link.uses,
            bytes=link.bytes,
            last_used_at=link.last_used_at,
            killed_at=link.killed_at,
            live=link.is_live(now),
        )
