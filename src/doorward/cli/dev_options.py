"""What every command of ``doorward dev`` has: the folder, the port, and words for what is wrong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from doorward.cli.output import ExitStatus, fail
from doorward.standin import Refused, Standin

DataOption = Annotated[
    Path, typer.Option(help="Doorward's data folder.", envvar="DOORWARD_DATA", show_default=True)
]
PortOption = Annotated[int, typer.Option(help="Port of the stand-in.", min=0, max=65535)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DATA = Path("data")


def open_standin(data: Path, port: int) -> Standin:
    """Open the stand-in of a folder, or end the command and say what is wrong with it."""
    try:
        return Standin.open(data / "standin", port=port)
    except OSError as exc:
        fail(f"The folder {data} can't be used: {exc.strerror}.", ExitStatus.FAILURE)


@contextmanager
def told() -> Iterator[None]:
    """End the command with the stand-in's own words where it refuses something."""
    try:
        yield
    except Refused as refused:
        missing = refused.code == "resource_not_found"
        fail(str(refused), ExitStatus.NOT_SO if missing else ExitStatus.USAGE)


def claims_of(pairs: list[str] | None) -> dict[str, Any]:
    """Read ``--claim name=value``, of which the value may be JSON."""
    return dict(_claim(pair) for pair in pairs or [])


def _claim(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not name or not equals:
        fail(f"--claim takes name=value, not {pair!r}.", ExitStatus.USAGE)
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
