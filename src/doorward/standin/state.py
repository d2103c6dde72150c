"""What the stand-in remembers: sessions, in a small SQLite file that processes share."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, org_id TEXT, org_role TEXT,
  org_permissions TEXT NOT NULL, status TEXT NOT NULL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL
)
"""
_BUSY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in; times in seconds since 1970."""

    id: str
    user_id: str
    org_id: str | None
    org_role: str | None
    org_permissions: tuple[str, ...]
    status: str
    created_at: float
    updated_at: float


class SessionFile:
    """The sessions, each thread with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        with self.change() as connection:
            connection.execute(_SCHEMA)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            self._local.connection = connection
        return connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Change the file in one transaction that waits for its turn."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def add(self, session: Session) -> None:
        """Remember a session."""
        row = (
            session.id,
            session.user_id,
            session.org_id,
            session.org_role,
            " ".join(session.org_permissions),
            session.status,
            session.created_at,
            session.updated_at,
        )
        with self.change() as connection:
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def get(self, session_id: str) -> Session | None:
        """Give a session."""
        found = self.connection.execute("SELECT * FROM sessions WHERE id = ?", (session_id,))
        row = found.fetchone()
        if row is None:
            return None
        session_id, user_id, org_id, org_role, permissions, status, created_at, updated_at = row
        held = tuple(permissions.split())
        return Session(session_id, user_id, org_id, org_role, held, status, created_at, updated_at)

    def revoke(self, session_id: str, now: float) -> bool:
        """End a session; says whether there is one of that id."""
        with self.change() as connection:
            changed = connection.execute(
                "UPDATE sessions SET status = 'revoked', updated_at = ? WHERE id = ?",
                (now, session_id),
            )
        return changed.rowcount == 1

    def revoked_ids(self) -> frozenset[str]:
        """Give the ids of all revoked sessions."""
        found = self.connection.execute("SELECT id FROM sessions WHERE status = 'revoked'")
        return frozenset(row[0] for row in found)

    def change_count(self) -> int:
        """Give a number that changes when another connection changed the file (microseconds)."""
        count: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return count
