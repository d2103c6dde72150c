"""Signed URLs handed out: listed, counted, narrowed and killed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add links and their uses; upload URLs of before end, and a renewal gives new ones."""
    op.create_table(
        "links",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("workspace_id", sa.String(), nullable=False),
        sa.Column("resource_kind", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.Column("resource_name", sa.String(), nullable=False),
        sa.Column("maker_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("uses_max", sa.BigInteger(), nullable=True),
        sa.Column("bytes_max", sa.BigInteger(), nullable=True),
        sa.Column("networks", sa.JSON(), nullable=True),
        sa.Column("version_id", sa.String(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("killed_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tries_since", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_links_workspace_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
    )
    op.create_index("ix_links_expires_at", "links", ["expires_at"], unique=False)
    op.create_index("ix_links_maker", "links", ["maker_id", "created_at", "id"], unique=False)
    op.create_index("ix_links_resource", "links", ["resource_id"], unique=False)
    op.create_index(
        "ix_links_workspace", "links", ["workspace_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "link_uses",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("bytes_left", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_link_uses_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_uses")),
    )
    op.create_index("ix_link_uses_client", "link_uses", ["link_id", "client"], unique=False)
    op.add_column("uploads", sa.Column("link_id", sa.String(), nullable=True))
