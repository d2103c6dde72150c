"""Sizes for people."""

import re

from doorward.cli.output import ExitStatus, fail

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def human_size(size: int) -> str:
    """Give a size in the unit that keeps it short: ``1.5 MiB``."""
    value = float(size)
    for unit in _UNITS[:-1]:
        if value < _STEP:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} {_UNITS[-1]}"


def size_of(text: str) -> int:
    """Read a size such as ``500K``, ``100M`` or ``2G``; ends the command for what is none."""
    match = re.fullmatch(r"([0-9]{1,9})([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        fail(f"{text!r} is not a size such as 500K, 100M or 2G.", ExitStatus.USAGE)
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")
