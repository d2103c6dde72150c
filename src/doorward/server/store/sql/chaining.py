"""How entries become rows of their chains; only for whoever holds the write lock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from doorward.server.audit.chain import genesis
from doorward.server.audit.model import AuditEntry, organization_chain, user_chain

_COLUMNS = (
    "id", "time", "action", "outcome", "reason", "actor_type", "actor_id", "credential_type",
    "credential_id", "on_behalf_of", "workspace_id", "resource_type", "resource_id",
    "resource_name", "address", "agent", "request_id", "details",
    "chain", "sequence", "position", "hash",
)  # fmt: skip
_ADD = f"INSERT INTO audit ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_LAST_SEQUENCE = (
    "SELECT max(coalesce((SELECT max(sequence) FROM audit), 0), "
    "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0))"
)
_LAST = "SELECT position, hash FROM audit WHERE chain = ? ORDER BY position DESC LIMIT 1"
_LAST_PRUNED = "SELECT last, hash FROM audit_proofs WHERE chain = ? ORDER BY last DESC LIMIT 1"
_OWNER = "SELECT organization_id, coalesce(home_of, created_by) FROM workspaces WHERE id = ?"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Held(NamedTuple):
    """An entry for a chain, with its details as the column has them."""

    chain: str
    entry: AuditEntry
    details: str


class _Content(msgspec.Struct, omit_defaults=True, gc=False):
    """A row's content, sorted by names: what ``canonical`` gives of it, sooner."""

    action: str = ""
    actor_id: str | None = None
    actor_type: str = ""
    address: str | None = None
    agent: str | None = None
    chain: str = ""
    credential_id: str | None = None
    credential_type: str | None = None
    details: msgspec.Raw = msgspec.Raw()
    id: str = ""
    on_behalf_of: str | None = None
    outcome: str = ""
    position: int = 0
    reason: str | None = None
    request_id: str | None = None
    resource_id: str | None = None
    resource_name: str | None = None
    resource_type: str | None = None
    sequence: int = 0
    time: str = ""
    workspace_id: str | None = None


_encode = msgspec.json.Encoder().encode


def append(database: Connection, held: Sequence[Held]) -> None:
    """Add entries to the ends of their chains, in their order, by one statement."""
    (sequence,) = database.execute(_LAST_SEQUENCE).fetchone()
    ends: dict[str, tuple[int, bytes]] = {}
    times: dict[datetime, tuple[int, str]] = {}
    rows = []
    for one in held:
        sequence += 1
        last, previous = ends.get(one.chain) or _end(database, one.chain)
        time = one.entry.time
        when = times.get(time) or times.setdefault(time, _told(time))
        content = _encode(_content(one, when[1], sequence, last + 1))
        hash_ = sha256(previous + sha256(content).digest()).digest()
        ends[one.chain] = (last + 1, hash_)
        rows.append(_row(one, when[0], sequence, last + 1, hash_.hex()))
    database.executemany(_ADD, rows)


def last_of(database: Connection, chain: str) -> tuple[int, str]:
    """Give position and hash of a chain's last row, there or pruned."""
    found = database.execute(_LAST, (chain,)).fetchone()
    found = found or database.execute(_LAST_PRUNED, (chain,)).fetchone()
    return found or (0, genesis(chain))


def chain_of_workspace(database: Connection, workspace_id: str) -> str | None:
    """Give the chain of a workspace, deleted or not, None where there never was one."""
    found = database.execute(_OWNER, (workspace_id,)).fetchone()
    if found is None:
        return None
    organization_id, owner_id = found
    return organization_chain(organization_id) if organization_id else user_chain(owner_id)


def _end(database: Connection, chain: str) -> tuple[int, bytes]:
    position, hash_ = last_of(database, chain)
    return position, bytes.fromhex(hash_)


def _content(one: Held, time: str, sequence: int, position: int) -> _Content:
    entry = one.entry
    return _Content(
        entry.action,
        entry.actor_id,
        entry.actor_type,
        entry.address,
        entry.agent,
        one.chain,
        entry.credential_id,
        entry.credential_type,
        msgspec.Raw(one.details),
        entry.id,
        entry.on_behalf_of,
        entry.outcome,
        position,
        entry.reason,
        entry.request_id,
        entry.resource_id,
        entry.resource_name,
        entry.resource_type,
        sequence,
        time,
        entry.workspace_id,
    )


def _row(one: Held, time: int, sequence: int, position: int, hash_: str) -> tuple[object, ...]:
    """Give what the columns take: an entry's own fields are in their order."""
    own = one.entry[2:17]
    return (one.entry.id, time, *own, one.details, one.chain, sequence, position, hash_)


def _told(time: datetime) -> tuple[int, str]:
    """Give a time as the column has it, in microseconds, and as the content has it."""
    delta = time - _EPOCH
    microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return microseconds, time.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
