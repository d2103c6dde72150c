"""One question to the rows as they are at this moment, where it is asked, without another thread.

One look costs some microseconds, so that a request may ask on its way in.
"""

import sqlite3
import threading
from typing import Any

from sqlalchemy import Engine

from doorward.server.problems import Busy


class Asking:
    """Asks over the driver's own connections, of which each thread has one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._local = threading.local()

    def one(self, statement: str, value: str) -> Any:
        """Give the first row, None where there is none; raises Busy."""
        cursor: sqlite3.Cursor | None = getattr(self._local, "cursor", None)
        try:
            if cursor is None:
                cursor = self._local.cursor = self._connect().cursor()
            # All rows are fetched: an open statement would go on seeing the file as it was.
            found = cursor.execute(statement, (value,)).fetchall()
        except sqlite3.Error as exc:
            raise Busy(headers={"Retry-After": "1"}) from exc
        return found[0] if found else None

    def _connect(self) -> sqlite3.Connection:
        """Give the driver's own connection, which is closed with its thread."""
        raw = self._engine.raw_connection()
        connection = raw.driver_connection
        raw.detach()
        assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - the engine's driver
        return connection
