"""What commands print: data on standard output, everything else on standard error."""

import json
import sys
from enum import IntEnum
from typing import Any, NoReturn


class ExitStatus(IntEnum):
    """How a command ends."""

    FINE = 0
    NOT_SO = 1  # the thing asked about is not so
    USAGE = 2
    NOT_AUTHENTICATED = 3
    NOT_ALLOWED = 4
    FAILURE = 5  # the server or the network


def print_json(data: Any) -> None:
    """Print one JSON object, in a form that does not change."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def say(message: str) -> None:
    """Tell the person something that is not data."""
    sys.stderr.write(f"{message}\n")


def fail(message: str, status: ExitStatus) -> NoReturn:
    """Say what went wrong and what to do, and end the command."""
    say(message)
    raise SystemExit(int(status))
