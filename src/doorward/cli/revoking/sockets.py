"""What the system says of connections: who holds them, and what is on its way in them."""

import os
from contextlib import suppress
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _QUEUES, _INODE = 1, 2, 4, 9


def in_flight(ours: int, theirs: int) -> int | None:
    """Give how many bytes the other side handed to the system which we have not read.

    None where the system does not say.
    """
    found = [
        _queues(row)[0] if _ports(row) == (theirs, ours) else _queues(row)[1]
        for row in _rows(ours)
        if _ports(row) in {(theirs, ours), (ours, theirs)}
    ]
    return sum(found) if found else None


def holder_of(ours: int, theirs: int, processes: list[int]) -> int | None:
    """Give the process that holds the other end of a connection, None where nobody says."""
    inodes = {row[_INODE] for row in _rows(ours) if _ports(row) == (theirs, ours)}
    for process in processes:
        for name in Path(f"/proc/{process}/fd").glob("*"):
            with suppress(OSError):
                if os.readlink(name)[len("socket:[") : -1] in inodes:  # noqa: PTH115 - not a path
                    return process
    return None


def _rows(port: int) -> list[list[str]]:
    mark, rows = f":{port:04X} ", []
    for table in _TABLES:
        with suppress(OSError):
            lines = table.read_text().splitlines()[1:]
            rows += [line.split() for line in lines if mark in line]
    return rows


def _ports(row: list[str]) -> tuple[int, int]:
    return (int(row[_LOCAL].rpartition(":")[2], 16), int(row[_REMOTE].rpartition(":")[2], 16))


def _queues(row: list[str]) -> tuple[int, int]:
    """Give what was not acknowledged of what was sent, and what was not read."""
    sent, _, came = row[_QUEUES].partition(":")
    return int(sent, 16), int(came, 16)
