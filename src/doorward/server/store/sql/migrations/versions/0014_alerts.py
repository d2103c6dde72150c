"""Alerts, from where keys are used, and a way to the latest refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables and indexes."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("usual", sa.Float(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_subject", "alerts", ["kind", "subject", "first_at"], unique=False)
    op.create_index(
        "ix_alerts_workspace", "alerts", ["workspace_id", "first_at", "id"], unique=False
    )
    op.create_table(
        "key_networks",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_networks_key_id"),
        sa.PrimaryKeyConstraint("key_id", "network", name="pk_key_networks"),
    )
    op.create_index(
        "ix_audit_refused",
        "audit",
        ["time"],
        unique=False,
        sqlite_where=sa.text("outcome != 'allowed'"),
    )
    op.create_index(
        "ix_audit_uploaded",
        "audit",
        ["time"],
        unique=False,
        sqlite_where=sa.text("action = 'upload:finish' AND outcome = 'allowed'"),
    )
