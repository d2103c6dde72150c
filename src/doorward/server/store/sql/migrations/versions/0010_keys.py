"""API keys, the digests of their secrets, and the way from a request to its decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("maker_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=True),
        sa.Column("made_by", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("workspaces", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("networks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("budgets", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("rotate_every_seconds", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_from", sa.String(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_index("ix_keys_maker", "keys", ["maker_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_keys_organization", "keys", ["organization_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "key_secrets",
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_secrets_key_id"),
        sa.PrimaryKeyConstraint("handle", name="pk_key_secrets"),
    )
    op.create_index("ix_key_secrets_key", "key_secrets", ["key_id", "created_at"], unique=False)
    op.create_index("ix_key_secrets_expires_at", "key_secrets", ["expires_at"], unique=False)
    op.create_index("ix_audit_request_id", "audit", ["request_id"], unique=False)
