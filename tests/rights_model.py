"""What credentials may do, by a formula of its own: alive, and role, scopes and workspaces at once.

Nothing here is taken from the server but the words; a few sets stand for its whole store.
"""

from dataclasses import dataclass, field

RANK = {"viewer": 1, "editor": 2, "admin": 3, "owner": 4}
PROVED_SECONDS = 3600
OFFICE = "office"  # the organization's home, where each of its members is an editor

# What is tried: scope and role, and the request.
ACTIONS = {
    "read": ("workspaces:read", "viewer", "GET", "workspaces/{}"),
    "rename": ("workspaces:manage", "admin", "PATCH", "workspaces/{}"),
    "members": ("members:read", "viewer", "GET", "workspaces/{}/members"),
    "files": ("files:read", "viewer", "GET", "workspaces/{}/files"),
    "folder": ("files:write", "editor", "POST", "workspaces/{}/folders"),
    "audit": ("audit:read", "admin", "GET", "audit?workspace={}"),
    "events": ("events:read", "viewer", "GET", "events?workspace={}"),
}
SCOPES = frozenset(scope for scope, *_ in ACTIONS.values()) | {"keys:read"}


@dataclass
class Session:
    """A sign-in, for the organization or not."""

    person: str
    in_org: bool
    began: float
    text: str
    id: str
    over: bool = False


@dataclass
class Key:
    """A key with all secrets it ever had, and until when each counts."""

    maker: str
    in_org: bool
    scopes: frozenset[str]
    workspaces: frozenset[str] | None
    expires: float | None
    id: str
    secrets: dict[str, float] = field(default_factory=dict)
    revoked: bool = False


@dataclass
class Token:
    """What an agent was given to act for a person."""

    session: Session
    key: Key
    scopes: frozenset[str]
    workspaces: frozenset[str] | None
    expires: float
    text: str
    over: bool = False


@dataclass
class Model:
    """Who is in what, and who is in the organization."""

    roles: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)

    def rank(self, person: str, workspace: str, *, in_org: bool) -> int:
        """Give how much somebody is in a workspace; some roles count in the organization alone."""
        if workspace == OFFICE:
            return RANK["editor"] if in_org and person in self.members else 0
        role, by_org = self.roles.get((workspace, person), (None, False))
        counts = role is not None and (not by_org or (in_org and person in self.members))
        return RANK[role] if counts else 0

    def is_person_there(self, person: str, *, in_org: bool) -> bool:
        return not in_org or person in self.members

    def is_session_alive(self, one: Session) -> bool:
        return not one.over and self.is_person_there(one.person, in_org=one.in_org)

    def is_key_alive(self, one: Key, now: float) -> bool:
        in_time = one.expires is None or now < one.expires
        return in_time and not one.revoked and self.is_person_there(one.maker, in_org=one.in_org)

    def by_session(self, one: Session, action: str, workspace: str) -> int:
        """Give the status that an action is answered with."""
        if not self.is_session_alive(one):
            return 401
        return _status(action, self.rank(one.person, workspace, in_org=one.in_org), SCOPES)

    def by_key(self, one: Key, secret: str, action: str, workspace: str, now: float) -> int:
        if now >= one.secrets[secret] or not self.is_key_alive(one, now):
            return 401
        return _status(action, self._of_key(one, workspace), one.scopes)

    def by_token(self, one: Token, action: str, workspace: str, now: float) -> int:
        session, key = one.session, one.key
        sides = self.is_session_alive(session) and self.is_key_alive(key, now)
        if one.over or now >= one.expires or not sides:
            return 401
        person = self.rank(session.person, workspace, in_org=session.in_org)
        if one.workspaces is not None and workspace not in one.workspaces:
            person = 0
        both = min(person, self._of_key(key, workspace))
        return _status(action, both, one.scopes & key.scopes)

    def _of_key(self, one: Key, workspace: str) -> int:
        if one.workspaces is not None and workspace not in one.workspaces:
            return 0
        return self.rank(one.maker, workspace, in_org=one.in_org)


def _status(action: str, rank: int, scopes: frozenset[str]) -> int:
    scope, role, method, _ = ACTIONS[action]
    if not rank:
        return 404
    if scope not in scopes or rank < RANK[role]:
        return 403
    return 201 if method == "POST" else 200
