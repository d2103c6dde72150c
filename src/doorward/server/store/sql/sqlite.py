"""Opens SQLite so that several processes share one file and a commit survives a power cut."""

from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_SECONDS = 30


def open_engine(path: Path, *, durable: bool) -> Engine:
    """Give an engine over the database file; each connection belongs to one thread.

    ``durable`` syncs the log at every commit (``synchronous=FULL``); without it a power cut may
    lose the last moments, though never tear the file.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        hide_parameters=True,  # an error goes to the log, and rows hold digests of passwords
        # The driver begins no transaction of its own; ``immediate`` below says how they begin.
        # One thread uses a connection, and another may close it at the end.
        connect_args={
            "isolation_level": None,
            "timeout": BUSY_TIMEOUT_SECONDS,
            "check_same_thread": False,
        },
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: SqliteConnection, _record: Any) -> None:
        # The first statement is one that waits: switching to WAL itself does not.
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute("PRAGMA temp_store=MEMORY")

    return engine


def begin_immediately(connection: Connection) -> None:
    """Make the connection's transactions take the write lock when they begin.

    Taken later, the lock could be refused without waiting, in a transaction that has read already.
    """

    @event.listens_for(connection, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE")


def begin_deferred(connection: Connection) -> None:
    """Make the connection's transactions one steady view for reading."""

    @event.listens_for(connection, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN")
