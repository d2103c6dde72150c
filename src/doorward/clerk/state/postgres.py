"""Records in a PostgreSQL table, for many processes on many machines that share one already.

Every request asks, in one round trip; a server that does not answer is said aloud, because to
guess would let a revoked credential in.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from doorward.clerk.errors import ConfigurationError
from doorward.clerk.state.record import Record, StateUnavailable

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}(\.[a-z_][a-z0-9_]{0,49})?")
_CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
  key text COLLATE "C" PRIMARY KEY, version double precision NOT NULL,
  value bytea NOT NULL, until double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS {index} ON {table} (until)
"""
_CREATING = 0x646F6F72  # the lock of whoever makes a table of ours
_GET = "SELECT key, version, value FROM {table} WHERE key = any($1) AND until > $2"
_PUT = """
INSERT INTO {table} AS kept (key, version, value, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE
SET version = excluded.version, value = excluded.value, until = excluded.until
WHERE excluded.version >= kept.version OR kept.until <= $5
"""
_ADD = """
INSERT INTO {table} AS kept (key, version, value, until) VALUES ($1, $2, '', $3)
ON CONFLICT (key) DO UPDATE
SET version = excluded.version, value = excluded.value, until = excluded.until
WHERE kept.until <= $2 RETURNING true
"""
_REMOVE = "DELETE FROM {table} WHERE key = $1"
# Rows that another sweep holds are left to it.
_SWEEP = """
DELETE FROM {table} WHERE key = any(array(
  SELECT key FROM {table} WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""
_SWEEP_EVERY = 64
_SWEEP_ROWS_MAX = 1000
_TIMEOUT_SECONDS = 2.0
_CONNECTIONS_MAX = 4


class PostgresState:
    """Keeps records in a table of the database that ``dsn`` names, made where it is missing.

    ``dsn`` is a ``postgresql://…`` and names the primary server, since a replica lags behind.
    ``table`` may have its schema before it. A process holds at most four connections for each
    event loop. Needs the package ``asyncpg``: ``pip install 'doorward[postgres]'``. Raises
    ConfigurationError where either can't be one.
    """

    def __init__(
        self,
        dsn: str,
        *,
        table: str = "doorward_records",
        now: Callable[[], float] = time.time,
    ) -> None:
        import asyncpg  # type: ignore[import-untyped]

        _check(dsn, table)
        self._dsn = dsn
        self._name = table
        self._table = ".".join(f'"{part}"' for part in table.split("."))
        self._now = now
        self._asyncpg = asyncpg
        self._pools: dict[asyncio.AbstractEventLoop, Any] = {}
        self._created = False
        self._changes = 0

    def __repr__(self) -> str:
        return f"PostgresState(table={self._name!r})"

    async def get(self, keys: Sequence[str]) -> list[Record | None]:
        """Give the records of these keys; raises StateUnavailable."""
        if not keys:
            return []
        rows = await self._asked("fetch", _GET, [*keys], self._now())
        found = {key: Record(version, value) for key, version, value in rows}
        return [found.get(key) for key in keys]

    async def put(self, key: str, record: Record, until: float) -> None:
        """Remember a record until a time, unless a newer one is there."""
        await self._asked("execute", _PUT, key, record.version, record.value, until, self._now())
        await self._sweep_now_and_then()

    async def add(self, key: str, until: float) -> bool:
        """Remember a key; False says that it was there before."""
        added = await self._asked("fetchval", _ADD, key, self._now(), until)
        await self._sweep_now_and_then()
        return added is True

    async def remove(self, key: str) -> None:
        """Forget a key."""
        await self._asked("execute", _REMOVE, key)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await pool.close()

    async def _sweep_now_and_then(self) -> None:
        """Delete some of what is forgotten; the change before it counts even if this fails."""
        self._changes += 1
        if self._changes % _SWEEP_EVERY == 1:
            with suppress(StateUnavailable):
                await self._asked("execute", _SWEEP, self._now(), _SWEEP_ROWS_MAX)

    async def _asked(self, how: str, statement: str, *values: object) -> Any:
        async def ask(connection: Any) -> Any:
            if not self._created:
                await self._create(connection)
                self._created = True
            return await getattr(connection, how)(statement.format(table=self._table), *values)

        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._with_connection(ask)
        except (
            self._asyncpg.PostgresError,
            self._asyncpg.InterfaceError,
            self._asyncpg.InternalClientError,
            OSError,
            ValueError,
        ) as exc:
            # What these say may quote the address, and with it the password.
            raise StateUnavailable(type(exc).__name__) from None

    async def _with_connection(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        pool = await self._pool()
        connection = await pool.acquire()
        try:
            return await ask(connection)
        except asyncio.CancelledError:
            # The answer may still come, or never: the connection is of no use to the next one.
            connection.terminate()
            raise
        finally:
            await pool.release(connection, timeout=_TIMEOUT_SECONDS)

    async def _pool(self) -> Any:
        """Give the connections of the running loop; those of a closed loop can't be used again."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            for closed in [one for one in self._pools if one.is_closed()]:
                self._pools.pop(closed, None)
            # Nothing is connected yet, so nothing is waited for: no other task comes in between.
            pool = self._pools[loop] = await self._asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=_CONNECTIONS_MAX,
                timeout=_TIMEOUT_SECONDS,
                reset=_left_as_it_is,
            )
        return pool

    async def _create(self, connection: Any) -> None:
        """Make the table, unless it is there: whoever finds it needs no right to make one."""
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", self._table):
            return
        index = f'"{self._name.rpartition(".")[2]}_until"'
        async with connection.transaction():
            # IF NOT EXISTS alone fails where two processes start at once.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _CREATING)
            await connection.execute(_CREATE.format(table=self._table, index=index))


async def _left_as_it_is(_: Any) -> None:
    """Spare the round trip that resets a connection: no question of ours leaves anything."""


def _check(dsn: str, table: str) -> None:
    """Refuse what can't be an address or a table, without a word of the address."""
    if urlsplit(dsn).scheme not in {"postgresql", "postgres"}:
        raise ConfigurationError(["The address of PostgresState begins with postgresql://."])
    if not _NAME.fullmatch(table):
        raise ConfigurationError([f"{table!r} is no table: it is small letters, digits and _."])
