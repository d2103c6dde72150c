"""The verified caller of one request, as the server's services see it."""

from dataclasses import dataclass, field

from doorward.server.permission.budgets import Budgets
from doorward.server.permission.policy import Rights
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import ALL_SCOPES, Scope

SESSION = "session"
API_KEY = "api_key"
DELEGATED_TOKEN = "delegated_token"  # noqa: S105 - a kind
OAUTH_TOKEN = "oauth_token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Credential:
    """What was presented, by kind and id; never the thing itself."""

    kind: str
    id: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit trail."""

    request_id: str
    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or machine with what its credential brings.

    ``organization_id`` is the organization the credential speaks for now, with the workspace
    role its organization role maps to; both are None outside an organization. ``issued_at`` is
    when the credential was made and ``proved_at`` when the person last proved who they are, in
    seconds since 1970; whoever was kept without them is as old as can be. ``via`` is the signed
    link through which somebody acts in this caller's name.

    ``lasting`` says that the credential outlives the token which told the organization role, so
    that the role is asked about anew. ``agent`` is whoever acts for this person: rights are then
    what both hold. ``grounds`` are further credentials that must count for this one to.
    ``client_id`` is the OAuth client that acts for the person. ``budgets`` are the credential's
    own, None where it has none. ``handle`` names the secret of a key that was presented.
    """

    user_id: str
    credential: Credential
    origin: Origin
    organization_id: str | None = None
    organization_name: str | None = None
    organization_role: Role | None = None
    scopes: frozenset[Scope] = field(default=ALL_SCOPES)
    workspaces: frozenset[str] | None = None
    issued_at: float | None = None
    via: Credential | None = None
    proved_at: float | None = None
    lasting: bool = False
    agent: "Caller | None" = None
    grounds: tuple[Credential, ...] = ()
    client_id: str | None = None
    budgets: Budgets | None = None
    handle: str | None = None

    def rights(self, role: Role | None) -> Rights:
        """Give what this caller brings to a workspace where it holds ``role``."""
        return Rights(self.scopes, role, self.workspaces)
