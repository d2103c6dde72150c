"""An agent that acts for a person: minutes long, with no more than both hold (RFC 8693)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.keys.model import Key, KeyStatus, earlier
from doorward.server.keys.ports import KeyIndex, KeyTx
from doorward.server.keys.proving import KeyRefused, require_network
from doorward.server.keys.service import both
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import (
    API_KEY,
    DELEGATED_TOKEN,
    SESSION,
    Caller,
    Credential,
    Origin,
)
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope
from doorward.server.problems import ExchangeRefused, Json, NotAuthenticated, PermissionDenied

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="doorward", error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Delegation:
    """A token that was made: ``claims`` are what it says, ``scopes`` what it brings."""

    id: str
    claims: dict[str, Any]
    scopes: frozenset[Scope]
    expires_at: datetime


def delegate(
    tx: KeyTx,
    person: Caller,
    agent: Caller,
    *,
    scopes: frozenset[Scope] | None,
    lives_seconds: int,
) -> Delegation:
    """Make a token by which ``agent`` acts for ``person`` with what both hold.

    ``scopes`` narrow it further; it ends with the agent's key at the latest. Raises
    PermissionDenied for scopes that not both have, ExchangeRefused.
    """
    _require_pair(person, agent)
    key = tx.keys.get(agent.credential.id or "")
    until = None if key is None else key.bounds.expires_at
    held = person.scopes & agent.scopes
    _refuse_excess(scopes, held)
    expires_at = earlier(tx.now + timedelta(seconds=lives_seconds), until) or tx.now
    made = Delegation(
        id=tx.new_id("tok"),
        claims={},
        scopes=held if scopes is None else scopes,
        expires_at=expires_at,
    )
    made = replace(made, claims=_claims(made, person, agent, tx.now))
    details: dict[str, Json] = {"scopes": [*sorted(made.scopes)], "agent": agent.credential.id}
    record(tx, Attempt(Action.TOKEN_EXCHANGE, Target(None, "token", made.id), person, details))
    return made


class DelegationProver:
    """Says who acts for whom by a token, as its key stands now."""

    claim = "act"
    """What tells these tokens from others of ours."""

    def __init__(self, index: KeyIndex) -> None:
        self._index = index

    def caller(self, claims: dict[str, Any], origin: Origin, now: datetime) -> Caller:
        """Give the person for whom an agent acts, with the agent; raises KeyRefused, Busy."""
        key = self._index.by_id(claims["act"]["sub"])
        presented = Credential(DELEGATED_TOKEN, claims["jti"])
        if key is None or key.status(now) is not KeyStatus.ACTIVE:
            problem = NotAuthenticated(reason="key-ended", headers=CHALLENGE)
            raise KeyRefused(problem, presented)
        require_network(key, origin, presented)
        return _caller(claims, key, presented, origin)


def _require_pair(person: Caller, agent: Caller) -> None:
    if person.credential.kind != SESSION:
        raise ExchangeRefused("The subject_token is a person's session.", error="invalid_request")
    if agent.credential.kind != API_KEY:
        raise ExchangeRefused("The actor_token is an agent's key.", error="invalid_request")


def _refuse_excess(scopes: frozenset[Scope] | None, held: frozenset[Scope]) -> None:
    excess = sorted((scopes or frozenset()) - held)
    if excess:
        raise PermissionDenied(
            f"Not both the person and the key have: {', '.join(excess)}.",
            reason="excess",
            excess=[f"scope {scope}" for scope in excess],
            error="invalid_scope",
        )


def _claims(made: Delegation, person: Caller, agent: Caller, now: datetime) -> dict[str, Any]:
    claims = {
        "sub": person.user_id,
        "act": {"sub": agent.credential.id},
        "client_id": agent.credential.id,
        "jti": made.id,
        "iat": int(now.timestamp()),
        "exp": int(made.expires_at.timestamp()),
        "scope": " ".join(sorted(made.scopes)),
        "sid": person.credential.id,
        "proof_iat": person.issued_at,
        "workspaces": None if agent.workspaces is None else sorted(agent.workspaces),
    }
    if person.organization_id is not None and person.organization_role is not None:
        claims["org"] = {"id": person.organization_id, "role": person.organization_role.value}
    return {name: said for name, said in claims.items() if said is not None}


def _caller(claims: dict[str, Any], key: Key, presented: Credential, origin: Origin) -> Caller:
    agent = key.caller(origin)
    org = claims.get("org")
    listed = claims.get("workspaces")
    workspaces = None if listed is None else frozenset(listed)
    return Caller(
        user_id=claims["sub"],
        credential=presented,
        origin=origin,
        organization_id=org["id"] if org else None,
        organization_role=Role(org["role"]) if org else None,
        scopes=frozenset(Scope(scope) for scope in claims["scope"].split()) & agent.scopes,
        workspaces=both(workspaces, agent.workspaces),
        # As old as the proof that it stands on: what ended before that was proved, and is heard
        # of later, ends it too.
        issued_at=float(claims.get("proof_iat", 0)),
        lasting=True,
        agent=agent,
        grounds=(Credential(SESSION, claims.get("sid")),),
    )
