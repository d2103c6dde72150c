"""Clerk's times: milliseconds as a rule, seconds in some objects, told apart by their size."""

_MILLISECONDS_FROM = 100_000_000_000  # later than any date in seconds, earlier than any since 1973
_MILLISECONDS_MAX = 253_402_300_799_999  # the end of the year 9999


def seconds_of(value: float) -> float | None:
    """Give a time of Clerk's in seconds since 1970, None for what is no plausible one."""
    if not abs(value) <= _MILLISECONDS_MAX:  # also for integers beyond floats
        return None
    return value / 1000 if value >= _MILLISECONDS_FROM else float(value)
