"""Callers as a column keeps them: whoever bought an upload or made a link."""

from typing import Any

from msgspec import to_builtins

from doorward.server.permission.budgets import Budgets
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope


def kept_caller(who: Caller) -> dict[str, object]:
    """Give what is stored of a caller; through which link they came is of one request alone."""
    kept: dict[str, object] = to_builtins(who)
    for passing in ("via", "proved_at", "lasting", "handle"):
        del kept[passing]
    kept["scopes"] = sorted(who.scopes)
    kept["workspaces"] = None if who.workspaces is None else sorted(who.workspaces)
    kept["budgets"] = None if who.budgets is None else who.budgets.stored()
    kept["agent"] = None if who.agent is None else kept_caller(who.agent)
    return kept


def caller_from(kept: dict[str, Any]) -> Caller:
    """Read a caller that was stored; what is not there was not in rows of earlier versions."""
    role, workspaces = kept["organization_role"], kept["workspaces"]
    agent = kept.get("agent")
    return Caller(
        user_id=kept["user_id"],
        credential=Credential(**kept["credential"]),
        origin=Origin(**kept["origin"]),
        organization_id=kept["organization_id"],
        organization_name=kept["organization_name"],
        organization_role=None if role is None else Role(role),
        scopes=frozenset(Scope(scope) for scope in kept["scopes"]),
        workspaces=None if workspaces is None else frozenset(workspaces),
        issued_at=kept.get("issued_at"),
        lasting=True,
        agent=None if agent is None else caller_from(agent),
        grounds=tuple(Credential(**ground) for ground in kept.get("grounds", ())),
        client_id=kept.get("client_id"),
        budgets=Budgets.of(kept["budgets"]) if kept.get("budgets") else None,
    )
