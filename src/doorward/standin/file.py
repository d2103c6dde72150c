"""The stand-in's one SQLite file: who shares it, its clock, and a transaction per command."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from doorward.standin.issuer import Instance
from doorward.standin.schema import prepare

NAME = "sessions.db"
_BUSY_SECONDS = 30


class Transaction:
    """The rows as one command sees them, and the time at which all of it happens."""

    def __init__(self, connection: sqlite3.Connection, now: float, instance: Instance) -> None:
        self._connection = connection
        self.now = now
        self.instance = instance

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Give the first row."""
        found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Give all rows."""
        return self._connection.execute(sql, values).fetchall()

    def count(self, sql: str, *values: Any) -> int:
        """Give the one number that is asked for."""
        number: int = self._connection.execute(sql, values).fetchone()[0]
        return number

    def run(self, sql: str, *values: Any) -> int:
        """Change rows; says how many."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, **values: Any) -> None:
        """Add a row; the names come from our code, only the values from a caller."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())  # noqa: S608

    def update(self, table: str, row_id: str, **values: Any) -> None:
        """Change the row of an id, and the time it was changed."""
        named = ", ".join(f"{name} = ?" for name in (*values, "updated_at"))
        given = (*values.values(), self.now, row_id)
        self.run(f"UPDATE {table} SET {named} WHERE id = ?", *given)  # noqa: S608 - as above


class StandinFile:
    """The file, each thread with a connection of its own; any number of processes share it."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._local = threading.local()
        prepare(self.connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            # A sign-in lost to a power cut is signed in again: not worth a wait for the disk.
            connection.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        connection: sqlite3.Connection | None = self._local.__dict__.pop("connection", None)
        self._local.__dict__.clear()
        if connection is not None:
            connection.close()

    @property
    def now(self) -> float:
        """The time, as whoever shares the file has moved it."""
        return self._clock() + self.clock_offset

    @property
    def clock_offset(self) -> float:
        """How many seconds the clock was moved; read again only when the file has changed."""
        changes = self.change_count()
        if getattr(self._local, "changes", None) != changes:
            row = self.connection.execute("SELECT seconds FROM clock").fetchone()
            self._local.offset = row[0]
            self._local.changes = changes
        offset: float = self._local.offset
        return offset

    def set_clock_offset(self, seconds: float) -> None:
        """Move the clock, for every process that shares the file."""
        self.connection.execute("UPDATE clock SET seconds = ?", (seconds,))
        self._local.changes = None  # a connection is not told of its own changes

    def move_clock(self, seconds: float) -> None:
        """Move the clock on from wherever it is, two who do so at once included."""
        self.connection.execute("UPDATE clock SET seconds = seconds + ?", (seconds,))
        self._local.changes = None

    def change_count(self) -> int:
        """Give a number that changes when another connection changed the file (microseconds)."""
        count: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return count

    def read(self, instance: Instance) -> Transaction:
        """Look at the rows, each question by itself."""
        return Transaction(self.connection, self.now, instance)

    @contextmanager
    def change(self, instance: Instance) -> Iterator[Transaction]:
        """Change the file in one transaction that waits for its turn."""
        now = self.now
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(self.connection, now, instance)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")


def new_id(prefix: str) -> str:
    """Give an id that nothing else has."""
    return f"{prefix}_{token_hex(14)}"
