"""Every attempt leaves exactly one entry: in its own transaction's fate, or in one of its own."""

from doorward.server.audit.model import Attempt, AuditEntry, AuditFilter, AuditOutcome
from doorward.server.audit.ports import Transaction
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.caller import Caller
from doorward.server.problems import Json, Problem, WebhookRefused

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
    denied = problem.status in _DENIED_STATUS or isinstance(problem, WebhookRefused)
    outcome = AuditOutcome.DENIED if denied else AuditOutcome.FAILED
    record(tx, attempt, outcome, problem.reason)


def _entry(
    tx: Transaction, attempt: Attempt, outcome: AuditOutcome, reason: str | None
) -> AuditEntry:
    who, target = attempt.who, attempt.target
    actor_type, actor_id, on_behalf_of = _actor(who)
    shown = (who.via or who.credential) if who else None
    return AuditEntry(
        id=tx.new_id("aud"),
        time=tx.now,
        action=attempt.action.name_ if attempt.action else "door:enter",
        outcome=outcome,
        reason=reason,
        actor_type=actor_type,
        actor_id=actor_id,
        credential_type=shown.kind if shown else None,
        credential_id=shown.id if shown else None,
        on_behalf_of=on_behalf_of,
        workspace_id=target.workspace_id,
        resource_type=target.kind,
        resource_id=target.id,
        resource_name=target.name,
        address=who.origin.address if who else None,
        agent=who.origin.agent if who else None,
        request_id=who.origin.request_id if who else None,
        details=_details(tx, attempt),
    )


def _details(tx: Transaction, attempt: Attempt) -> dict[str, Json]:
    """Give what the trail tells beside, with what the decision was made from."""
    judgement = attempt.judgement or tx.judgement
    if judgement is None or judgement.action is not attempt.action:
        return attempt.details
    return attempt.details | {DECISION: judgement.stored()}


def _actor(who: Caller | None) -> tuple[str, str | None, str | None]:
    """Give who acted, by kind and id, and for whom, where that is somebody else."""
    if who is None or not who.user_id:
        return "anonymous", None, None
    if who.agent is not None:
        return "agent", who.agent.credential.id, who.user_id
    if who.client_id is not None:
        return "client", who.client_id, who.user_id
    return "user", who.user_id, None


def list_entries(tx: Transaction, where: AuditFilter, page: Page) -> Listed[AuditEntry]:
    """List entries newest first; who may see which is the caller's to have decided."""
    rows = tx.audit.page(where, page)
    return listed(rows, page, lambda entry: (str(entry.sequence),))
