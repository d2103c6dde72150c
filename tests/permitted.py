"""Who may do what, written by hand: the one table that the matrix holds every door to.

``docs/reference/permissions.md`` is made of it: ``python tests/permitted.py`` writes it anew.
"""

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/permissions.md"
ROLES = ("viewer", "editor", "admin", "owner")

ANYBODY = ("session", "api_key", "delegated_token", "oauth_token")
MAKERS = ("session", "api_key", "oauth_token")
KEYHOLDERS = ("session", "api_key")
PEOPLE = ("session",)

WORKSPACE, FILE, UPLOAD = "workspace_not_found", "file_not_found", "upload_not_found"
LINK, KEY = "link_not_found", "key_not_found"


@dataclass(frozen=True)
class Row:
    """What one operation takes, and the code by which it hides what one may not see."""

    kinds: tuple[str, ...]
    scope: str | None
    role: str | None
    hidden: str | None
    note: str = ""


@dataclass(frozen=True)
class Bought:
    """A signed URL: no credential comes with it, and it acts for whoever bought it.

    ``dead`` is what it answers once that ended, ``narrowed`` once the scope is gone.
    """

    by: str
    scope: str
    role: str
    dead: tuple[int, str]
    narrowed: tuple[int, str]


REST = {
    "GET /me": Row(ANYBODY, None, None, None),
    # Workspaces and who is in them
    "GET /workspaces": Row(ANYBODY, "workspaces:read", None, None, "those that it reaches"),
    "POST /workspaces": Row(
        MAKERS, "workspaces:create", None, None, "not with a key bound to workspaces"
    ),
    "GET /workspaces/{workspace_id}": Row(ANYBODY, "workspaces:read", "viewer", WORKSPACE),
    "PATCH /workspaces/{workspace_id}": Row(ANYBODY, "workspaces:manage", "admin", WORKSPACE),
    "DELETE /workspaces/{workspace_id}": Row(ANYBODY, "workspaces:manage", "owner", WORKSPACE),
    "GET /workspaces/{workspace_id}/members": Row(ANYBODY, "members:read", "viewer", WORKSPACE),
    "POST /workspaces/{workspace_id}/members": Row(
        ANYBODY, "members:manage", "admin", WORKSPACE, "no role above one's own"
    ),
    "PATCH /workspaces/{workspace_id}/members/{user_id}": Row(
        ANYBODY, "members:manage", "admin", WORKSPACE, "no role above one's own"
    ),
    "DELETE /workspaces/{workspace_id}/members/{user_id}": Row(
        ANYBODY, "members:manage", "admin", WORKSPACE, "anybody may leave"
    ),
    "GET /usage": Row(ANYBODY, "workspaces:read", None, None, "of the organization, or one's own"),
    # Workspaces handed over
    "POST /workspaces/{workspace_id}/transfers": Row(
        KEYHOLDERS, "workspaces:manage", "owner", WORKSPACE
    ),
    "GET /workspaces/{workspace_id}/transfers": Row(
        KEYHOLDERS, "workspaces:read", "admin", WORKSPACE
    ),
    "GET /workspaces/{workspace_id}/transfers/{transfer_id}": Row(
        KEYHOLDERS, "workspaces:read", "admin", WORKSPACE, "either side, whatever role they have"
    ),
    "DELETE /workspaces/{workspace_id}/transfers/{transfer_id}": Row(
        KEYHOLDERS, "workspaces:manage", "owner", WORKSPACE
    ),
    "POST /workspaces/{workspace_id}/transfers/{transfer_id}/undo": Row(
        KEYHOLDERS, "workspaces:manage", "owner", WORKSPACE, "either side, whatever role they have"
    ),
    "GET /transfers/{token}": Row(PEOPLE, "workspaces:read", None, None, "with a claim token"),
    "POST /transfers/{token}/claim": Row(
        PEOPLE, "workspaces:manage", None, None, "with a claim token"
    ),
    # Files and folders
    "GET /workspaces/{workspace_id}/files": Row(ANYBODY, "files:read", "viewer", WORKSPACE),
    "POST /workspaces/{workspace_id}/folders": Row(ANYBODY, "files:write", "editor", WORKSPACE),
    "GET /files/{file_id}": Row(ANYBODY, "files:read", "viewer", FILE),
    "PATCH /files/{file_id}": Row(ANYBODY, "files:write", "editor", FILE),
    "DELETE /files/{file_id}": Row(ANYBODY, "files:delete", "editor", FILE),
    "POST /files/{file_id}/restore": Row(ANYBODY, "files:write", "editor", FILE),
    "GET /files/{file_id}/versions": Row(ANYBODY, "files:read", "viewer", FILE),
    "GET /files/{file_id}/content": Row(ANYBODY, "files:read", "viewer", FILE),
    "GET /files/{file_id}/zip": Row(ANYBODY, "files:read", "viewer", FILE),
    "GET /files/{file_id}/thumbnail": Row(ANYBODY, "files:read", "viewer", FILE),
    # Bytes on their way in
    "POST /workspaces/{workspace_id}/uploads": Row(ANYBODY, "files:write", "editor", WORKSPACE),
    "POST /workspaces/{workspace_id}/imports": Row(ANYBODY, "files:write", "editor", WORKSPACE),
    "GET /uploads/{upload_id}": Row(
        ANYBODY, "files:read", "viewer", UPLOAD, "its URL only to whoever created it"
    ),
    "POST /uploads/{upload_id}/renew": Row(
        ANYBODY, "files:write", "editor", UPLOAD, "only whoever created it"
    ),
    "POST /uploads/{upload_id}/complete": Row(
        ANYBODY, "files:write", "editor", UPLOAD, "only whoever created it"
    ),
    "DELETE /uploads/{upload_id}": Row(ANYBODY, "files:write", "editor", UPLOAD),
    # Signed links
    "POST /files/{file_id}/link": Row(ANYBODY, "files:write", "editor", FILE),
    "GET /links": Row(ANYBODY, "files:read", "viewer", WORKSPACE, "one's own; an admin: all"),
    "GET /links/{link_id}": Row(ANYBODY, "files:read", "viewer", LINK, "one's own; an admin: all"),
    "PATCH /links/{link_id}": Row(
        ANYBODY, "files:write", "viewer", LINK, "one's own; an admin: all"
    ),
    "DELETE /links/{link_id}": Row(
        ANYBODY, "files:write", "viewer", LINK, "one's own; an admin: all"
    ),
    # What happened
    "GET /events": Row(ANYBODY, "events:read", "viewer", WORKSPACE),
    "GET /audit": Row(ANYBODY, "audit:read", "admin", WORKSPACE),
    "GET /audit/export": Row(ANYBODY, "audit:read", "admin", WORKSPACE),
    "GET /alerts": Row(ANYBODY, "audit:read", "admin", WORKSPACE),
    "GET /explain": Row(
        ANYBODY, None, None, None, "about others: who reads the trail of the resource's workspace"
    ),
    "GET /requests/{request_id}/decisions": Row(
        ANYBODY, None, None, None, "of one's own requests, or of a workspace whose trail one reads"
    ),
    # Keys and tokens
    "POST /keys": Row(PEOPLE, "keys:manage", None, None, "signed in not long ago"),
    "GET /keys": Row(KEYHOLDERS, "keys:read", None, None, "those that it sees"),
    "GET /keys/{key_id}": Row(
        KEYHOLDERS, "keys:read", None, KEY, "one's own; an organization's admin: its keys"
    ),
    "PATCH /keys/{key_id}": Row(
        PEOPLE, "keys:manage", None, KEY, "one's own; signed in not long ago for all but the name"
    ),
    "POST /keys/{key_id}/rotate": Row(
        KEYHOLDERS, "keys:manage", None, KEY, "one's own, signed in not long ago; a key itself"
    ),
    "DELETE /keys/{key_id}": Row(
        KEYHOLDERS, "keys:manage", None, KEY, "one's own; an organization's admin: its keys"
    ),
    "GET /grants": Row(PEOPLE, None, None, None, "one's own"),
    "DELETE /grants/{grant_id}": Row(PEOPLE, None, None, "grant_not_found", "one's own"),
    "POST /token": Row(KEYHOLDERS, None, None, None, "with the session and the key at hand"),
    "POST /token/revoke": Row(ANYBODY, None, None, None, "with the token at hand"),
}

