"""When to try again, and after how long: decided here for both clients.

429 and 503 say that nothing was done, so any request may be sent again. A broken connection says
nothing, so only requests that may be repeated are. 401 and 403 never change by asking again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_RETRYABLE = frozenset({429, 503})
_REPEATABLE = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try; times in seconds."""

    tries: int = 5
    base_seconds: float = 0.25
    wait_seconds_max: float = 30.0
    draw: Callable[[], float] = random.random

    def wait_after_status(self, attempt: int, status: int, retry_after: str | None) -> float | None:
        """Give the seconds to wait after an answer, None where it stands; the first try is 1."""
        if status not in _RETRYABLE or attempt >= self.tries:
            return None
        asked = retry_after_seconds(retry_after)
        if asked is None:
            return self.backoff(attempt)
        # A little jitter, so that all who were told the same do not come back together.
        return asked + self.draw() * self.base_seconds if asked <= self.wait_seconds_max else None

    def wait_after_break(self, attempt: int, method: str) -> float | None:
        """Give the seconds to wait after a broken connection, None where to give up."""
        if method not in _REPEATABLE or attempt >= self.tries:
            return None
        return self.backoff(attempt)

    def backoff(self, attempt: int) -> float:
        """Give an exponential wait with full jitter."""
        return float(min(self.wait_seconds_max, self.base_seconds * 2**attempt) * self.draw())


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` as seconds or as a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
