"""The audit trail becomes chains of hashes, those rows too that are there, and append-only."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_AT_ONCE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS = sa.text(
    "SELECT a.*, CASE "
    "WHEN w.organization_id IS NOT NULL THEN 'organization:' || w.organization_id "
    "WHEN w.id IS NOT NULL THEN 'user:' || coalesce(w.home_of, w.created_by) "
    "WHEN a.actor_id IS NOT NULL THEN 'user:' || a.actor_id ELSE 'house' END AS chain "
    "FROM audit_old a LEFT JOIN workspaces w ON w.id = a.workspace_id "
    "WHERE a.sequence > :after ORDER BY a.sequence LIMIT :limit"
)
_TAKEN = (
    "EXISTS (SELECT 1 FROM audit WHERE sequence = NEW.sequence) OR EXISTS "
    "(SELECT 1 FROM audit WHERE chain = NEW.chain AND position = NEW.position)"
)
_TABLES = {
    # Of the trail, what a proof covers may go; of proofs, nothing.
    "audit": (
        "NOT EXISTS (SELECT 1 FROM audit_proofs WHERE chain = OLD.chain AND last >= OLD.position)",
        _TAKEN,
    ),
    "audit_proofs": (
        "true",
        "EXISTS (SELECT 1 FROM audit_proofs WHERE chain = NEW.chain AND last = NEW.last)",
    ),
}


def upgrade() -> None:
    """Make the tables anew, and chain every row in its order."""
    op.execute("DROP INDEX ix_audit_workspace")
    op.execute("DROP INDEX ix_audit_actor")
    op.rename_table("audit", "audit_old")
    audit = _make_tables()
    _chain(op.get_bind(), audit)
    op.drop_table("audit_old")
    for table, (no_delete, no_replace) in _TABLES.items():
        _refuse(table, "UPDATE", "true")
        _refuse(table, "DELETE", no_delete)
        _refuse(table, "INSERT", no_replace)  # OR REPLACE deletes, and no trigger hears of it


def _refuse(table: str, what: str, when: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{what.lower()} BEFORE {what} ON {table} WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _make_tables() -> sa.Table:
    texts = (
        "on_behalf_of", "workspace_id", "resource_type", "resource_id", "resource_name",
        "address", "agent", "request_id",
    )  # fmt: skip
    audit = op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("actor_type", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=True),
        sa.Column("credential_type", sa.String(), nullable=True),
        sa.Column("credential_id", sa.String(), nullable=True),
        *[sa.Column(name, sa.String(), nullable=True) for name in texts],
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_workspace", "audit", ["workspace_id", "sequence"])
    op.create_index("ix_audit_actor", "audit", ["actor_id", "sequence"])
    op.create_index("uq_audit_position", "audit", ["chain", "position"], unique=True)
    op.create_table(
        "audit_proofs",
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "last", name="pk_audit_proofs"),
    )
    return audit


def _chain(connection: sa.Connection, audit: sa.Table) -> None:
    """Copy the rows in steps, each with its place in its chain and the hash of all before it."""
    ends: dict[str, tuple[int, str]] = {}
    columns = [column.name for column in audit.columns]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(f":{name}" for name in columns)
    add = sa.text(f"INSERT INTO audit ({names}) VALUES ({values})")  # noqa: S608 - our own names
    after = 0
    while rows := connection.execute(_ROWS, {"after": after, "limit": _AT_ONCE}).mappings().all():
        connection.execute(add, [_chained(dict(row), ends) for row in rows])
        after = rows[-1]["sequence"]


def _chained(row: dict[str, Any], ends: dict[str, tuple[int, str]]) -> dict[str, Any]:
    """Give a row with its place and its hash, as the format of this revision has it for ever."""
    chain = row["chain"]
    before, previous = ends.get(chain, (0, _sha256(f"doorward-audit-1:{chain}".encode())))
    details = json.loads(row["details"])
    time = (_EPOCH + timedelta(microseconds=row["time"])).isoformat(timespec="microseconds")
    row["position"] = before + 1
    told = row | {"details": details, "time": time.replace("+00:00", "Z")}
    content = _canonical({name: value for name, value in told.items() if value is not None})
    row["hash"] = _sha256(bytes.fromhex(previous + _sha256(content.encode())))
    row["details"] = _canonical(details)
    ends[chain] = (before + 1, row["hash"])
    return row


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()
