"""Callers as a column keeps them: whoever bought an upload or made a link."""

from typing import Any

from msgspec import to_builtins

from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope


def kept_caller(who: Caller) -> dict[str, object]:
    """Give what is stored of a caller; through which link they came is of one request alone."""
    kept: dict[str, object] = to_builtins(who)
    del kept["via"]
    kept["scopes"] = sorted(who.scopes)
    kept["workspaces"] = None if who.workspaces is None else sorted(who.workspaces)
    return kept


def caller_from(kept: dict[str, Any]) -> Caller:
    """Read a caller that was stored."""
    role, workspaces = kept["organization_role"], kept["workspaces"]
    return Caller(
        user_id=kept["user_id"],
        credential=Credential(**kept["credential"]),
        origin=Origin(**kept["origin"]),
        organization_id=kept["organization_id"],
        organization_name=kept["organization_name"],
        organization_role=None if role is None else Role(role),
        scopes=frozenset(Scope(scope) for scope in kept["scopes"]),
        workspaces=None if workspaces is None else frozenset(workspaces),
        issued_at=kept.get("issued_at"),  # not there in rows of an earlier version
    )
