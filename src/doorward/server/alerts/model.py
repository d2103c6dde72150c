"""Alerts, and what they are found by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class AlertKind(StrEnum):
    """What there is to look at."""

    UNAUTHENTICATED = "refusals_401"
    FORBIDDEN = "refusals_403"
    LIMITED = "refusals_429"
    NEW_NETWORK = "key_new_network"
    UPLOAD_VOLUME = "upload_volume"
    TRAIL_BROKEN = "trail_broken"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When something is told.

    Refusals, and bytes uploaded, are counted over ``window``; they are told once they are at
    least the given number and ``factor`` times what the same subject's windows had over the day
    before. After ``quiet`` without more, the next is a new alert. 0 turns a count off.
    """

    refusals_min: int
    upload_bytes_min: int
    factor: int
    window: timedelta = timedelta(minutes=5)
    quiet: timedelta = timedelta(hours=1)
    subjects_max: int = 5


@dataclass(frozen=True, slots=True)
class Count:
    """What one subject did within a window: an address, or a credential by kind and id.

    ``usual`` is how much a window of the day before had; ``user_id`` whose credential it is.
    """

    kind: AlertKind
    subject: str
    amount: int
    usual: float
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to look at; ``amount`` is the most that one window had of it."""

    id: str
    kind: AlertKind
    subject: str
    workspace_id: str | None
    first_at: datetime
    last_at: datetime
    amount: int
    usual: float
    times: int = 1


def is_unusual(count: Count, thresholds: Thresholds) -> bool:
    """Say whether a count is one to tell: large in itself, and against the subject's own past."""
    least = thresholds.refusals_min
    if count.kind is AlertKind.UPLOAD_VOLUME:
        least = thresholds.upload_bytes_min
    return 0 < least <= count.amount and count.amount >= thresholds.factor * count.usual