# Doors beside REST that take the same credentials; what is in brackets tells the protocol.
BESIDE = {
    "POST /transfer/workspaces/{workspace_id} (tus)": Row(
        ANYBODY, "files:write", "editor", WORKSPACE
    ),
    "POST /transfer/workspaces/{workspace_id} (tus, of parts)": Row(
        ANYBODY, "files:write", "editor", WORKSPACE, "of one's own parts"
    ),
    "POST /transfer/workspaces/{workspace_id} (IETF)": Row(
        ANYBODY, "files:write", "editor", WORKSPACE
    ),
    "POST /current/upload/workspace/{workspace_id}/add": Row(
        ANYBODY, "files:write", "editor", WORKSPACE
    ),
    "GET /current/upload/{upload_id}/details": Row(ANYBODY, "files:read", "viewer", UPLOAD),
}

_UPLOAD = ("POST /workspaces/{workspace_id}/uploads", "files:write", "editor")
_TICKET = ("POST /current/upload/workspace/{workspace_id}/add", "files:write", "editor")
_LINK = ("POST /files/{file_id}/link", "files:write", "editor")
_GONE, _DENIED, _ENDED = (404, UPLOAD), (403, "permission_denied"), (410, "link_ended")

SIGNED = {
    "OPTIONS /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "HEAD /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "GET /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "PUT /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "PATCH /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "DELETE /transfer/{upload_id}": Bought(*_UPLOAD, _GONE, _DENIED),
    "PUT /current/upload/{upload_id}/put": Bought(*_TICKET, _GONE, _DENIED),
    "POST /current/upload/{upload_id}/put": Bought(*_TICKET, _GONE, _DENIED),
    "GET /download/{link_id}": Bought(*_LINK, _ENDED, _ENDED),
    "HEAD /download/{link_id}": Bought(*_LINK, _ENDED, _ENDED),
    "POST /download/{link_id}": Bought(*_LINK, _ENDED, _ENDED),
}

