"""Every attempt leaves exactly one entry: in its own transaction's fate, or in one of its own."""

from doorward.server.audit.model import Attempt, AuditEntry, AuditFilter, AuditOutcome
from doorward.server.audit.ports import Transaction
from doorward.server.paging import Listed, Page, listed
from doorward.server.problems import Problem, WebhookRefused

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
    known = who is not None and bool(who.user_id)
    shown = (who.via or who.credential) if who else None
    return AuditEntry(
        id=tx.new_id("aud"),
        time=tx.now,
        action=attempt.action.name_ if attempt.action else "door:enter",
        outcome=outcome,
        reason=reason,
        actor_type="user" if known else "anonymous",
        actor_id=who.user_id if who and known else None,
        credential_type=shown.kind if shown else None,
        credential_id=shown.id if shown else None,
        on_behalf_of=None,
        workspace_id=target.workspace_id,
        resource_type=target.kind,
        resource_id=target.id,
        resource_name=target.name,
        address=who.origin.address if who else None,
        agent=who.origin.agent if who else None,
        request_id=who.origin.request_id if who else None,
        details=attempt.details,
    )


def list_entries(tx: Transaction, where: AuditFilter, page: Page) -> Listed[AuditEntry]:
    """List entries newest first; who may see which is the caller's to have decided."""
    rows = tx.audit.page(where, page)
    return listed(rows, page, lambda entry: (str(entry.sequence),))
