"""Why somebody may or may not: asked beforehand, or replayed from the trail."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from doorward.server.audit.model import AuditOutcome, Target
from doorward.server.decisions import service as decisions
from doorward.server.decisions.service import Replay
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.schemas import CredentialOut, IdText, ListOut, Out
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import API_KEY, Caller
from doorward.server.permission.policy import Outcome, Step
from doorward.server.problems import (
    DecisionNotFound,
    KeyEnded,
    KeyNotFound,
    PermissionDenied,
    RequestInvalid,
    WorkspaceNotFound,
)

rest = Operations("decisions")
RequestId = Annotated[str, Path(max_length=80, description="`req_…`, from X-Request-Id.")]


class StepOut(Out):
    """One rule that was asked."""

    rule: str
    asks: str
    passed: bool

    @classmethod
    def of(cls, step: Step) -> "StepOut":
        """Present a step."""
        return cls(rule=step.rule, asks=step.asks, passed=step.passed)


class ExplanationOut(Out):
    """What comes of an action: allowed, refused with what is missing, or hidden."""

    principal: str
    action: str
    resource: str | None
    outcome: Outcome
    rule: str
    missing: str | None
    steps: list[StepOut]


class ReplayOut(Out):
    """One attempt of a request, and the steps that led to its outcome."""

    id: str
    time: datetime
    action: str
    outcome: AuditOutcome
    reason: str | None
    actor: CredentialOut
    credential: CredentialOut | None
    on_behalf_of: str | None
    workspace_id: str | None
    resource: CredentialOut | None
    steps: list[StepOut]

    @classmethod
    def of(cls, replay: Replay) -> "ReplayOut":
        """Present a replay."""
        entry = replay.entry
        return cls(
            id=entry.id,
            time=entry.time,
            action=entry.action,
            outcome=entry.outcome,
            reason=entry.reason,
            actor=CredentialOut(type=entry.actor_type, id=entry.actor_id),
            credential=_thing(entry.credential_type, entry.credential_id),
            on_behalf_of=entry.on_behalf_of,
            workspace_id=entry.workspace_id,
            resource=_thing(entry.resource_type, entry.resource_id),
            steps=[StepOut.of(step) for step in replay.steps],
        )


def _thing(type_: str | None, id_: str | None) -> CredentialOut | None:
    return None if type_ is None else CredentialOut(type=type_, id=id_)


@rest.operation(
    "GET",
    "/explain",
    accepts=EVERYBODY,
    action=Action.EXPLAIN,
    raises=(PermissionDenied, WorkspaceNotFound, KeyNotFound, KeyEnded),
)
async def explain_decision(
    call: CallDep,
    action: Annotated[IdText, Query(description="Such as `file:delete`.")],
    resource: Annotated[IdText | None, Query(description="A workspace, file, upload…")] = None,
    principal: Annotated[
        IdText | None, Query(description="A user or key; left out, the one that asks.")
    ] = None,
) -> ExplanationOut:
    """Say what would come of an action on a resource, and which rule decides.

    About others only whoever reads the trail of the resource's workspace is told.
    """
    asked = _action(action)
    found = await call.look(
        lambda tx: decisions.explain(tx, call.who, asked, resource, principal),
        Target(None, "decision", None, action),
    )
    return ExplanationOut(
        principal=principal or _named(call.who),
        action=action,
        resource=resource,
        outcome=found.outcome,
        rule=found.rule,
        missing=found.missing,
        steps=[StepOut.of(step) for step in found.steps],
    )


@rest.operation(
    "GET",
    "/requests/{request_id}/decisions",
    accepts=EVERYBODY,
    action=Action.EXPLAIN,
    raises=(PermissionDenied, DecisionNotFound),
)
async def replay_request(call: CallDep, request_id: RequestId) -> ListOut[ReplayOut]:
    """Replay what was decided for a request, step by step, as it was decided then."""
    await call.house.store.write(lambda _: None)  # what was posted before is in the trail then
    found = await call.look(lambda tx: decisions.replay(tx, call.who, request_id))
    return ListOut(data=[ReplayOut.of(row) for row in found], next_cursor=None)


def _named(who: Caller) -> str:
    return who.credential.id or "" if who.credential.kind == API_KEY else who.user_id


def _action(name: str) -> Action:
    try:
        return Action.named(name)
    except KeyError:
        known = ", ".join(action.name_ for action in Action)
        raise RequestInvalid(f"There is no action {name!r}. There are {known}.") from None
