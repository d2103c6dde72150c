"""Clerk's times: milliseconds as a rule, seconds in some objects, told apart by their size."""

_MILLISECONDS_FROM = 100_000_000_000  # later than any date in seconds, earlier than any since 1973


def seconds_of(value: float) -> float:
    """Give a time of Clerk's in seconds since 1970."""
    return value / 1000 if value >= _MILLISECONDS_FROM else float(value)
