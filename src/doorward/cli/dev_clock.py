"""``doorward dev clock``: moves the stand-in's time, for every process that shares its folder."""

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from doorward.cli.dev_options import DATA, DataOption, JsonOption, PortOption, open_standin
from doorward.cli.output import ExitStatus, fail, print_json
from doorward.standin.issuer import PORT_DEFAULT

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_YEARS_SECONDS_MAX = 100 * 365 * 86400
_MOVE = re.compile(r"([+-])([0-9]{1,9})([smhdw]?)", re.ASCII)


def clock(
    move: Annotated[str | None, typer.Argument(help="+2h, +30m, -1d, or reset.")] = None,
    as_json: JsonOption = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Print the stand-in's time, or move it: tokens, sessions and webhooks go by it.

    Examples:
      doorward dev clock
      doorward dev clock +2h
      doorward dev clock reset
    """
    standin = open_standin(data, port)
    if move == "reset":
        standin.set_clock_offset(0)
    elif move is not None:
        standin.advance(_seconds(move))
    now, offset = standin.now, standin.clock_offset
    if as_json:
        print_json({"now": now, "offset_seconds": offset})
        return
    shown = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    typer.echo(f"{shown}\t{offset:+.0f} s")


def _seconds(move: str) -> float:
    found = _MOVE.fullmatch(move)
    seconds = int(found[2]) * _UNITS[found[3]] if found else 0
    if found is None or seconds > _YEARS_SECONDS_MAX:
        fail(f"{move!r} is no move of a clock: write +2h, +30m, -1d or reset.", ExitStatus.USAGE)
    return float(seconds if found[1] == "+" else -seconds)
