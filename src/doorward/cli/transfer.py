"""Many files at once, with progress, and no failure that stops the others."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize

from doorward.cli.files import as_data
from doorward.cli.paths import RemotePath, ensure_folder, find, find_workspace, walk
from doorward.client.aio import AsyncDoorward
from doorward.client.digests import file_digest
from doorward.client.errors import DoorwardError, NotAuthenticated, NotFound, PermissionDenied
from doorward.client.model import File

Work = tuple[str, Callable[["Shown"], Awaitable[None]]]


@dataclass(frozen=True, slots=True)
class Shown:
    """How far it is, for whoever watches: called with what was moved since."""

    advance: Callable[[int], None] = lambda _: None
    expect: Callable[[int], None] = lambda _: None
    """Called with how many bytes more there are than was known."""

    def __call__(self, moved: int) -> None:
        """Tell that so many more bytes have moved."""
        self.advance(moved)


@dataclass(slots=True)
class Report:
    """What came of it, file by file; ``denied`` counts failures that were refusals."""

    done: list[File] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    moved_bytes: int = 0
    denied: int = 0

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.done + other.done,
            self.unchanged + other.unchanged,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self.moved_bytes + other.moved_bytes,
            self.denied + other.denied,
        )

    def as_data(self) -> dict[str, Any]:
        """Give the report as JSON shows it."""
        return {
            "data": [as_data(file) for file in self.done],
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "failed": [{"name": name, "reason": reason} for name, reason in self.failed],
            "moved_bytes": self.moved_bytes,
        }


@dataclass(frozen=True, slots=True)
class Outbound:
    """One file here and the folder it goes into."""

    path: Path
    name: str
    parent_id: str | None


async def put_all(
    server: AsyncDoorward, sources: list[Path], to: RemotePath, on_conflict: str, jobs: int
) -> Report:
    """Upload files and folders; raises NotAuthenticated and what concerns all of them."""
    report = Report()
    workspace_id = (await find_workspace(server, to.workspace)).id
    outbound = [one async for one in _planned(server, workspace_id, sources, to, report)]
    total = sum(one.path.stat().st_size for one in outbound)
    listings = Listings(server, workspace_id)

    async def send(one: Outbound, shown: Shown) -> None:
        size = one.path.stat().st_size
        if on_conflict == "replace" and await listings.holds(one, size):
            report.unchanged.append(str(one.path))
            shown(size)
            return
        file = await server.upload_file(
            one.path,
            workspace_id,
            name=one.name,
            parent_id=one.parent_id,
            on_conflict=on_conflict,
            progress=shown,
        )
        report.done.append(file)
        report.moved_bytes += size

    work: list[Work] = [(str(one.path), partial(send, one)) for one in outbound]
    await run_all(work, jobs, total, "Uploading", report)
    return report


async def get_all(
    server: AsyncDoorward, source: RemotePath, destination: str, jobs: int, *, force: bool
) -> Report:
    """Download a file or a folder; raises NotFound and what concerns all of it."""
    report = Report()
    workspace_id = (await find_workspace(server, source.workspace)).id
    node = await find(server, workspace_id, source)
    top = _here(destination, node)
    inbound: list[tuple[Path, File]] = []
    if node is not None and not node.is_folder:
        inbound.append((top, node))
    else:
        inbound = [one async for one in _mirrored(server, workspace_id, node, top)]

    async def fetch(target: Path, file: File, shown: Shown) -> None:
        if target.exists() and not force:
            if target.stat().st_size == file.size and file_digest(target) == file.digest:
                report.unchanged.append(str(target))
                shown(file.size or 0)
                return
            raise FileExistsError(0, "is there already and differs; --force overwrites it")
        await server.download_file(file, target, progress=shown)
        report.done.append(file)
        report.moved_bytes += file.size or 0

    total = sum(file.size or 0 for _, file in inbound)
    work: list[Work] = [(str(target), partial(fetch, target, file)) for target, file in inbound]
    await run_all(work, jobs, total, "Downloading", report)
    return report


def _here(destination: str, node: File | None) -> Path:
    """Say where it goes: the same on a second run, whatever the first one has made."""
    here = Path(destination)
    into = destination.endswith("/") or (node is not None and not node.is_folder and here.is_dir())
    return here / node.name if node is not None and into else here


async def _planned(
    server: AsyncDoorward, workspace_id: str, sources: list[Path], to: RemotePath, report: Report
) -> AsyncIterator[Outbound]:
    """Make the folders and say what goes where; what can't be sent is noted in the report."""
    parent_parts, rename = await target_of(server, workspace_id, sources, to)
    root = await ensure_folder(server, workspace_id, parent_parts)
    for source in sources:
        if source.is_symlink() or not source.exists():
            reason = "a symbolic link" if source.is_symlink() else "not there"
            report.failed.append((str(source), reason))
        elif source.is_dir():
            name = source.resolve().name
            folder = await ensure_folder(server, workspace_id, (name,), root)
            async for one in _tree(server, workspace_id, source, folder, report):
                yield one
        else:
            yield Outbound(source, rename or source.name, root)


