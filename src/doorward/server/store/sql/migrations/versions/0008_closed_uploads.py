"""When uploads ended, so that their rows can go, and what counts those that are open."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Note when uploads ended: those that did before now, by the end of their lives."""
    op.add_column("uploads", sa.Column("closed_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE uploads SET closed_at = expires_at WHERE status NOT IN ('pending', 'receiving')"
    )
    op.create_index(
        "ix_uploads_closed_at",
        "uploads",
        ["closed_at"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NOT NULL"),
    )
    op.create_index("ix_uploads_workspace", "uploads", ["workspace_id", "status"], unique=False)
