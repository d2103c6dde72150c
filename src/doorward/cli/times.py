"""Lengths of time, as people write them."""

import re

from doorward.cli.output import ExitStatus, fail

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str, least: int = 1) -> int:
    """Read ``90s``, ``15m``, ``8h``, ``7d`` or a number of seconds; ends the command for others."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None or int(match[1]) < least:
        fail(f"{text!r} is not a life such as 90s, 15m, 8h or 7d.", ExitStatus.USAGE)
    return int(match[1]) * _SECONDS[match[2] or "s"]


def seconds_or_none(text: str | None) -> int | None:
    """Read a length of time where one is given."""
    return None if text is None else seconds_of(text)
