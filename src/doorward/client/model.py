"""What the server tells, as values; members it may add later are passed over."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Credential(msgspec.Struct, frozen=True):
    """The kind and id of what was presented."""

    type: str
    id: str | None = None


class Organization(msgspec.Struct, frozen=True):
    """The organization that the credential speaks for."""

    id: str
    role: str | None = None


class Me(msgspec.Struct, frozen=True):
    """Who the server takes the caller for."""

    user_id: str
    credential: Credential
    scopes: list[str]
    organization: Organization | None = None


class Workspace(msgspec.Struct, frozen=True):
    """A workspace; sizes in bytes."""

    id: str
    name: str
    role: str | None
    used_bytes: int
    quota_bytes: int
    created_at: datetime
    organization_id: str | None = None
    home: bool = False


class Account(msgspec.Struct, frozen=True):
    """An organization, or a person alone: whose usage it is."""

    type: str
    id: str


class Storage(msgspec.Struct, frozen=True):
    """Bytes over all workspaces of an account; a quota of None bounds nothing."""

    used_bytes: int
    reserved_bytes: int
    quota_bytes: int | None = None


class Credits(msgspec.Struct, frozen=True):
    """Credits of a calendar month, and what they were spent on; a limit of None bounds nothing."""

    used: float
    resets_at: datetime
    limit: int | None = None
    amounts: dict[str, int] = {}


class Limit(msgspec.Struct, frozen=True):
    """One limit: so many in a window, of which some are left."""

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int


class Usage(msgspec.Struct, frozen=True):
    """Storage, credits and limits."""

    account: Account
    storage: Storage
    credits: Credits
    limits: list[Limit] = []


class Member(msgspec.Struct, frozen=True):
    """A person in a workspace."""

    user_id: str
    role: str
    source: str = "direct"
    expires_at: datetime | None = None


class Resource(msgspec.Struct, frozen=True):
    """What was asked about."""

    type: str | None = None
    id: str | None = None
    name: str | None = None


class AuditRecord(msgspec.Struct, frozen=True):
    """One attempt and what came of it, with its place in its chain."""

    id: str
    time: datetime
    action: str
    outcome: str
    reason: str | None
    actor: Credential
    credential: Credential | None
    on_behalf_of: str | None
    workspace_id: str | None
    resource: Resource
    address: str | None = None
    agent: str | None = None
    request_id: str | None = None
    details: dict[str, Any] = {}
    chain: str = ""
    position: int | None = None
    hash: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file or folder; ``size`` in bytes, ``digest`` as ``blake3:…``, both None for a folder."""

    id: str
    workspace_id: str
    name: str
    kind: str
    created_at: datetime
    updated_at: datetime
    parent_id: str | None = None
    size: int | None = None
    content_type: str | None = None
    digest: str | None = None
    sha256: str | None = None
    version_id: str | None = None
    version: int = 0
    metadata: dict[str, Any] = {}
    deleted_at: datetime | None = None

    @property
    def is_folder(self) -> bool:
        """Say whether it can hold others."""
        return self.kind == "folder"


class Version(msgspec.Struct, frozen=True):
    """One content that a file had."""

    id: str
    number: int
    size: int
    digest: str
    created_at: datetime


class Upload(msgspec.Struct, frozen=True):
    """An upload; ``url`` takes the bytes until ``expires_at``, ``size`` is None until known."""

    id: str
    workspace_id: str
    name: str
    size: int | None
    status: str
    received_bytes: int
    expires_at: datetime
    url: str | None = None
    file: File | None = None
    failure: str | None = None


class SharedLink(msgspec.Struct, frozen=True):
    """A download link as it is handed out; its URL is told this once."""

    id: str
    url: str
    expires_at: datetime


class LinkLimits(msgspec.Struct, frozen=True):
    """How far a link goes; None sets no bound."""

    uses: int | None = None
    bytes: int | None = None
    networks: list[str] | None = None


class LinkResource(msgspec.Struct, frozen=True):
    """What a link leads to."""

    type: str
    id: str
    name: str


class Link(msgspec.Struct, frozen=True):
    """A signed URL that was handed out, without the URL."""

    id: str
    direction: str
    workspace_id: str
    resource: LinkResource
    created_by: str
    created_at: datetime
    expires_at: datetime
    limits: LinkLimits
    uses: int
    bytes: int
    live: bool
    password: bool = False
    last_used_at: datetime | None = None
    killed_at: datetime | None = None


class Thing(msgspec.Struct, frozen=True):
    """A kind and an id."""

    type: str
    id: str | None = None


class Step(msgspec.Struct, frozen=True):
    """One rule that was asked, and whether it was passed."""

    rule: str
    asks: str
    passed: bool


class Explanation(msgspec.Struct, frozen=True):
    """What would come of an action: ``allowed``, ``refused`` or ``hidden``, and why."""

    principal: str
    action: str
    resource: str | None
    outcome: str
    rule: str
    missing: str | None
    steps: list[Step]


class Decision(msgspec.Struct, frozen=True):
    """One attempt that the trail has, with the steps of its decision as they were."""

    id: str
    time: datetime
    action: str
    outcome: str
    reason: str | None
    actor: Thing
    credential: Thing | None
    on_behalf_of: str | None
    workspace_id: str | None
    resource: Thing | None
    steps: list[Step]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its secret; None sets no bound, ``rotate_every`` is in seconds."""

    id: str
    name: str
    environment: str
    status: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    workspaces: list[str] | None = None
    networks: list[str] | None = None
    organization_id: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    rotate_every: int | None = None


class KeyWithSecret(Key, frozen=True, kw_only=True):
    """A key that was just made or rotated; ``secret`` is told this once, and never in a repr."""

    secret: str

    def __repr__(self) -> str:
        return f"KeyWithSecret(id={self.id!r}, name={self.name!r}, secret=…)"


class DelegatedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token by which an agent acts for a person, for ``expires_in`` seconds."""

    access_token: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return f"DelegatedToken(expires_in={self.expires_in!r}, scope={self.scope!r})"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; ``next_cursor`` is None at the end."""

    data: list[T]
    next_cursor: str | None = None
