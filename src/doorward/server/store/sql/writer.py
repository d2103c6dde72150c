"""One thread that writes, and commits many commands at once.

A durable commit costs one wait for the disk however many rows it carries. Commands that arrive
while one commit is under way therefore share the next; each that looks at rows is alone in its
savepoint, and what they add to the audit trail is written by one statement at the end.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import SQLITE_BUSY, SQLITE_FULL
from sqlite3 import OperationalError as SqliteError
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import OperationalError

from doorward.server.problems import Busy, StorageFailed, StorageFull
from doorward.server.store.sql.commit import Commit
from doorward.server.store.sql.sqlite import begin_immediately
from doorward.server.store.sql.transaction import SqlTx

T = TypeVar("T")
log = logging.getLogger("doorward.store")

BATCH_COMMANDS_MAX = 128
BUSY_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class _Job:
    command: Callable[[SqlTx], Any]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | None
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs commands in their order, each whole or not at all, durable when it answers."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="doorward-writer", daemon=True)
        self._thread.start()

    async def write(self, command: Callable[[SqlTx], T]) -> T:
        """Run a command; its changes are durable when this returns.

        Raises whatever the command raises (nothing is changed then), Busy, StorageFull,
        StorageFailed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(command, loop, future))
        return await future

    def post(self, command: Callable[[SqlTx], object]) -> None:
        """Run a command soon; a failure is logged."""
        self._jobs.put(_Job(command, None, None))

    def close(self) -> None:
        """Finish what was asked for, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            begin_immediately(connection)
            open_ = True
            while open_:
                batch, open_ = self._next_batch()
                if batch:
                    self._run_batch(connection, batch)

    def _next_batch(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH_COMMANDS_MAX:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _run_batch(self, connection: Connection, batch: list[_Job]) -> None:
        try:
            if len(batch) == 1:
                self._commit_alone(connection, batch[0])
            else:
                self._commit_together(connection, batch)
        except Exception as exc:  # noqa: BLE001 - handed to whoever asked
            problem = _storage_problem(exc)
            for job in batch:
                job.error = job.error or problem
        _answer(batch)

    def _commit_alone(self, connection: Connection, job: _Job) -> None:
        """Commit one command, which needs no savepoint: with it all is rolled back."""
        with _begun(connection) as transaction:
            commit = Commit(connection, self._clock(), shared=False)
            try:
                job.result = job.command(SqlTx(connection, commit.now, commit))
                commit.finish()
            except Exception as exc:  # noqa: BLE001 - handed to whoever asked
                job.error = _told(exc)
                transaction.rollback()

    def _commit_together(self, connection: Connection, batch: list[_Job]) -> None:
        with _begun(connection):
            commit = Commit(connection, self._clock(), shared=True)
            for job in batch:
                try:
                    job.result = job.command(SqlTx(connection, commit.now, commit))
                    commit.keep()
                except Exception as exc:  # noqa: BLE001 - handed to whoever asked
                    job.error = _told(exc)
                    commit.undo()
            commit.finish()


def _begun(connection: Connection) -> RootTransaction:
    """Begin a transaction, waiting for our turn among other processes."""
    give_up = time.monotonic() + BUSY_PATIENCE_SECONDS
    while True:
        try:
            return connection.begin()
        except OperationalError as exc:
            connection.rollback()
            if _sqlite_code(exc) != SQLITE_BUSY or time.monotonic() > give_up:
                raise


def _told(exc: Exception) -> Exception:
    """Give what whoever asked is told: a command's own refusal, or that the storage failed."""
    return _storage_problem(exc) if isinstance(exc, OperationalError | SqliteError) else exc


def _storage_problem(exc: Exception) -> Exception:
    log.error("a transaction failed", exc_info=exc)
    code = _sqlite_code(exc)
    if code == SQLITE_BUSY:
        return Busy(headers={"Retry-After": "1"})
    return StorageFull() if code == SQLITE_FULL else StorageFailed()


def _sqlite_code(exc: Exception) -> int | None:
    code = getattr(getattr(exc, "orig", exc), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _answer(batch: list[_Job]) -> None:
    """Wake each event loop once for all of its commands."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        if job.loop is not None:
            loops.setdefault(job.loop, []).append(job)
        elif job.error is not None:
            log.error("a posted command failed", exc_info=job.error)
    for loop, jobs in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, jobs)
        except RuntimeError:  # the loop is closed: nobody is waiting any more
            log.warning("%d answers came after their loop had ended", len(jobs))


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():
            continue
        if job.error is not None:
            future.set_exception(job.error)
        else:
            future.set_result(job.result)
