"""``doorward bench``: what this server does on this machine, measured."""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.connection import JsonOption
from doorward.cli.output import ExitStatus, fail, print_json, say

if TYPE_CHECKING:
    from doorward.cli.revoking.findings import Findings

app = typer.Typer(
    help="Measure this server on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_SHOWN_MAX = 20


@app.callback()
def bench() -> None:
    """Measure this server on this machine."""


@app.command()
def revoke(
    revocations: Annotated[int, typer.Option(help="How many, at random moments.", min=1)] = 1000,
    workers: Annotated[int, typer.Option(help="Processes of the server.", min=1)] = 4,
    uploads: Annotated[int, typer.Option(help="Uploads in flight all along.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="The same one draws the same kinds.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="An empty folder to serve; else a temporary one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke credentials while they are used, and see what is accepted after the call answered.

    Starts a server of its own with the stand-in, and stops it. Ends with 1 where anything was
    accepted, or anything ended that nobody had revoked.

    Example:
      doorward bench revoke --revocations 100 --workers 2
    """
    from doorward.cli.revoking.run import Size, measure
    from doorward.cli.revoking.wire import BenchFailed

    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        if folder.exists() and any(folder.iterdir()):
            fail(f"{folder} is not empty: this bench makes what it serves.", ExitStatus.USAGE)
        try:
            found = asyncio.run(measure(Size(revocations, workers, uploads, seed), folder, say))
        except BenchFailed as exc:
            fail(f"The bench came to nothing: {exc}", ExitStatus.FAILURE)
    findings: Findings = found.pop("findings")
    if as_json:
        print_json(found | findings.shown())
    else:
        _show(found, findings)
    if findings.violations:
        raise SystemExit(int(ExitStatus.NOT_SO))


def _show(found: dict[str, Any], findings: "Findings") -> None:
    from doorward.cli.revoking.findings import histogram, table

    size = found["size"]
    head = (
        f"{size['revocations']} revocations in {found['seconds']} s, {size['workers']} workers "
        f"({found['workers_met']} met), {size['uploads']} uploads in flight, "
        f"{found['sessions_refreshed']} tokens refreshed"
    )
    lines = [
        head,
        "",
        "When the last thing that was accepted had been sent, in ms from the call's answer:",
        *table(findings.accepted),
        *histogram([time for times in findings.accepted.values() for time in times]),
        "",
        "How long connections outlived it, in ms (none of what came by them counts):",
        *table(findings.cut),
        *histogram([time for times in findings.cut.values() for time in times]),
        "",
        "How long the revoking calls took, in ms:",
        *table({("call", kind): times for kind, times in findings.calls.items()}),
        "",
        f"Handed to the system of a download before: up to {max(findings.left, default=0)} bytes.",
        f"Violations: {len(findings.violations)}",
        *(f"  {line}" for line in findings.violations[:_SHOWN_MAX]),
    ]
    typer.echo("\n".join(lines))
