"""One line of the audit trail."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.judgement import Judgement
from doorward.server.problems import Json


class AuditOutcome(StrEnum):
    """What came of an attempt."""

    ALLOWED = "allowed"
    DENIED = "denied"  # refused by the door or the policy
    FAILED = "failed"  # permitted, and not done


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked about, as far as it is known at the time."""

    workspace_id: str | None = None
    kind: str | None = None
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody asking for something: known before anything is decided.

    ``who`` is None where nobody could be identified, ``judgement`` where nothing was decided
    yet, or in the transaction that records it.
    """

    action: Action | None
    target: Target = field(default_factory=Target)
    who: Caller | None = None
    details: dict[str, Json] = field(default_factory=dict)
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One attempt with its outcome, as stored."""

    id: str
    time: datetime
    action: str
    outcome: AuditOutcome
    reason: str | None
    actor_type: str
    actor_id: str | None
    credential_type: str | None
    credential_id: str | None
    on_behalf_of: str | None
    workspace_id: str | None
    resource_type: str | None
    resource_id: str | None
    resource_name: str | None
    address: str | None
    agent: str | None
    request_id: str | None
    details: dict[str, Json]
    sequence: int | None = None  # given by the store


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; every field narrows, None does not."""

    workspace_id: str | None = None
    actor_id: str | None = None
    credential_id: str | None = None
    action: str | None = None
    outcome: AuditOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None
