"""Uploads that are held by one request at a time, and quota that is reserved for them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add who holds an upload, and how much of a workspace's quota is promised."""
    op.add_column("uploads", sa.Column("holder", sa.String(), nullable=True))
    op.add_column(
        "workspaces",
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    )
    # What an open upload declared before there were reservations is promised from now on.
    op.execute(
        "UPDATE workspaces SET reserved_bytes = coalesce((SELECT sum("
        "json_extract(declared, '$.size')) FROM uploads WHERE uploads.workspace_id = workspaces.id "
        "AND status IN ('pending', 'receiving')), 0)"
    )
