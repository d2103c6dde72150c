"""Decisions explained: made anew for a question, or replayed from the trail as they were made."""

from collections.abc import Callable
from dataclasses import dataclass

from doorward.server.audit.model import AuditEntry, AuditOutcome
from doorward.server.audit.service import DECISION
from doorward.server.files.service import find
from doorward.server.keys.model import Key, KeyStatus
from doorward.server.keys.service import find_key, get_key, own_key
from doorward.server.links.service import find_link
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import SESSION, Caller, Credential
from doorward.server.permission.judgement import Judgement
from doorward.server.permission.policy import Outcome, Step
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    DecisionNotFound,
    KeyEnded,
    PermissionDenied,
    Problem,
    RequestInvalid,
    WorkspaceNotFound,
)
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.service import find_upload
from doorward.server.workspaces.service import enter, require_outside

_ENTER = "door:enter"
_NOT_FOUND = 404
_BY_ITS_MAKER = frozenset({Action.KEY_UPDATE, Action.KEY_ROTATE})
_CREDENTIAL = Step("credential", "a credential that is good", passed=True)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What comes of an action on a resource, and the rules that say so."""

    outcome: Outcome
    rule: str
    missing: str | None
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Replay:
    """One attempt of the trail, with the steps of its decision as they were."""

    entry: AuditEntry
    steps: list[Step]


def explain(
    tx: UploadTx, who: Caller, action: Action, resource_id: str | None, of: str | None = None
) -> Explanation:
    """Say what would come of an action, by asking the very functions that decide it.

    ``of`` is whom it is asked about, a user or a key; None is the caller. Others are told about to
    whoever reads the trail of the resource's workspace. What the thing itself allows, such as its
    state or a quota, is not asked. Raises what the question itself may not see.
    """
    subject = who if of is None else _other(tx, who, resource_id, of)
    outcome, reason, missing = _ask(tx, subject, action, resource_id)
    judged = _judged(tx)
    steps = judged.steps() if judged is not None else []
    if outcome is not Outcome.ALLOWED and all(step.passed for step in steps):
        steps.append(Step(reason, "what is there for this caller", passed=False))
    if of is None:
        steps = _veiled(steps, hidden=outcome is Outcome.HIDDEN)
    rule = steps[-1].rule if outcome is not Outcome.ALLOWED else reason
    return Explanation(outcome, rule, missing, steps)


def replay(tx: UploadTx, who: Caller, request_id: str) -> list[Replay]:
    """Give what the trail has of a request, for whoever sent it or reads the workspace's trail.

    Raises DecisionNotFound.
    """
    found: list[Replay] = []
    for entry in tx.audit.of_request(request_id):
        if _reads_trail(tx, who, entry.workspace_id):
            found.append(Replay(entry, steps_of(entry)))
        elif _sent(who, entry):
            hidden = (entry.reason or "").endswith("not_found")
            found.append(Replay(entry, _veiled(steps_of(entry), hidden=hidden)))
    if not found:
        raise DecisionNotFound
    return found


def steps_of(entry: AuditEntry) -> list[Step]:
    """Tell the steps that led to an entry, the last of which decided."""
    if entry.action == _ENTER:
        passed = entry.outcome is AuditOutcome.ALLOWED
        return [Step(entry.reason or _CREDENTIAL.rule, _CREDENTIAL.asks, passed)]
    if entry.reason == "credential-kind":
        return [_CREDENTIAL, Step(entry.reason, "a kind that the operation takes", passed=False)]
    decision = entry.details.get(DECISION)
    judged = Judgement.of(decision).steps() if isinstance(decision, dict) else []
    steps = [_CREDENTIAL, *judged]
    if entry.reason is not None and all(step.passed for step in steps):
        steps.append(Step(entry.reason, "what the thing itself allows", passed=False))
    return steps


def _veiled(steps: list[Step], *, hidden: bool) -> list[Step]:
    """Tell whom a thing is hidden from no more than of a missing one."""
    if not hidden:
        return steps
    kept = [_CREDENTIAL] if _CREDENTIAL in steps else []
    return [*kept, Step("hidden", "what is there for this caller", passed=False)]


def _judged(tx: UploadTx) -> Judgement | None:
    return tx.judgement


def _ask(
    tx: UploadTx, who: Caller, action: Action, resource_id: str | None
) -> tuple[Outcome, str, str | None]:
    tx.judgement = None
    try:
        _asked_of(resource_id)(tx, who, action, resource_id or "")
    except RequestInvalid:
        raise
    except PermissionDenied as problem:
        missing = problem.extra.get("missing")
        return Outcome.REFUSED, problem.reason, missing if isinstance(missing, str) else None
    except Problem as problem:
        if problem.status == _NOT_FOUND:
            return Outcome.HIDDEN, problem.reason, None
    judged = _judged(tx)
    return Outcome.ALLOWED, judged.decision.rule if judged is not None else "scope", None


def _outside(tx: UploadTx, who: Caller, action: Action, _: str) -> None:
    if action.role is not None:
        raise RequestInvalid("This action is one on something: give the resource.")
    require_outside(tx, who, action)


def _key(tx: UploadTx, who: Caller, action: Action, key_id: str) -> None:
    (own_key if action in _BY_ITS_MAKER else find_key)(tx, who, action, key_id)


def _node(tx: UploadTx, who: Caller, action: Action, node_id: str) -> None:
    find(tx, who, action, node_id, binned=action is Action.FILE_RESTORE)


_BY_KIND: dict[str, Callable[[UploadTx, Caller, Action, str], object]] = {
    "ws": enter,
    "file": _node,
    "folder": _node,
    "up": find_upload,
    "link": find_link,
    "key": _key,
    "": _outside,
}


def _asked_of(resource_id: str | None) -> Callable[[UploadTx, Caller, Action, str], object]:
    kind = (resource_id or "").partition("_")[0]
    if kind not in _BY_KIND:
        raise RequestInvalid("A resource is the id of a workspace, file, upload, link or key.")
    return _BY_KIND[kind]


def _other(tx: UploadTx, who: Caller, resource_id: str | None, of: str) -> Caller:
    """Give somebody else as they stand towards a workspace whose trail the caller reads."""
    workspace_id = _workspace_of(tx, resource_id or "")
    standing = enter(tx, who, Action.AUDIT_READ, workspace_id or "")
    if of.startswith("key_"):
        return _counting(tx, get_key(tx, who, of)).caller(who.origin)
    return Caller(
        user_id=of,
        credential=Credential(SESSION, None),
        origin=who.origin,
        organization_id=standing.workspace.organization_id,
        # No more than what was seen of them counts, whatever they may hold.
        organization_role=Role.OWNER if standing.workspace.organization_id else None,
        lasting=True,
    )


def _counting(tx: UploadTx, key: Key) -> Key:
    """Give a key that opens something; raises KeyEnded."""
    status = key.status(tx.now)
    if status is not KeyStatus.ACTIVE:
        raise KeyEnded(key_status=status.value)
    return key


def _workspace_of(tx: UploadTx, resource_id: str) -> str | None:
    if resource_id.startswith("ws_"):
        return resource_id
    if resource_id.startswith("up_"):
        upload = tx.uploads.get(resource_id)
        return upload.workspace_id if upload else None
    if resource_id.startswith("link_"):
        link = tx.links.get(resource_id)
        return link.workspace_id if link else None
    return tx.files.workspace_of(resource_id)


def _sent(who: Caller, entry: AuditEntry) -> bool:
    """Say whether an entry is of the caller's own doing.

    A person who is there themselves sees what was done by any credential of theirs; a credential
    that may be bound sees its own.
    """
    if who.credential.kind != SESSION:
        return entry.credential_id == who.credential.id
    return who.user_id in {entry.actor_id, entry.on_behalf_of}


def _reads_trail(tx: UploadTx, who: Caller, workspace_id: str | None) -> bool:
    try:
        enter(tx, who, Action.AUDIT_READ, workspace_id or "")
    except (WorkspaceNotFound, PermissionDenied):
        return False
    return True
