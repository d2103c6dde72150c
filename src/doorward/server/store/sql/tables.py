"""Every table, as SQLAlchemy Core describes it; the migrations build the same."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, kept as whole microseconds since 1970: it sorts, and loses nothing."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store whole microseconds."""
        del dialect
        if value is None:
            return None
        delta = value - _EPOCH
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Read whole microseconds."""
        del dialect
        return (
            None
            if value is None
            else datetime.fromtimestamp(value // 1_000_000, UTC).replace(
                microsecond=value % 1_000_000
            )
        )


ROOT = ""
"""The ``parent_id`` of what lies at the root: not NULL, so that unique indexes cover it."""

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("organization_id", String),
    Column("home_of", String, unique=True),
    Column("created_by", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    Column("quota_bytes", BigInteger, nullable=False),
    Column("reserved_bytes", BigInteger, nullable=False, server_default="0"),
    Column("deleted_at", Instant),
    Column("policy", JSON(none_as_null=True)),
    Index("ix_workspaces_organization_id", "organization_id"),
    Index("ix_workspaces_created_by", "created_by"),
)

usage = Table(
    "usage",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("month", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Index("ix_members_user_id", "user_id"),
    Index("ix_members_expires_at", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id"), nullable=False),
    Column("parent_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version_id", String),
    Column("version", Integer, nullable=False),
    Column("blob_key", String),
    Column("size", BigInteger),
    Column("digest", String),
    Column("sha256", String),
    Column("content_type", String),
    Column("metadata", JSON(none_as_null=True)),
    Column("deleted_at", Instant),
    Column("deleted_by", String),
    Column("bin_root_id", String),
    # One live name per folder, whatever else is raced; the bin may hold many of a name.
    Index(
        "uq_nodes_live_name",
        "workspace_id",
        "parent_id",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
    ),
    Index("ix_nodes_parent", "workspace_id", "parent_id", "name", "id"),
    Index(
        "ix_nodes_bin",
        "workspace_id",
        "bin_root_id",
        sqlite_where=text("deleted_at IS NOT NULL"),
    ),
    Index("ix_nodes_binned", "deleted_at", sqlite_where=text("deleted_at IS NOT NULL")),
)

versions = Table(
    "versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("file_id", ForeignKey("nodes.id"), nullable=False),
    Column("workspace_id", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("blob_key", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("sha256", String),
    Column("content_type", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("uq_versions_number", "file_id", "number", unique=True),
    # What the version took of the quota, so that exactly as much is freed with it.
    Column("counted_bytes", BigInteger, nullable=False, server_default="0"),
    Index("ix_versions_blob_key", "blob_key"),
    Index("ix_versions_content", "workspace_id", "digest", "size"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id"), nullable=False),
    Column("declared", JSON, nullable=False),
    Column("bought_by", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("promised_bytes", BigInteger, nullable=False, server_default="0"),
    Column("blob_key", String),
    Column("holder", String),
    Column("file_id", String),
    Column("link_id", String),
    Column("failure", String),
    Column("created_at", Instant, nullable=False),
    Column("url_expires_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(
        "ix_uploads_open",
        "status",
        "expires_at",
        sqlite_where=text("status IN ('pending', 'receiving')"),
    ),
    Column("closed_at", Instant),
    Index("ix_uploads_closed_at", "closed_at", sqlite_where=text("closed_at IS NOT NULL")),
    Index("ix_uploads_workspace", "workspace_id", "status"),
)

links = Table(
    "links",
    metadata,
    Column("id", String, primary_key=True),
    Column("direction", String, nullable=False),
    Column("workspace_id", ForeignKey("workspaces.id"), nullable=False),
    Column("resource_kind", String, nullable=False),
    Column("resource_id", String, nullable=False),
    Column("resource_name", String, nullable=False),
    Column("maker_id", String, nullable=False),
    Column("made_by", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("uses_max", BigInteger),
    Column("bytes_max", BigInteger),
    Column("networks", JSON(none_as_null=True)),
    Column("version_id", String),
    Column("disposition", String, nullable=False),
    Column("password", String),
    Column("uses", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("last_used_at", Instant),
    Column("killed_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("tries_since", Instant),
    Index("ix_links_workspace", "workspace_id", "created_at", "id"),
    Index("ix_links_maker", "maker_id", "created_at", "id"),
    Index("ix_links_resource", "resource_id"),
    Index("ix_links_expires_at", "expires_at"),
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id"), nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("offered_by", String, nullable=False),
    Column("made_by", JSON, nullable=False),
    Column("to_user_id", String),
    Column("destination", String, nullable=False),
    Column("keeps", String),
    Column("keeps_seconds", BigInteger),
    Column("offered_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", String, nullable=False),
    Column("claimed_by", String),
    Column("claimed_at", Instant),
    Column("undo_until", Instant),
    Column("organization_before", String),
    Column("ended_by", String),
    Column("ended_at", Instant),
    # The order of a workspace's hand-overs: one is open at a time, and times may be equal.
    Column("number", Integer, nullable=False),
    Index("uq_transfers_number", "workspace_id", "number", unique=True),
    # One open offer of a workspace, whatever else is raced.
    Index(
        "uq_transfers_open",
        "workspace_id",
        unique=True,
        sqlite_where=text("state = 'offered'"),
        postgresql_where=text("state = 'offered'"),
    ),
    Index("ix_transfers_state", "state", "expires_at"),
)

transfer_members = Table(
    "transfer_members",
    metadata,
    Column("transfer_id", ForeignKey("transfers.id"), primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("workspace_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("expires_at", Instant),
)

link_uses = Table(
    "link_uses",
    metadata,
    Column("id", String, primary_key=True),
    Column("link_id", ForeignKey("links.id"), nullable=False),
    Column("client", String, nullable=False),
    Column("bytes_left", BigInteger, nullable=False),
    Index("ix_link_uses_client", "link_id", "client"),
)

doomed_blobs = Table(
    "doomed_blobs",
    metadata,
    Column("key", String, primary_key=True),
    Column("due_at", Instant, nullable=False, server_default="0"),
    # Once the bytes are going, nothing may name them any more.
    Column("going", Boolean, nullable=False, server_default="0"),
    # What the blob held, for whoever sends the same again before it is due.
    Column("workspace_id", String),
    Column("digest", String),
    Column("size", BigInteger),
    Index("ix_doomed_blobs_due_at", "due_at"),
    Index("ix_doomed_blobs_content", "workspace_id", "digest", "size"),
)

damaged_blobs = Table(
    "damaged_blobs",
    metadata,
    Column("key", String, primary_key=True),
    Column("found_at", Instant, nullable=False),
    Column("reason", String, nullable=False),
)

events = Table(
    "events",
    metadata,
    # ``sqlite_autoincrement`` below: a number that a reader has seen never comes again.
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("workspace_id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("subject_id", String, nullable=False),
    Column("time", Instant, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_events_workspace", "workspace_id", "sequence"),
    Index("ix_events_subject", "subject_id", "type"),
    Index("ix_events_time", "time"),
    sqlite_autoincrement=True,
)

keeping_blobs = Table(
    "keeping_blobs",
    metadata,
    Column("holder", String, primary_key=True),
    Column("key", String, nullable=False),
    Index("ix_keeping_blobs_key", "key"),
)

direct_uploads = Table(
    "direct_uploads",
    metadata,
    Column("upload_id", ForeignKey("uploads.id"), primary_key=True),
    Column("multipart_id", String, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("maker_id", String, nullable=False),
    Column("organization_id", String),
    Column("made_by", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("workspaces", JSON(none_as_null=True)),
    Column("networks", JSON(none_as_null=True)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("budgets", JSON(none_as_null=True)),
    Column("rotate_every_seconds", BigInteger),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("last_used_from", String),
    Column("version", BigInteger, nullable=False),
    Index("ix_keys_maker", "maker_id", "created_at", "id"),
    Index("ix_keys_organization", "organization_id", "created_at", "id"),
)

key_secrets = Table(
    "key_secrets",
    metadata,
    Column("handle", String, primary_key=True),
    Column("key_id", ForeignKey("keys.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Index("ix_key_secrets_key", "key_id", "created_at"),
    Index("ix_key_secrets_expires_at", "expires_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("workspace_id", String),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("usual", Float, nullable=False),
    Column("times", BigInteger, nullable=False),
    Index("ix_alerts_subject", "kind", "subject", "first_at"),
    Index("ix_alerts_workspace", "workspace_id", "first_at", "id"),
)

key_networks = Table(
    "key_networks",
    metadata,
    Column("key_id", ForeignKey("keys.id"), primary_key=True),
    Column("network", String, primary_key=True),
    Column("first_at", Instant, nullable=False),
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("redirect_uris", JSON, nullable=False),
    Column("auth_method", String, nullable=False),
    Column("grant_types", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("uri", String),
    Column("secret_digest", LargeBinary),
    Column("registered_from", String),
    Column("read_at", Instant),
    Index("ix_oauth_clients_created_at", "created_at"),
)

oauth_grants = Table(
    "oauth_grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("organization_id", String),
    Column("person", JSON, nullable=False),
    Column("client_id", ForeignKey("oauth_clients.id"), nullable=False),
    Column("client_name", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("workspaces", JSON(none_as_null=True)),
    Column("resource", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("last_used_from", String),
    Column("version", BigInteger, nullable=False),
    Index("ix_oauth_grants_user", "user_id", "created_at", "id"),
    Index("ix_oauth_grants_client", "client_id"),
    Index("ix_oauth_grants_expires_at", "expires_at"),
    Index("ix_oauth_grants_revoked_at", "revoked_at"),
)

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("grant_id", ForeignKey("oauth_grants.id"), nullable=False),
    Column("client_id", String, nullable=False),
    Column("redirect_uri", String, nullable=False),
    Column("code_challenge", String, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Index("ix_oauth_codes_grant", "grant_id"),
    Index("ix_oauth_codes_expires_at", "expires_at"),
)

oauth_refresh_tokens = Table(
    "oauth_refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("grant_id", ForeignKey("oauth_grants.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Index("ix_oauth_refresh_tokens_grant", "grant_id"),
    Index("ix_oauth_refresh_tokens_expires_at", "expires_at"),
)

audit = Table(
    "audit",
    metadata,
    # The order of the trail; ``sqlite_autoincrement`` below never gives a number out again.
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    # Every row belongs to a chain, has its place in it, and hashes all before it there.
    Column("chain", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("hash", String, nullable=False),
    # 128 random bits: an index would dirty a page for each row that is added, and find nothing.
    Column("id", String, nullable=False),
    Column("time", Instant, nullable=False),
    Column("action", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("reason", String),
    Column("actor_type", String, nullable=False),
    Column("actor_id", String),
    Column("credential_type", String),
    Column("credential_id", String),
    Column("on_behalf_of", String),
    Column("workspace_id", String),
    Column("resource_type", String),
    Column("resource_id", String),
    Column("resource_name", String),
    Column("address", String),
    Column("agent", String),
    Column("request_id", String),
    Column("details", JSON, nullable=False),
    Index("ix_audit_workspace", "workspace_id", "sequence"),
    Index("ix_audit_actor", "actor_id", "sequence"),
    Index("ix_audit_request_id", "request_id"),
    Index("ix_audit_refused", "time", sqlite_where=text("outcome != 'allowed'")),
    Index(
        "ix_audit_uploaded",
        "time",
        sqlite_where=text("action = 'upload:finish' AND outcome = 'allowed'"),
    ),
    Index("uq_audit_position", "chain", "position", unique=True),
    sqlite_autoincrement=True,
)

audit_proofs = Table(
    "audit_proofs",
    metadata,
    # What was pruned: rows ``first`` to ``last`` of a chain, as a signed statement tells it.
    Column("chain", String, primary_key=True),
    Column("last", Integer, primary_key=True),
    Column("first", Integer, nullable=False),
    Column("hash", String, nullable=False),
    Column("statement", String, nullable=False),
)
