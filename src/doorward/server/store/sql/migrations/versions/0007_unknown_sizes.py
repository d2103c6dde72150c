"""Uploads whose size is learned after they were declared, and what is promised to each."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_uploads = sa.table(
    "uploads",
    sa.column("declared", sa.JSON()),
    sa.column("status", sa.String()),
    sa.column("size", sa.BigInteger()),
    sa.column("promised_bytes", sa.BigInteger()),
)


def upgrade() -> None:
    """Keep the size and the promise of an upload beside what its client declared."""
    op.add_column("uploads", sa.Column("size", sa.BigInteger(), nullable=True))
    op.add_column(
        "uploads",
        sa.Column("promised_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    )
    # Until now every size was declared, and promised while the upload was open.
    declared = sa.cast(_uploads.c.declared["size"].as_string(), sa.BigInteger())
    op.execute(sa.update(_uploads).values(size=declared))
    still_open = _uploads.c.status.in_(["pending", "receiving"])
    op.execute(sa.update(_uploads).where(still_open).values(promised_bytes=_uploads.c.size))
