"""Blobs that several versions share, that go after a grace, and that are known to be damaged."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Say when a blob may go, what it held, what each version counts, and what is damaged."""
    for column in (
        sa.Column("due_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("going", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("workspace_id", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
    ):
        op.add_column("doomed_blobs", column)
    op.create_index("ix_doomed_blobs_due_at", "doomed_blobs", ["due_at"])
    op.create_index("ix_doomed_blobs_content", "doomed_blobs", ["workspace_id", "digest", "size"])
    op.create_table(
        "damaged_blobs",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_damaged_blobs")),
    )
    op.create_index("ix_versions_content", "versions", ["workspace_id", "digest", "size"])
    op.create_index(
        "ix_nodes_binned",
        "nodes",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.add_column(
        "versions", sa.Column("counted_bytes", sa.BigInteger(), nullable=False, server_default="0")
    )
    # Until now a version that came back had its file's older blob, and only the first was counted.
    op.execute(
        "UPDATE versions SET counted_bytes = size WHERE number = (SELECT min(first.number) FROM "
        "versions AS first WHERE first.file_id = versions.file_id "
        "AND first.blob_key = versions.blob_key)"
    )
    op.add_column("workspaces", sa.Column("policy", sa.JSON(none_as_null=True), nullable=True))
