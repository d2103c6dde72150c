"""One line of the audit trail."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.judgement import Judgement
from doorward.server.problems import Json

HOUSE_CHAIN = "house"
"""The chain of what belongs to nobody, such as refusals of strangers at the door."""


def organization_chain(organization_id: str) -> str:
    """Name the chain of all that happens in an organization."""
    return f"organization:{organization_id}"


def user_chain(user_id: str) -> str:
    """Name the chain of a person's own workspaces, and of what they do outside of any."""
    return f"user:{user_id}"


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


class AuditEntry(NamedTuple):
    """One attempt with its outcome, as stored.

    ``chain`` is that of whoever asked; where a workspace is named, the store puts the entry into
    that workspace's chain. The store gives the last three.
    """

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
    chain: str = HOUSE_CHAIN
    sequence: int | None = None
    position: int | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; every field narrows, None does not."""

    workspace_id: str | None = None
    chain: str | None = None
    actor_id: str | None = None
    credential_id: str | None = None
    action: str | None = None
    outcome: AuditOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None


class ChainEnd(NamedTuple):
    """A row's place and hash; position 0 stands before the first."""

    chain: str
    position: int
    hash: str


class ChainRow(NamedTuple):
    """A row as its chain has it: what is hashed, and the hash."""

    content: dict[str, Any]
    hash: str