OUTLIVED = {
    ("session", "expired"),
    ("delegated_token", "expired"),
    ("oauth_token", "expired"),
    ("api_key", "rotated out"),
}
"""Ends that leave what was bought before: of a token, or of one of a key's secrets alone."""

HELD = REST | BESIDE


@dataclass(frozen=True)
class Case:
    """Who asks: by which kind of credential, in which state, where, with or without the scope.

    Places: ``own`` (with the role owner), ``weak`` (the role below the one it takes),
    ``unreached`` (own, by a credential bound to another workspace), ``other`` (of the same
    organization) and ``foreign`` (of another one), the two of which one is no member.
    """

    kind: str
    state: str = "active"
    place: str = "own"
    has_scope: bool = True


def expected(row: Row, case: Case) -> tuple[int, str, str | None] | None:
    """Give status, code and what is missing of a refusal; None where it is allowed."""
    if case.kind == "none" or case.state != "active":
        return 401, "not_authenticated", None
    if case.kind not in row.kinds:
        return 403, "permission_denied", f"credential {' or '.join(sorted(row.kinds))}"
    if row.hidden and case.place in {"unreached", "other", "foreign"}:
        return 404, row.hidden, None
    if row.scope and not case.has_scope:
        return 403, "permission_denied", f"scope {row.scope}"
    if case.place == "weak":
        return 403, "permission_denied", f"role {row.role}"
    return None


def places(row: Row, *, bounded: bool) -> list[str]:
    """Give the places that an operation can be asked about."""
    if row.hidden is None:
        return ["own"]
    weak = ["weak"] if row.role not in {None, "viewer"} else []
    return ["own", *weak, *(["unreached"] if bounded else []), "other", "foreign"]


_HEAD = """\
# Who may do what

Every operation takes three things at once: a kind of credential that it accepts, the scope, and the
role in the workspace that is asked about. No one of them makes up for another. A person's session
has all scopes; a key has those that it was made with; a delegated token those that the person and
the agent's key both have, and the weaker of both roles.

Whoever has no role in a workspace, or a credential that does not reach it, is answered 404 with the
code named here, just as where there is no such thing. Whoever may know of it and lacks the scope or
the role is answered 403, and `missing` says what it would take. A credential that has expired, was
revoked or rotated out, or whose maker left the organization that it speaks for, is answered 401.

The tests ask every operation with every kind of credential, in every state, in their own workspace
and in others, and hold the answers to this table.
"""
_SIGNED = """
## Signed URLs

They take no credential, and act for whoever bought them as that one stands now: with the role in
the workspace, and with the scopes that the key has now. They end when the key or the session ends,
and with a delegated token that is revoked. A token that merely ran out ends none of them, since an
upload may take longer than a token lives; nor does rotating a key, which stays the same key: revoke
one whose secret was stolen.

| request | bought by | scope | role | once that has ended | once the scope is gone |
|---|---|---|---|---|---|
"""
_TABLE_HEAD = """
| operation | credentials | scope | role | hidden as | beside that |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Give the page that is made of the table."""
    rest = {name.replace(" /", " /api/v1/", 1): row for name, row in REST.items()}
    signed = "".join(map(_signed_line, SIGNED.items()))
    return "".join(
        [
            _HEAD,
            "\n## REST\n",
            _TABLE_HEAD,
            *map(_line, rest.items()),
            "\n## Uploads and tickets\n",
            _TABLE_HEAD,
            *map(_line, BESIDE.items()),
            _SIGNED,
            signed,
        ]
    )


def _line(entry: tuple[str, Row]) -> str:
    name, row = entry
    kinds = "any" if row.kinds == ANYBODY else ", ".join(row.kinds)
    cells = (f"`{name}`", kinds, _code(row.scope), row.role or "", _code(row.hidden), row.note)
    return f"| {' | '.join(cells)} |\n"


def _signed_line(entry: tuple[str, Bought]) -> str:
    name, one = entry
    ends = (f"{status} `{code}`" for status, code in (one.dead, one.narrowed))
    cells = (f"`{name}`", f"`{one.by}`", _code(one.scope), one.role, *ends)
    return f"| {' | '.join(cells)} |\n"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    PAGE.write_text(page())
