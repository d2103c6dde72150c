"""``doorward keys scan``: keys that lie where they should not. It asks no server."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from io import TextIOWrapper
from itertools import chain
from typing import Annotated

import typer

from doorward.cli.connection import JsonOption
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.scan_report import Finding, sarif_of
from doorward.cli.scan_sources import Bounds, NotSearched, Source, files
from doorward.cli.sizes import human_size, size_of
from doorward.server.keys.scanning import Scanner

_TOLD_SECONDS, _TOLD_SECONDS_LOG = 1.0, 10.0


class Form(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def scan(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files and folders; - is standard input.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Instead: all that git keeps of these repositories.")
    ] = False,
    staged: Annotated[
        bool, typer.Option("--staged", help="Instead: what is staged there for the next commit.")
    ] = False,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out what matches, such as '*.iso'; repeatable.")
    ] = None,
    max_size: Annotated[str, typer.Option(help="Leave out what is larger: 100M, 2G.")] = "1G",
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Find keys in files of any kind, or in a git history, and say where they are.

    Ends with 1 where any was found. It asks no server, passes nothing over for being ignored by
    git, and looks into UTF-8, UTF-16 and binary files, but not into archives, base64, or anything
    else that is compressed. A key itself is never printed.

    Examples:
      doorward keys scan .
      doorward keys scan --history --exclude 'vendor/*' --format sarif > keys.sarif
    """
    if history and staged:
        fail("Choose --history or --staged: each is a search of its own.", ExitStatus.USAGE)
    form = Form.JSON if as_json else form
    _write_any_name()
    bounds = Bounds(tuple(exclude or ()), size_of(max_size))
    search = _Search(bounds, show=typer.echo if form is Form.TEXT else None)
    try:
        search.run(_sources(paths or ["."], bounds, history=history, staged=staged))
    except NotSearched as exc:
        fail(str(exc), exc.status)
    if form is not Form.TEXT:
        print_json(search.as_data() if form is Form.JSON else sarif_of(search.findings))
    _end(search, bounds, by_blob=history)


def _write_any_name() -> None:
    """Let no name end the search for which the output has no letters."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _sources(paths: list[str], bounds: Bounds, *, history: bool, staged: bool) -> Iterator[Source]:
    if not history and not staged:
        return files(paths, bounds)
    from doorward.cli import scan_git

    kept = scan_git.history if history else scan_git.staged
    return chain.from_iterable(kept(path, bounds) for path in paths)


@dataclass(slots=True)
class _Search:
    """Searches one thing after the other, and tells how far it is."""

    bounds: Bounds
    show: Callable[[str], None] | None
    findings: list[Finding] = field(default_factory=list)
    sources: int = 0
    searched_bytes: int = 0
    _told: float = field(default_factory=time.monotonic)

    def run(self, sources: Iterator[Source]) -> None:
        """Search all of it; raises NotSearched."""
        for source in sources:
            try:
                self._search(source)
            except OSError as exc:
                self.bounds.unread.append(f"{source.name}: {exc.strerror}")
            self.sources += 1

    def as_data(self) -> dict[str, object]:
        """Give what came of it as JSON shows it."""
        return {
            "findings": [finding.as_data() for finding in self.findings],
            "searched": {"files": self.sources, "bytes": self.searched_bytes},
            "skipped": self.bounds.skipped,
            "unread": self.bounds.unread,
        }

    def _search(self, source: Source) -> None:
        scanner = Scanner()
        for piece in source.pieces:
            for one in scanner.feed(piece):
                place = (source.name, one.line, one.column)
                self._found(Finding(*place, one.environment, one.starts, source.blob))
            self.searched_bytes += len(piece)
            self._tell()

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        if self.show is not None:
            self.show(str(finding))

    def _tell(self) -> None:
        patience = _TOLD_SECONDS if sys.stderr.isatty() else _TOLD_SECONDS_LOG
        if time.monotonic() - self._told >= patience:
            self._told = time.monotonic()
            say(f"{self.sources} files, {human_size(self.searched_bytes)} searched")


def _end(search: _Search, bounds: Bounds, *, by_blob: bool) -> None:
    found = len(search.findings)
    for name in bounds.unread:
        say(f"Not read: {name}")
    for name in bounds.skipped:
        say(f"Left out, being larger than --max-size: {name}")
    say(
        f"{search.sources} files, {human_size(search.searched_bytes)} searched, keys found: {found}"
    )
    if found:
        say("Whoever could read them may have them: revoke each (doorward keys revoke).")
        if by_blob:
            say("Which commits hold one: git log --all --find-object=ID")
        raise SystemExit(int(ExitStatus.NOT_SO))
    if bounds.unread:
        raise SystemExit(int(ExitStatus.FAILURE))
