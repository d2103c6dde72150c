"""Every attempt leaves exactly one entry: in its own transaction's fate, or in one of its own."""

from typing import NamedTuple

from doorward.server.audit.model import (
    HOUSE_CHAIN,
    Attempt,
    AuditEntry,
    AuditFilter,
    AuditOutcome,
    organization_chain,
    user_chain,
)
from doorward.server.audit.ports import Transaction
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import Json, OAuthRefused, Problem, WebhookRefused

DECISION = "decision"
_DENIED_STATUS = frozenset({401, 402, 403, 404, 410, 429})


def record(
    tx: Transaction,
    attempt: Attempt,
    outcome: AuditOutcome = AuditOutcome.ALLOWED,
    reason: str | None = None,
) -> None:
    """Append the attempt with its outcome to the trail, in this transaction."""
    tx.audit.add([_entry(tx, attempt, outcome, reason)])


def record_problem(tx: Transaction, attempt: Attempt, problem: Problem) -> None:
    """Append an attempt that came to ``problem``: denied by the door, or failed beyond it."""
    denied = problem.status in _DENIED_STATUS or isinstance(problem, WebhookRefused | OAuthRefused)
    outcome = AuditOutcome.DENIED if denied else AuditOutcome.FAILED
    record(tx, attempt, outcome, problem.reason)


def _entry(
    tx: Transaction, attempt: Attempt, outcome: AuditOutcome, reason: str | None
) -> AuditEntry:
    who, target = attempt.who, attempt.target
    named = _named(who)
    return AuditEntry(
        id=tx.new_id("aud"),
        time=tx.now,
        action=attempt.action.name_ if attempt.action else "door:enter",
        outcome=outcome,
        reason=reason,
        actor_type=named.actor_type,
        actor_id=named.actor_id,
        credential_type=named.credential.kind if named.credential else None,
        credential_id=named.credential.id if named.credential else None,
        on_behalf_of=named.on_behalf_of,
        workspace_id=target.workspace_id,
        resource_type=target.kind,
        resource_id=target.id,
        resource_name=target.name,
        address=who.origin.address if who else None,
        agent=who.origin.agent if who else None,
        request_id=who.origin.request_id if who else None,
        details=_details(tx, attempt),
        chain=_chain_of(who),
    )


def _details(tx: Transaction, attempt: Attempt) -> dict[str, Json]:
    """Give what the trail tells beside, with what the decision was made from."""
    judgement = attempt.judgement or tx.judgement
    if judgement is None or judgement.action is not attempt.action:
        return attempt.details
    return attempt.details | {DECISION: judgement.stored()}


class _Named(NamedTuple):
    """How the trail names whoever asked."""

    actor_type: str
    actor_id: str | None
    credential: Credential | None
    on_behalf_of: str | None = None


def _named(who: Caller | None) -> _Named:
    """Name a caller: the one place that knows how each kind of credential is told."""
    if who is None:
        return _Named("anonymous", None, None)
    shown = who.via or who.credential
    if not who.user_id:
        return _Named("anonymous", None, shown)
    if who.agent is not None:
        return _Named("agent", who.agent.credential.id, shown, who.user_id)
    if who.client_id is not None:
        return _Named("client", who.client_id, shown, who.user_id)
    return _Named("user", who.user_id, shown)


def _chain_of(who: Caller | None) -> str:
    """Give the chain of what names no workspace: the caller's organization's, or their own."""
    if who is None or not who.user_id:
        return HOUSE_CHAIN
    if who.organization_id is not None:
        return organization_chain(who.organization_id)
    return user_chain(who.user_id)


def list_entries(tx: Transaction, where: AuditFilter, page: Page) -> Listed[AuditEntry]:
    """List entries newest first; who may see which is the caller's to have decided."""
    rows = tx.audit.page(where, page)
    return listed(rows, page, lambda entry: (str(entry.sequence),))
