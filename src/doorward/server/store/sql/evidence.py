"""A judgement with all that it read, which stands for as long as that reads the same.

To ask the same questions again over the driver costs some tens of microseconds, and to ask whether
the file has changed at all a few; so what goes on for long can be judged at every step.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

Question = tuple[str, Any]
_VERSION = "PRAGMA data_version"


class Questions:
    """Keeps what is asked over a connection while somebody wants it kept."""

    def __init__(self, connection: Connection) -> None:
        self._kept: list[Question] | None = None
        event.listen(connection, "after_cursor_execute", self._asked)

    @contextmanager
    def kept(self) -> Iterator[list[Question]]:
        """Keep what is asked in the block."""
        kept: list[Question] = []
        self._kept = kept
        try:
            yield kept
        finally:
            self._kept = None

    def _asked(self, _conn: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if self._kept is not None:
            self._kept.append((statement, values))


class Evidence:
    """What a judgement read, taken in the transaction in which it was made."""

    def __init__(self, driver: sqlite3.Connection, asked: list[Question]) -> None:
        self._seen = _seen(driver)
        self._read = [(*question, _rows(driver, question)) for question in asked]

    def holds(self, driver: sqlite3.Connection) -> bool:
        """Say whether all of it still reads so; raises sqlite3.Error."""
        seen = _seen(driver)
        if seen == self._seen:
            return True
        same = all(_rows(driver, (asked, values)) == rows for asked, values, rows in self._read)
        if same:
            self._seen = seen
        return same


def _seen(driver: sqlite3.Connection) -> tuple[int, int]:
    """Name a state of the file as one connection, and no other, tells it from a later one."""
    return id(driver), driver.execute(_VERSION).fetchone()[0]


def _rows(driver: sqlite3.Connection, question: Question) -> list[Any]:
    # All are fetched: an open statement would go on seeing the file as it was.
    return driver.execute(*question).fetchall()
