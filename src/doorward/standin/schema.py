"""The tables of the stand-in's file. A file of an older Doorward is completed when it is opened."""

import sqlite3

_VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, org_id TEXT, org_role TEXT,
  org_permissions TEXT NOT NULL, status TEXT NOT NULL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_of_user ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_by_status ON sessions (status);

CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), seconds REAL NOT NULL);
INSERT OR IGNORE INTO clock VALUES (1, 0);

CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, external_id TEXT UNIQUE, username TEXT UNIQUE COLLATE NOCASE,
  first_name TEXT, last_name TEXT, banned INTEGER NOT NULL DEFAULT 0, locked_until REAL,
  settings TEXT NOT NULL DEFAULT '{}',
  public_metadata TEXT NOT NULL DEFAULT '{}', private_metadata TEXT NOT NULL DEFAULT '{}',
  unsafe_metadata TEXT NOT NULL DEFAULT '{}',
  last_sign_in_at REAL, created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS identifications (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, kind TEXT NOT NULL,
  value TEXT NOT NULL COLLATE NOCASE, created_at REAL NOT NULL, UNIQUE (kind, value)
);
CREATE INDEX IF NOT EXISTS identifications_of_user ON identifications (user_id);

CREATE TABLE IF NOT EXISTS organizations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, created_by TEXT,
  max_allowed_memberships INTEGER NOT NULL, admin_delete_enabled INTEGER NOT NULL DEFAULT 1,
  public_metadata TEXT NOT NULL DEFAULT '{}', private_metadata TEXT NOT NULL DEFAULT '{}',
  created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS memberships (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, org_id TEXT NOT NULL, role TEXT NOT NULL,
  implied INTEGER NOT NULL DEFAULT 0,
  public_metadata TEXT NOT NULL DEFAULT '{}', private_metadata TEXT NOT NULL DEFAULT '{}',
  created_at REAL NOT NULL, updated_at REAL NOT NULL, UNIQUE (user_id, org_id)
);
CREATE INDEX IF NOT EXISTS memberships_of_organization ON memberships (org_id);
CREATE TABLE IF NOT EXISTS invitations (
  id TEXT PRIMARY KEY, org_id TEXT, email_address TEXT NOT NULL COLLATE NOCASE, role TEXT,
  inviter_id TEXT, status TEXT NOT NULL, url TEXT,
  public_metadata TEXT NOT NULL DEFAULT '{}', private_metadata TEXT NOT NULL DEFAULT '{}',
  expires_at REAL, created_at REAL NOT NULL, updated_at REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS machines (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, default_token_ttl INTEGER NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1, digest BLOB NOT NULL UNIQUE,
  previous_digest BLOB, previous_until REAL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS machine_scopes (
  from_id TEXT NOT NULL, to_id TEXT NOT NULL, created_at REAL NOT NULL,
  PRIMARY KEY (from_id, to_id)
);
CREATE TABLE IF NOT EXISTS credentials (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, subject TEXT NOT NULL,
  name TEXT, description TEXT, claims TEXT, scopes TEXT NOT NULL, client_id TEXT, created_by TEXT,
  revoked INTEGER NOT NULL DEFAULT 0, revocation_reason TEXT, expires_at REAL, last_used_at REAL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS credentials_of_subject ON credentials (kind, subject);

CREATE TABLE IF NOT EXISTS endpoints (
  id TEXT PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, failing_since REAL,
  disabled INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
  id TEXT PRIMARY KEY, type TEXT NOT NULL, body BLOB NOT NULL, created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
  status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL,
  last_outcome TEXT, UNIQUE (message_id, endpoint_id)
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (status, due_at);
"""

# Those who signed in with an older Doorward are users from now on.
_FROM_SESSIONS = """
INSERT OR IGNORE INTO users (id, first_name, created_at, updated_at)
  SELECT user_id, substr(user_id, 6), min(created_at), min(created_at)
  FROM sessions GROUP BY user_id;
INSERT OR IGNORE INTO organizations
    (id, name, slug, max_allowed_memberships, created_at, updated_at)
  SELECT org_id, substr(org_id, 5), substr(org_id, 5), 0, min(created_at), min(created_at)
  FROM sessions WHERE org_id IS NOT NULL GROUP BY org_id;
INSERT OR IGNORE INTO memberships (id, user_id, org_id, role, implied, created_at, updated_at)
  SELECT 'orgmem_' || lower(hex(randomblob(14))), user_id, org_id, org_role, 1,
    max(created_at), max(created_at)
  FROM sessions WHERE org_id IS NOT NULL GROUP BY user_id, org_id;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where they are missing; of two processes who do so one waits."""
    if connection.execute("PRAGMA user_version").fetchone()[0] >= _VERSION:
        return
    connection.executescript(
        f"BEGIN IMMEDIATE; {_TABLES} {_FROM_SESSIONS} PRAGMA user_version = {_VERSION}; COMMIT;"
    )
