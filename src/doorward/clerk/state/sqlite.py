"""Records in a SQLite file that the processes of one machine share.

What was read of the file counts until another connection has changed it, which SQLite tells in a
microsecond; so a revocation in one process is seen by the next request in another.

A file that is removed or replaced under running processes lives on for whoever has it open, and
for nobody else: what one process is told then, another would never see. So each question looks
whether the file that has the name is still the one that was opened.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from doorward.clerk.state.record import Record, StateUnavailable

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS records (
  key TEXT PRIMARY KEY, version REAL NOT NULL, value BLOB NOT NULL, until REAL NOT NULL
) WITHOUT ROWID
""",
    # What is over is removed with each change, which would otherwise read the whole file.
    "CREATE INDEX IF NOT EXISTS records_until ON records (until)",
)
_GET = "SELECT version, value, until FROM records WHERE key = ?"
_PUT = """
INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET version = excluded.version, value = excluded.value, until = excluded.until
WHERE excluded.version >= records.version OR records.until <= ?
"""
_ADD = """
INSERT INTO records VALUES (?, ?, x'', ?) ON CONFLICT (key) DO UPDATE
SET version = excluded.version, until = excluded.until WHERE records.until <= ?
"""
_BUSY_SECONDS = 10
_KNOWN_MAX = 10_000
_Kept = tuple[Record, float]


class SqliteState:
    """Keeps records in one file; each thread reads over a connection of its own.

    It may be made, and asked, before a process forks.

    Once that file is not there any more, or another one has its name, every question and change
    raises StateUnavailable until a new SqliteState is made. Without ``create`` none is made where
    there is none: the same is raised.
    """

    def __init__(
        self, path: str | Path, now: Callable[[], float] = time.time, *, create: bool = True
    ) -> None:
        self._path = Path(path).absolute()
        self._names = (str(self._path), f"{self._path}-wal")
        self._now = now
        self._local = threading.local()
        self._writing = threading.Lock()
        self._all: weakref.WeakSet[_Open] = weakref.WeakSet()
        self._held = 0  # how often; a connection of before is closed
        if create:
            self._create()
        self._hold()

    def get(self, keys: Sequence[str]) -> list[Record | None]:
        """Give the records of these keys; raises StateUnavailable."""
        try:
            self._require_same()
            found = self._found(keys)
        except (sqlite3.Error, OSError) as exc:
            raise StateUnavailable(f"{self._path.name}: {exc}") from exc
        now = self._now()
        return [kept[0] if kept is not None and kept[1] > now else None for kept in found]

    async def put(self, key: str, record: Record, until: float) -> None:
        """Remember a record until a time, unless a newer one is there."""
        self._change(_PUT, (key, record.version, record.value, until, self._now()))

    async def add(self, key: str, until: float) -> bool:
        """Remember a key; False says that it was there before."""
        return self._change(_ADD, (key, self._now(), until, self._now())) == 1

    async def remove(self, key: str) -> None:
        """Forget a key."""
        self._change("DELETE FROM records WHERE key = ?", (key,))

    def _found(self, keys: Sequence[str]) -> list[_Kept | None]:
        """Give what is kept under these keys; a change by whomever makes all be read again."""
        connection = self._reader()
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        known: dict[str, _Kept | None] = self._local.known
        if self._local.version != version or len(known) + len(keys) > _KNOWN_MAX:
            known.clear()
            self._local.version = version
        for key in keys:
            if key not in known:
                known[key] = _read(connection, key)
        return [known[key] for key in keys]

    def _reader(self) -> sqlite3.Connection:
        """Give the connection of this thread; one of before a fork was closed, and is made anew."""
        opened: _Open | None = getattr(self._local, "opened", None)
        if opened is None or self._local.held != self._held:
            opened = self._local.opened = self._open()
            self._local.held, self._local.version, self._local.known = self._held, None, {}
        return opened.connection

    def _change(self, statement: str, values: tuple[object, ...]) -> int:
        """Change the file over a connection of its own, so that readers see that it changed.

        Nobody is told that it is done unless it is the file that everybody reads.
        """
        try:
            with self._writing, closing(self._connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM records WHERE until <= ?", (self._now(),))
                changed = connection.execute(statement, values).rowcount
                connection.execute("COMMIT")
            self._require_same()
        except (sqlite3.Error, OSError) as exc:
            raise StateUnavailable(f"{self._path.name}: {exc}") from exc
        return changed

    def _create(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect("rwc")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            for statement in _SCHEMA:
                connection.execute(statement)
        self._path.chmod(0o600)

    def _hold(self) -> None:
        """Hold the file and its log, which goes with the last connection, for as long as we live.

        So both are what they are now, unless somebody takes them away.
        """
        self._opened: tuple[int, ...] = ()
        self._process, self._held = os.getpid(), self._held + 1
        with suppress(sqlite3.Error, OSError):  # whoever asks is told
            self._ours = self._open()
            self._ours.connection.execute("PRAGMA data_version").fetchone()
            self._opened = self._there()

    def _there(self) -> tuple[int, ...]:
        """Say which files have our names now; raises OSError where there are none."""
        return tuple(os.stat(name).st_ino for name in self._names)  # noqa: PTH116 - on every request

    def _hold_anew(self) -> None:
        """Hold them in a process that was forked, which has none of its parent's locks.

        The log may have gone with the parent, and be another one now; the file must be the same.
        """
        before = self._opened[:1]
        # All of them, and first: while one is open SQLite takes its parent's locks for its own.
        for inherited in self._all:
            inherited.connection.close()
        self._hold()
        if self._opened[:1] != before:
            self._opened = ()

    def _require_same(self) -> None:
        if self._process != os.getpid():
            self._hold_anew()
        if self._there() != self._opened:
            raise StateUnavailable(f"{self._path.name}: it is not the file that was opened")

    def _open(self) -> "_Open":
        opened = _Open(self._connect())
        self._all.add(opened)
        return opened

    def _connect(self, mode: str = "rw") -> sqlite3.Connection:
        address = f"{self._path.as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, timeout=_BUSY_SECONDS, isolation_level=None, uri=True, check_same_thread=False
        )


class _Open:
    """A connection that others can close for whoever opened it, for as long as they live."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection


def _read(connection: sqlite3.Connection, key: str) -> _Kept | None:
    # All rows are fetched: an open statement would go on seeing the file as it was.
    for version, value, until in connection.execute(_GET, (key,)).fetchall():
        return Record(version, value), until
    return None
