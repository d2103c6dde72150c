"""The audit trail under 64 writers: rows a second that are durable, and how long one row takes.

Ours is chained by hashes and shares commits. Beside it, in every round: SQLite as one writes to it
plainly, each row with a commit of its own and no hash, by one thread, which is where it is fastest,
and by 64 threads; and PostgreSQL over 64 connections, each row with a commit of its own. All have
the same columns and indexes, and wait for the disk with every commit.
"""

import asyncio
import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.measuring import figure, ratio
from bench.servers import postgres
from bench.transferring import QUICK
from doorward.server.audit.keeping import kept_witness
from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.audit.verifying import Report, check_database
from doorward.server.folder import prepare
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.settings import load_settings
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.store import SqlStore

WRITERS = 64
ROUNDS = 2 if QUICK else 9
ROWS = 10 if QUICK else 150  # a writer's, of ours
PLAIN_ROWS = 200 if QUICK else 1000  # of all writers together
PACE_SECONDS = 0.064
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36"
_COLUMNS = (
    "sequence", "chain", "position", "hash", "id", "time", "action", "outcome", "reason",
    "actor_type", "actor_id", "credential_type", "credential_id", "on_behalf_of", "workspace_id",
    "resource_type", "resource_id", "resource_name", "address", "agent", "request_id", "details",
)  # fmt: skip
_NAMES = ", ".join(_COLUMNS)
_ADD = f"INSERT INTO audit ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_NUMBERED = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
_ADD_POSTGRES = f"INSERT INTO audit ({_NAMES}) VALUES ({_NUMBERED})"  # noqa: S608
_POSTGRES = f"""
CREATE TABLE audit ({
    ", ".join(
        f"{name} {'bigint' if name in {'sequence', 'position', 'time'} else 'text'}"
        for name in _COLUMNS
    )
}, PRIMARY KEY (sequence));
CREATE INDEX ON audit (workspace_id, sequence);
CREATE INDEX ON audit (actor_id, sequence);
CREATE UNIQUE INDEX ON audit (chain, position);
"""
_EXAMPLE = (
    "user:user_alice", "file:download", "allowed", "user_alice", "sess_" + "a" * 26,
    "ws_" + "a" * 26, "file_" + "b" * 26, "report.pdf", "192.0.2.7", _AGENT, "req_" + "0" * 32,
)  # fmt: skip


def run() -> list[dict]:
    """Measure in turns; PostgreSQL where it is installed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-bench-")))
        url = None
        if any(Path("/usr/lib/postgresql").glob("*/bin")):
            url = stack.enter_context(postgres())
        return uvloop.run(_measure(folder, url))


async def _measure(folder: Path, url: str | None) -> list[dict]:
    ours = _Ours(folder / "ours")
    plain = _Plain(folder / "plain")
    turns: dict[str, Callable] = {
        "ours": ours.all_at_once,
        "one": lambda: asyncio.to_thread(plain.by_threads, 1),
        "many": lambda: asyncio.to_thread(plain.by_threads, WRITERS),
        "paced": ours.paced,
        "disk": lambda: asyncio.to_thread(_disk, folder / "disk"),
    }
    if url is not None:
        peer = await _Postgres.made(url)
        turns["postgres"] = peer.all_at_once
    found: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            value = await turns[name]()
            if number:
                found[name].append(value)
    ours.close_and_verify()
    if url is not None:
        await peer.close()
    return _figures(found, ours.waits[WRITERS * ROWS :])


class _Ours:
    """Our store, as the server has it."""

    def __init__(self, folder: Path) -> None:
        settings = prepare(load_settings({"DOORWARD_DATA": str(folder)}))
        self._settings = settings
        self._store = SqlStore(
            open_engine(settings.database, durable=True), lambda: datetime.now(UTC)
        )
        origin = Origin(_EXAMPLE[10], _EXAMPLE[8], _AGENT)
        who = Caller(_EXAMPLE[3], Credential("session", _EXAMPLE[4]), origin)
        target = Target(_EXAMPLE[5], "file", _EXAMPLE[6], _EXAMPLE[7])
        self._attempt = Attempt(Action.FILE_DOWNLOAD, target, who)
        self.waits: list[float] = []

    async def all_at_once(self) -> float:
        """Give rows a second where nobody pauses."""
        began = time.perf_counter()
        await asyncio.gather(*(self._write(self.waits) for _ in range(WRITERS)))
        return WRITERS * ROWS / (time.perf_counter() - began)

    async def paced(self) -> float:
        """Give the median milliseconds to the acknowledgement of 64 writers that pause."""
        waits: list[float] = []

        async def write(number: int) -> None:
            await asyncio.sleep(PACE_SECONDS * number / WRITERS)
            await self._write(waits, rows=20, pause=PACE_SECONDS)

        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        return statistics.median(waits) * 1000

    async def _write(self, waits: list[float], rows: int = ROWS, pause: float = 0) -> None:
        for _ in range(rows):
            began = time.perf_counter()
            await self._store.write(lambda tx: record(tx, self._attempt))
            waits.append(time.perf_counter() - began)
            if pause:
                await asyncio.sleep(pause)

    def close_and_verify(self) -> None:
        """Make sure that what was measured is a trail that verifies."""
        self._store.close()
        report = Report()
        check_database(self._settings.database, {}, kept_witness(self._settings.data), report)
        assert report.sound, report.findings
        assert report.rows >= len(self.waits)


class _Plain:
    """The same table, each row with a commit of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = prepare(load_settings({"DOORWARD_DATA": str(folder)})).database
        self._numbers = iter(range(1, 1 << 62))

    def by_threads(self, threads: int) -> float:
        """Give rows a second."""
        each = PLAIN_ROWS // threads
        workers = [threading.Thread(target=self._write, args=(each,)) for _ in range(threads)]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return each * threads / (time.perf_counter() - began)

    def _write(self, rows: int) -> None:
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=FULL")
            for _ in range(rows):
                database.execute(_ADD, _row(next(self._numbers)))


