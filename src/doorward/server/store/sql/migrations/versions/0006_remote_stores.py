"""Blobs on their way to a remote store, and uploads that go straight there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add notes of blobs that are being kept, and of multipart uploads."""
    op.create_table(
        "keeping_blobs",
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_keeping_blobs")),
    )
    op.create_index("ix_keeping_blobs_key", "keeping_blobs", ["key"], unique=False)
    op.create_table(
        "direct_uploads",
        sa.Column("upload_id", sa.String(), nullable=False),
        sa.Column("multipart_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_direct_uploads_upload_id")
        ),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_direct_uploads")),
    )
