"""The store of rows: commands go to the writer, looks to readers beside it."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from doorward.server.store.sql.evidence import Evidence, Questions
from doorward.server.store.sql.sqlite import begin_deferred
from doorward.server.store.sql.transaction import SqlTx
from doorward.server.store.sql.writer import Writer

T = TypeVar("T")

READERS = 4


class SqlStore:
    """Runs commands over one SQLite file, beside other processes that do the same."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._writer = Writer(engine, clock)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="doorward-reader")
        self._local = threading.local()
        self._open: list[Connection] = []
        self.closing = False

    async def write(self, command: Callable[[SqlTx], T]) -> T:
        """Run a command alone in a transaction; durable when this returns."""
        return await self._writer.write(command)

    async def read(self, command: Callable[[SqlTx], T]) -> T:
        """Run a command over one steady view of the rows."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._look, command)

    def judge(self, command: Callable[[SqlTx], object], earlier: object = None) -> object:
        """Run a command that judges, in this thread, unless what it read before reads the same.

        Gives what it read, to be brought as ``earlier`` the next time. Raises what the command
        raises, and where the rows can't be read what the driver does.
        """
        connection = self._reader()
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the engine's driver
        if isinstance(earlier, Evidence) and earlier.holds(driver):
            return earlier
        questions: Questions = self._local.questions
        with connection.begin():
            with questions.kept() as asked:
                command(SqlTx(connection, self._clock()))
            return Evidence(driver, asked)

    def post(self, command: Callable[[SqlTx], object]) -> None:
        """Run a command soon, in order, without waiting for it."""
        self._writer.post(command)

    def close(self) -> None:
        """Finish what was asked for, then close every connection."""
        self.closing = True
        self._writer.close()
        self._readers.shutdown()
        for connection in self._open:
            connection.close()
        self._engine.dispose()

    def _look(self, command: Callable[[SqlTx], T]) -> T:
        connection = self._reader()
        with connection.begin():
            return command(SqlTx(connection, self._clock()))

    def _reader(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect()
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.rollback()
            begin_deferred(connection)
            self._local.connection = connection
            self._local.questions = Questions(connection)
            self._open.append(connection)
        return connection
