"""Pages of a list: a bound and a place to go on from."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from doorward.server.problems import RequestInvalid

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 500
_CURSOR_CHARACTERS_MAX = 2048
_DIGITS_MAX = 18
_NOT_OURS = "The cursor is not one that this list gave."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows to give, after which one; ``after`` holds the last row's sort key."""

    limit: int = PAGE_SIZE_DEFAULT
    after: tuple[str, ...] | None = None

    @classmethod
    def of(cls, limit: int, cursor: str | None, keys: int) -> "Page":
        """Read a cursor whose sort key has ``keys`` parts; raises RequestInvalid."""
        return cls(limit, None if cursor is None else _decoded(cursor, keys))

    def after_number(self) -> int | None:
        """Give the last row's key as a number; raises RequestInvalid."""
        if self.after is None:
            return None
        text = self.after[0]
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
            raise RequestInvalid(_NOT_OURS)
        return int(text)

    def after_time(self) -> tuple[datetime, str] | None:
        """Give the last row's key as a time and an id; raises RequestInvalid."""
        if self.after is None:
            return None
        try:
            time = datetime.fromisoformat(self.after[0])
        except ValueError as exc:
            raise RequestInvalid(_NOT_OURS) from exc
        if time.tzinfo is None:
            raise RequestInvalid(_NOT_OURS)
        return time, self.after[1]


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One page of rows and the cursor of the next, None at the end."""

    rows: list[T]
    next_cursor: str | None


def listed(rows: Sequence[T], page: Page, key: Callable[[T], tuple[str, ...]]) -> Listed[T]:
    """Cut rows fetched as ``page.limit + 1`` to a page, so that no empty page is announced."""
    kept = list(rows[: page.limit])
    more = len(rows) > page.limit
    return Listed(kept, _encoded(key(kept[-1])) if more else None)


def listed_seen(
    fetch: Callable[[Page], Sequence[T]],
    page: Page,
    key: Callable[[T], tuple[str, ...]],
    sees: Callable[[T], bool],
) -> Listed[T]:
    """Give a page of the rows that may be seen, so that no cursor names any other.

    ``fetch`` gives one row more than a page's limit, where there is one.
    """
    seen: list[T] = []
    ahead = page
    while True:
        rows = fetch(ahead)
        seen += filter(sees, rows)
        if len(seen) > page.limit or len(rows) <= ahead.limit:
            return listed(seen, page, key)
        ahead = Page(PAGE_SIZE_MAX, key(rows[-1]))


def _encoded(key: tuple[str, ...]) -> str:
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decoded(cursor: str, keys: int) -> tuple[str, ...]:
    try:
        key = json.loads(urlsafe_b64decode(cursor[:_CURSOR_CHARACTERS_MAX] + "=="))
    except (ValueError, RecursionError) as exc:
        raise RequestInvalid(_NOT_OURS) from exc
    if not isinstance(key, list) or len(key) != keys:
        raise RequestInvalid(_NOT_OURS)
    if not all(isinstance(part, str) and _is_whole(part) for part in key):
        raise RequestInvalid(_NOT_OURS)
    return tuple(key)


def _is_whole(text: str) -> bool:
    """Say whether no character is half: JSON can write one, and nothing can look it up."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
