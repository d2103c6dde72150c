"""Every request that the clients make, as a value: what is asked, and what the answer is."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from doorward.client.errors import DoorwardError, ServerError
from doorward.client.model import (
    AuditRecord,
    Decision,
    DelegatedToken,
    Explanation,
    File,
    Key,
    KeyWithSecret,
    Link,
    Me,
    Member,
    Page,
    SharedLink,
    Upload,
    Usage,
    Version,
    Workspace,
)

T = TypeVar("T")

URL_DEFAULT = "http://127.0.0.1:8040"
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request below ``/api/v1`` and the type of its answer, None for an empty one."""

    method: str
    path: str
    answer: Any
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)  # it may hold credentials

    def read(self, content: bytes) -> T:
        """Read the answer; raises ServerError for one of another form."""
        if self.answer is None:
            return None  # type: ignore[return-value]
        try:
            result: T = msgspec.json.decode(content, type=self.answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            message = "The answer is not one of a Doorward server. Is the address right?"
            raise ServerError(0, "answer_unreadable", message) from exc
        return result


Turn = Callable[[str | None], Call[Page[T]]]


def me() -> Call[Me]:
    """Who am I?"""
    return Call("GET", "/me", Me)


def explain(
    action: str, resource: str | None = None, principal: str | None = None
) -> Call[Explanation]:
    """What would come of an action?"""
    asked = {"action": action, "resource": resource, "principal": principal}
    params = {name: text for name, text in asked.items() if text is not None}
    return Call("GET", "/explain", Explanation, params)


def decisions(request_id: str) -> Call[Page[Decision]]:
    """What was decided for a request?"""
    return Call("GET", f"/requests/{_id(request_id)}/decisions", Page[Decision])


def usage() -> Call[Usage]:
    """Read storage, credits and limits."""
    return Call("GET", "/usage", Usage)


def workspaces(cursor: str | None = None) -> Call[Page[Workspace]]:
    """List workspaces."""
    return Call("GET", "/workspaces", Page[Workspace], _paged(cursor))


def workspace(workspace_id: str) -> Call[Workspace]:
    """Read a workspace."""
    return Call("GET", f"/workspaces/{_id(workspace_id)}", Workspace)


def create_workspace(name: str) -> Call[Workspace]:
    """Create a workspace."""
    return Call("POST", "/workspaces", Workspace, body={"name": name})


def rename_workspace(workspace_id: str, name: str) -> Call[Workspace]:
    """Rename a workspace."""
    return Call("PATCH", f"/workspaces/{_id(workspace_id)}", Workspace, body={"name": name})


def delete_workspace(workspace_id: str) -> Call[None]:
    """Delete a workspace."""
    return Call("DELETE", f"/workspaces/{_id(workspace_id)}", None)


def members(workspace_id: str, cursor: str | None = None) -> Call[Page[Member]]:
    """List members."""
    path = f"/workspaces/{_id(workspace_id)}/members"
    return Call("GET", path, Page[Member], _paged(cursor))


def add_member(workspace_id: str, user_id: str, role: str) -> Call[Member]:
    """Let a person in."""
    path = f"/workspaces/{_id(workspace_id)}/members"
    return Call("POST", path, Member, body={"user_id": user_id, "role": role})


def remove_member(workspace_id: str, user_id: str) -> Call[None]:
    """Take a person out."""
    return Call("DELETE", f"/workspaces/{_id(workspace_id)}/members/{_id(user_id)}", None)


def files(
    workspace_id: str, parent_id: str | None = None, cursor: str | None = None
) -> Call[Page[File]]:
    """List a folder, or the root."""
    params = _paged(cursor) | ({"parent_id": parent_id} if parent_id else {})
    return Call("GET", f"/workspaces/{_id(workspace_id)}/files", Page[File], params)


def child(workspace_id: str, parent_id: str | None, name: str) -> Call[Page[File]]:
    """Find a child by its exact name: a page of one or none."""
    params = {"name": name} | ({"parent_id": parent_id} if parent_id else {})
    return Call("GET", f"/workspaces/{_id(workspace_id)}/files", Page[File], params)


def create_folder(
    workspace_id: str, name: str, parent_id: str | None = None, *, exist_ok: bool = False
) -> Call[File]:
    """Create a folder."""
    body = {"name": name, "parent_id": parent_id, "exist_ok": exist_ok}
    return Call("POST", f"/workspaces/{_id(workspace_id)}/folders", File, body=body)


def file(file_id: str) -> Call[File]:
    """Read a file's details."""
    return Call("GET", f"/files/{_id(file_id)}", File)


def move_file(file_id: str, **change: Any) -> Call[File]:
    """Rename or move a file or folder."""
    return Call("PATCH", f"/files/{_id(file_id)}", File, body=change)


def delete_file(file_id: str) -> Call[None]:
    """Put a file or folder in the bin."""
    return Call("DELETE", f"/files/{_id(file_id)}", None)


def restore_file(file_id: str, **where: Any) -> Call[File]:
    """Take a file or folder out of the bin, or bring a version back."""
    return Call("POST", f"/files/{_id(file_id)}/restore", File, body=where)


def versions(file_id: str, cursor: str | None = None) -> Call[Page[Version]]:
    """List a file's versions."""
    return Call("GET", f"/files/{_id(file_id)}/versions", Page[Version], _paged(cursor))


def declare_upload(workspace_id: str, **declared: Any) -> Call[Upload]:
    """Declare a file to come."""
    body = {name: value for name, value in declared.items() if value is not None}
    return Call("POST", f"/workspaces/{_id(workspace_id)}/uploads", Upload, body=body)


def start_import(workspace_id: str, url: str, **declared: Any) -> Call[Upload]:
    """Have the server fetch a URL."""
    body = {"url": url} | {name: value for name, value in declared.items() if value is not None}
    return Call("POST", f"/workspaces/{_id(workspace_id)}/imports", Upload, body=body)


def upload(upload_id: str) -> Call[Upload]:
    """Read how far an upload is."""
    return Call("GET", f"/uploads/{_id(upload_id)}", Upload)


def renew_upload(upload_id: str) -> Call[Upload]:
    """Give an upload's URL a new life."""
    return Call("POST", f"/uploads/{_id(upload_id)}/renew", Upload)


def abort_upload(upload_id: str) -> Call[None]:
    """Give an upload up."""
    return Call("DELETE", f"/uploads/{_id(upload_id)}", None)


def share(file_id: str, **options: Any) -> Call[SharedLink]:
    """Make a download link."""
    body = {name: value for name, value in options.items() if value is not None}
    return Call("POST", f"/files/{_id(file_id)}/link", SharedLink, body=body)


def links(cursor: str | None = None, **where: Any) -> Call[Page[Link]]:
    """List links."""
    params = {name: _shown(value) for name, value in where.items() if value is not None}
    return Call("GET", "/links", Page[Link], _paged(cursor) | params)


def link(link_id: str) -> Call[Link]:
    """Read a link."""
    return Call("GET", f"/links/{_id(link_id)}", Link)


def narrow_link(link_id: str, **change: Any) -> Call[Link]:
    """Set tighter bounds on a link."""
    return Call("PATCH", f"/links/{_id(link_id)}", Link, body=change)


def kill_link(link_id: str) -> Call[None]:
    """Kill a link."""
    return Call("DELETE", f"/links/{_id(link_id)}", None)


def audit(
    cursor: str | None = None, limit: int = PAGE_SIZE, **where: Any
) -> Call[Page[AuditRecord]]:
    """List what was tried."""
    params = {name: _shown(value) for name, value in where.items() if value is not None}
    paged = _paged(cursor) | {"limit": str(limit)}
    return Call("GET", "/audit", Page[AuditRecord], paged | params)


def audit_export(**where: Any) -> tuple[str, dict[str, str]]:
    """Give path and query of an export of the trail."""
    return "/audit/export", {k: _shown(v) for k, v in where.items() if v is not None}


def keys(cursor: str | None = None, environment: str | None = None) -> Call[Page[Key]]:
    """List keys."""
    params = {} if environment is None else {"environment": environment}
    return Call("GET", "/keys", Page[Key], _paged(cursor) | params)


def create_key(name: str, scopes: Iterable[str], **bounds: Any) -> Call[KeyWithSecret]:
    """Make a key."""
    body = {bound: value for bound, value in bounds.items() if value is not None}
    return Call("POST", "/keys", KeyWithSecret, body=body | {"name": name, "scopes": [*scopes]})


def key(key_id: str) -> Call[Key]:
    """Read a key."""
    return Call("GET", f"/keys/{_id(key_id)}", Key)


def change_key(key_id: str, **change: Any) -> Call[Key]:
    """Rename a key, or set its bounds anew."""
    return Call("PATCH", f"/keys/{_id(key_id)}", Key, body=change)


def rotate_key(key_id: str, overlap: int | None = None) -> Call[KeyWithSecret]:
    """Give a key a new secret."""
    body = {} if overlap is None else {"overlap": overlap}
    return Call("POST", f"/keys/{_id(key_id)}/rotate", KeyWithSecret, body=body)


def revoke_key(key_id: str) -> Call[None]:
    """Revoke a key."""
    return Call("DELETE", f"/keys/{_id(key_id)}", None)


def delegate(
    own: str, *, key: str | None, session: str | None, scopes: Iterable[str] | None
) -> Call[DelegatedToken]:
    """Exchange a session and a key for a token that both are bound by (RFC 8693, section 2.1).

    ``own`` is what the client presents, and the other one of the two is given. Raises ValueError.
    """
    if (key is None) == (session is None):
        raise ValueError("give either the agent's key or the person's session")
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": own if session is None else session,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    if key is not None:
        body |= {
            "actor_token": key,
            "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
    if scopes is not None:
        body["scope"] = " ".join(scopes)
    return Call("POST", "/token", DelegatedToken, body=body)


def end_token(token: str) -> Call[None]:
    """End a delegated token before its time (RFC 7009)."""
    return Call("POST", "/token/revoke", None, body={"token": token})


SENT: Call[File] = Call("PUT", "", File)
"""What comes back from a signed upload URL."""


def content_path(file_id: str) -> str:
    """Give the path of a file's bytes."""
    return f"/files/{_id(file_id)}/content"


def base_of(url: str | None) -> str:
    """Give the server's address: the argument, DOORWARD_URL, or the default."""
    return (url or os.environ.get("DOORWARD_URL") or URL_DEFAULT).rstrip("/")


def token_of(token: Any) -> Any:
    """Give the credential: the argument, DOORWARD_TOKEN, or what DOORWARD_TOKEN_FILE holds.

    Raises DoorwardError where the file can't be read.
    """
    if token is not None:
        return token
    file = os.environ.get("DOORWARD_TOKEN_FILE")
    if not file:
        return os.environ.get("DOORWARD_TOKEN") or None
    kept = TokenFile(Path(file))
    kept()
    return kept


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A credential in a file, read for each request: one that was rotated there counts at once."""

    path: Path

    def __call__(self) -> str:
        """Give what the file holds now; raises DoorwardError where it can't be read."""
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            message = f"DOORWARD_TOKEN_FILE names {self.path}, which can't be read."
            raise DoorwardError(0, "token_unreadable", message) from exc


def _paged(cursor: str | None) -> dict[str, str]:
    """Ask for a page of a list."""
    return {"limit": str(PAGE_SIZE)} | ({"cursor": cursor} if cursor else {})


def _shown(value: Any) -> str:
    """Write a value as a query has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(text: str) -> str:
    """Put an id into a path as one segment, whatever it holds."""
    return quote(text, safe="")
