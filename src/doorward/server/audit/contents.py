"""Rows of the trail as a database holds them, turned into the content that is hashed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from doorward.server.audit.chain import canonical

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def content_of(columns: Sequence[str], values: Sequence[Any]) -> tuple[dict[str, Any], Any]:
    """Give a row's content and its hash.

    What is not as Doorward writes it stays as it is, so that it can't give the same content.
    """
    row = dict(zip(columns, values, strict=True))
    hash_ = row.pop("hash", None)
    row["time"] = _time(row.get("time"))
    row["details"] = _details(row.get("details"))
    return row, hash_


def _time(value: Any) -> Any:
    if type(value) is not int:
        return value
    try:
        time = _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        return value
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _details(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text)
        return value if canonical(value) == text.encode() else text
    except (ValueError, RecursionError):
        return text
