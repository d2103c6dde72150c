"""What all objects of the Backend API have in common: times, lists, metadata, a deleted thing."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from doorward.standin.fields import Fields
from doorward.standin.metadata import merged, stored


def milliseconds(seconds: float | None) -> int | None:
    """Give a time as Clerk does."""
    return None if seconds is None else int(seconds * 1000)


def times(row: sqlite3.Row) -> dict[str, int | None]:
    """Give when a thing was made and last changed."""
    return {
        "created_at": milliseconds(row["created_at"]),
        "updated_at": milliseconds(row["updated_at"]),
    }


def deleted(kind: str, thing_id: str) -> dict[str, Any]:
    """Give what is left of a thing."""
    return {"object": kind, "id": thing_id, "deleted": True}


def listed(data: list[dict[str, Any]], total: int) -> dict[str, Any]:
    """Give a part of a list, and how long all of it is."""
    return {"data": data, "total_count": total}


def metadata_of(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    """Give metadata as it was stored."""
    return {name: json.loads(row[name]) for name in names}


def metadata_changes(
    row: sqlite3.Row | None, fields: Fields, names: tuple[str, ...], *, merge: bool
) -> dict[str, str]:
    """Give the columns that a request changes, merged with what is there or in its place."""
    changes = {}
    for name in names:
        given = fields.object(name)
        if given is None:
            continue
        before: Mapping[str, Any] = json.loads(row[name]) if merge and row is not None else {}
        changes[name] = stored(merged(before, given) if merge else given, name)
    return changes