async def target_of(
    server: AsyncDoorward, workspace_id: str, sources: list[Path], to: RemotePath
) -> tuple[tuple[str, ...], str | None]:
    """Tell a folder to put into from a new name for a single file."""
    if to.is_folder or len(sources) > 1 or sources[0].is_dir():
        return to.parts, None
    try:
        there = await find(server, workspace_id, to)
    except NotFound:
        there = None
    if there is not None and there.is_folder:
        return to.parts, None
    return to.parts[:-1], to.parts[-1]


async def _tree(
    server: AsyncDoorward, workspace_id: str, here: Path, parent_id: str | None, report: Report
) -> AsyncIterator[Outbound]:
    for entry in sorted(here.iterdir()):
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            report.skipped.append(f"{entry} (not a plain file)")
        elif entry.is_dir():
            folder = await ensure_folder(server, workspace_id, (entry.name,), parent_id)
            async for one in _tree(server, workspace_id, entry, folder, report):
                yield one
        else:
            yield Outbound(entry, entry.name, parent_id)


class Listings:
    """What lies in folders there, each asked for once however many files go into it."""

    def __init__(self, server: AsyncDoorward, workspace_id: str) -> None:
        self._server = server
        self._workspace_id = workspace_id
        self._folders: dict[str | None, asyncio.Task[dict[str, File]]] = {}

    async def holds(self, one: Outbound, size: int) -> bool:
        """Say whether the very same content lies there under that name already."""
        if one.parent_id not in self._folders:
            self._folders[one.parent_id] = asyncio.ensure_future(self._list(one.parent_id))
        # Names are kept in NFC there, and some systems spell theirs otherwise here.
        there = (await self._folders[one.parent_id]).get(normalize("NFC", one.name))
        if there is None or there.size != size:
            return False
        return there.digest == await asyncio.to_thread(file_digest, one.path)

    async def _list(self, parent_id: str | None) -> dict[str, File]:
        return {node.name: node async for node in self._server.files(self._workspace_id, parent_id)}


async def _mirrored(
    server: AsyncDoorward, workspace_id: str, folder: File | None, top: Path
) -> AsyncIterator[tuple[Path, File]]:
    """Make the folders here and say what goes where; a name that leads elsewhere is refused."""
    top.mkdir(parents=True, exist_ok=True)
    async for parts, node in walk(server, workspace_id, folder):
        if any(part in {"", ".", ".."} or "/" in part or "\x00" in part for part in parts):
            raise DoorwardError(0, "name_unsafe", f"The server gave an unsafe name: {parts!r}.")
        target = top.joinpath(*parts)
        if node.is_folder:
            target.mkdir(exist_ok=True)
        else:
            yield target, node


async def run_all(
    work: list[Work],
    jobs: int,
    total: int,
    title: str,
    report: Report,
) -> None:
    """Do the work some at a time; a failure is noted, and losing the sign-in ends it all."""
    queue = iter(work)
    try:
        async with _progress(title, total) as shown, asyncio.TaskGroup() as group:
            for _ in range(min(jobs, len(work))):
                group.create_task(_worker(queue, shown, report))
    except ExceptionGroup as group_of:
        raise group_of.exceptions[0] from None


async def _worker(
    queue: Iterator[Work],
    shown: Shown,
    report: Report,
) -> None:
    for name, do in queue:
        try:
            await do(shown)
        except NotAuthenticated:
            raise
        except DoorwardError as exc:
            report.failed.append((name, exc.detail))
            report.denied += isinstance(exc, PermissionDenied)
        except OSError as exc:
            report.failed.append((name, exc.strerror or str(exc)))


@asynccontextmanager
async def _progress(title: str, total: int) -> AsyncIterator[Shown]:
    """Show how far it is, on standard error and only to a person."""
    if not sys.stderr.isatty():
        yield Shown()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)

        def expect(more: int) -> None:
            nonlocal total
            total += more
            progress.update(task, total=total)

        yield Shown(lambda moved: progress.update(task, advance=moved), expect)
