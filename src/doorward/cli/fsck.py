"""``doorward fsck``: whether rows and bytes agree, while the server runs or not."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.connection import JsonOption
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.sizes import human_size

if TYPE_CHECKING:
    from doorward.server.fsck import Plan, Progress
    from doorward.server.integrity.model import Finding
    from doorward.server.settings import Settings

_TOLD_SECONDS = 1.0
_POSITION = "fsck.position"


def fsck(
    data: Annotated[
        Path | None, typer.Option(help="The data folder.", envvar="DOORWARD_DATA")
    ] = None,
    scrub: Annotated[bool, typer.Option("--scrub", help="Read and hash every byte.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    remote: Annotated[
        bool,
        typer.Option(
            "--remote",
            help="With --repair, remove orphans from the remote store too, whose prefix must be "
            "this data folder's alone.",
        ),
    ] = False,
    rate: Annotated[
        int | None, typer.Option(help="Read at most so many MiB a second.", min=1)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the scrub that was cut.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for lost, orphaned, cut and altered bytes, and for rows that contradict each other.

    Safe beside a running server. Without --repair it changes nothing. Ends with 1 where anything
    was found, mended or not.

    Examples:
      doorward fsck
      doorward fsck --scrub --rate 50 --repair --json
    """
    from doorward.server.fsck import Plan
    from doorward.server.problems import Problem
    from doorward.server.settings import SettingsInvalid, load_settings
    from doorward.server.store.sql.migrate import NotMigrated

    try:
        settings = load_settings(os.environ, data=data)
    except SettingsInvalid as exc:
        fail(str(exc), ExitStatus.USAGE)
    plan = Plan(
        scrub=scrub,
        repair=repair,
        remote=remote,
        grace_seconds=settings.blob_grace_seconds,
        rate_bytes=None if rate is None else rate << 20,
        after=_kept_position(settings) if resume else "",
    )
    try:
        findings, progress = asyncio.run(_run(settings, plan, None if as_json else _show))
    except SettingsInvalid as exc:
        fail(str(exc), ExitStatus.USAGE)
    except (NotMigrated, Problem, OSError) as exc:
        fail(str(exc), ExitStatus.FAILURE)
    if as_json:
        print_json({"findings": [asdict(one) for one in findings], "progress": asdict(progress)})
    say(f"{progress.blobs} blobs, {human_size(progress.scrubbed_bytes)} read: {_sum(findings)}")
    if findings:
        raise SystemExit(int(ExitStatus.NOT_SO))


async def _run(
    settings: "Settings", plan: "Plan", show: "Callable[[Finding], None] | None"
) -> "tuple[list[Finding], Progress]":
    from doorward.server.folder import opened
    from doorward.server.fsck import Fsck

    findings = []
    teller = _Teller(settings, keep=plan.scrub)
    async with opened(settings) as (store, blobs):
        run = Fsck(store, blobs, plan, teller)
        async with aclosing(run.run()) as found:
            async for one in found:
                findings.append(one)
                if show is not None:
                    show(one)
    teller.finished()
    return findings, run.progress


def _show(one: "Finding") -> None:
    typer.echo(f"{one.fault.value:<18} {one.subject}: {one.detail}")
    if one.repaired is not None:
        typer.echo(f"{'':<18} -> {one.repaired}")


def _sum(findings: "list[Finding]") -> str:
    if not findings:
        return "nothing found."
    mended = sum(one.repaired is not None for one in findings)
    return f"{len(findings)} found, {mended} mended."


class _Teller:
    """Says on standard error how far a run is, and keeps where a cut scrub can go on."""

    def __init__(self, settings: "Settings", *, keep: bool) -> None:
        self._file = settings.data / _POSITION
        self._keep = keep
        self._told = time.monotonic()

    def __call__(self, progress: "Progress") -> None:
        if time.monotonic() - self._told < _TOLD_SECONDS:
            return
        self._told = time.monotonic()
        if self._keep:
            new = self._file.with_suffix(".new")
            new.write_text(progress.position, encoding="utf-8")
            new.replace(self._file)
        say(f"{progress.blobs} blobs, {human_size(progress.scrubbed_bytes)} read")

    def finished(self) -> None:
        """Forget the position of a run that came to its end."""
        if self._keep:
            self._file.unlink(missing_ok=True)


def _kept_position(settings: "Settings") -> str:
    try:
        return (settings.data / _POSITION).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