class _Postgres:
    """PostgreSQL as it comes, over as many connections as there are writers."""

    def __init__(self, connections: list) -> None:
        self._connections = connections
        self._numbers: Iterator[int] = iter(range(1, 1 << 62))

    @classmethod
    async def made(cls, url: str) -> "_Postgres":
        import asyncpg

        connections = [await asyncpg.connect(url) for _ in range(WRITERS)]
        await connections[0].execute(_POSTGRES)
        return cls(connections)

    async def all_at_once(self) -> float:
        """Give rows a second."""
        each = PLAIN_ROWS // WRITERS
        began = time.perf_counter()
        await asyncio.gather(*(self._write(one, each) for one in self._connections))
        return each * WRITERS / (time.perf_counter() - began)

    async def _write(self, connection: object, rows: int) -> None:
        for _ in range(rows):
            await connection.execute(_ADD_POSTGRES, *_row(next(self._numbers)))  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            await connection.close()


def _disk(path: Path) -> float:
    """Give the median milliseconds that the disk itself takes to keep 4 KiB."""
    waits = []
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - began)
    return statistics.median(waits) * 1000


def _row(number: int) -> tuple:
    chain, action, outcome, actor, session, workspace, file, name, address, agent, request = (
        _EXAMPLE
    )
    return (
        number, chain, number, "0" * 64, f"aud_{number:026}", 1_790_000_000_000_000 + number,
        action, outcome, None, "user", actor, "session", session, None, workspace, "file", file,
        name, address, agent, request, "{}",
    )  # fmt: skip


def _figures(found: dict[str, list[float]], waits: list[float]) -> list[dict]:
    waits = sorted(waits)
    names = {
        "ours": "Doorward, chained",
        "one": "SQLite, one commit a row, one thread",
        "many": "SQLite, one commit a row, 64 threads",
        "postgres": "PostgreSQL, one commit a row, 64 connections",
    }
    figures = [
        figure(f"durable audit rows, 64 writers: {names[name]}", found[name], "rows/s")
        for name in names
        if name in found
    ]
    for name in ("one", "many", "postgres"):
        if name in found:
            aim = "" if name == "postgres" else ">= 10"
            figures.append(ratio(f"Doorward / {names[name]}", found["ours"], found[name], aim))
    figures += [
        {
            "what": f"to the durable answer, 64 writers without a pause, p{percent}",
            "value": round(waits[len(waits) * percent // 100] * 1000, 2),
            "unit": "ms",
            "aim": "<= 2" if percent == 50 else "",
        }
        for percent in (50, 99)
    ]
    figures.append(figure("the disk alone: 4 KiB and fdatasync, p50", found["disk"], "ms"))
    rate = round(WRITERS / PACE_SECONDS)
    figures.append(
        figure(
            f"to the durable answer, 64 writers, {rate} rows/s, p50", found["paced"], "ms", "<= 2"
        )
    )
    return figures
