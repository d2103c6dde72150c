"""Applications, what people allowed them, and the digests of what they hold."""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.caller import OAUTH_TOKEN, Caller, Credential, Origin
from doorward.server.permission.scopes import Scope

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a kind
GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN)
NO_SECRET = "none"  # noqa: S105 - the standard's word for a public client
AUTH_METHODS = (NO_SECRET, "client_secret_basic", "client_secret_post")

OFFERED: frozenset[Scope] = frozenset(Scope) - {Scope.KEYS_READ, Scope.KEYS_MANAGE}
"""What an application may be given: keys outlive it, so none is made or seen by it."""

BASELINE: frozenset[Scope] = frozenset(
    {Scope.FILES_READ, Scope.WORKSPACES_READ, Scope.SEARCH_READ, Scope.EVENTS_READ}
)
"""What is asked for where nothing is named: enough to be of use, and nothing that changes."""

SCOPE_WORDS = {
    Scope.FILES_READ: "See and download your files",
    Scope.FILES_WRITE: "Upload files, and rename, move and share them",
    Scope.FILES_DELETE: "Delete files",
    Scope.WORKSPACES_READ: "See your workspaces",
    Scope.WORKSPACES_CREATE: "Create workspaces",
    Scope.WORKSPACES_MANAGE: "Change and delete workspaces",
    Scope.MEMBERS_READ: "See who is in your workspaces",
    Scope.MEMBERS_MANAGE: "Add and remove members of your workspaces",
    Scope.AUDIT_READ: "Read who did what in your workspaces",
    Scope.WEBHOOKS_MANAGE: "Have other servers told what happens in your workspaces",
    Scope.SEARCH_READ: "Search your files",
    Scope.EVENTS_READ: "Follow what happens in your workspaces",
}
"""Each scope as the person is asked about it."""


@dataclass(frozen=True, slots=True)
class Client:
    """An application, as it describes itself; nobody has checked that.

    ``id`` is ours, or the address of the document by which it describes itself, which was read
    at ``read_at``. ``secret_digest`` is None for one that can keep no secret.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    auth_method: str
    grant_types: tuple[str, ...]
    created_at: datetime
    uri: str | None = None
    secret_digest: bytes | None = None
    registered_from: str | None = None
    read_at: datetime | None = None

    def knows(self, digest: bytes) -> bool:
        """Say whether a secret's digest is this client's, in constant time."""
        return self.secret_digest is not None and hmac.compare_digest(self.secret_digest, digest)


class GrantStatus(StrEnum):
    """Whether a grant opens anything."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed an application, which acts for them as they stand now.

    ``version`` counts its changes. ``last_used_at`` is written lazily, some seconds late.
    """

    id: str
    person: Caller
    client_id: str
    client_name: str
    scopes: frozenset[Scope]
    workspaces: frozenset[str] | None
    resource: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None
    version: int = 1

    def status(self, now: datetime) -> GrantStatus:
        """Say whether the grant opens anything at that time."""
        if self.revoked_at is not None:
            return GrantStatus.REVOKED
        return GrantStatus.EXPIRED if now >= self.expires_at else GrantStatus.ACTIVE

    def caller(self, origin: Origin) -> Caller:
        """Give whom a request under this grant comes from: the person, within what they allowed."""
        return replace(
            self.person,
            credential=Credential(OAUTH_TOKEN, self.id),
            origin=origin,
            scopes=self.scopes,
            workspaces=self.workspaces,
            issued_at=self.created_at.timestamp(),
            proved_at=None,
            lasting=True,
            grounds=(),
            client_id=self.client_id,
        )


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code, as its digest, bound to all that it was asked for with."""

    digest: bytes
    grant_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, as its digest; each is good once."""

    digest: bytes
    grant_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
