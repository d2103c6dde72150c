"""Notes of organizations, in a SQLite file. Whose they are is a parameter of every question."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


class Notes:
    """Keeps notes; no question can be asked without naming an organization."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS notes (org_id TEXT, text TEXT)")

    def of(self, org_id: str) -> list[str]:
        """Give an organization's notes."""
        with self._open() as connection:
            rows = connection.execute("SELECT text FROM notes WHERE org_id = ?", (org_id,))
            return [text for (text,) in rows]

    def add(self, org_id: str, text: str) -> None:
        """Keep a note."""
        with self._open() as connection:
            connection.execute("INSERT INTO notes VALUES (?, ?)", (org_id, text))

    def clear(self, org_id: str) -> int:
        """Remove an organization's notes, and say how many there were."""
        with self._open() as connection:
            return connection.execute("DELETE FROM notes WHERE org_id = ?", (org_id,)).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            yield connection
