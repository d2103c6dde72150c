"""``doorward ls``, ``put``, ``get`` and ``rm``."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.connection import JsonOption, UrlOption, with_server
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.sizes import human_size
from doorward.client.model import File

if TYPE_CHECKING:
    from doorward.cli.paths import RemotePath
    from doorward.cli.transfer import Report
    from doorward.client.aio import AsyncDoorward

RemoteArgument = Annotated[str, typer.Argument(help="WORKSPACE:/path, or :/path in your home.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", help="Files at a time.", min=1, max=64)]


class Conflict(StrEnum):
    """What to do with a name that is taken."""

    REPLACE = "replace"
    RENAME = "rename"
    ERROR = "error"


def ls(path: RemoteArgument = ":/", url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List a folder, or one file.

    Examples:
      doorward ls
      doorward ls Plans:/2026 --json
    """
    found = with_server(url, lambda server: _list(server, path))
    if as_json:
        print_json({"data": [as_data(node) for node in found]})
        return
    for node in found:
        size = "-" if node.is_folder else human_size(node.size or 0)
        slash = "/" if node.is_folder else ""
        typer.echo(f"{size:>10}  {node.updated_at:%Y-%m-%d %H:%M}  {node.name}{slash}")


def put(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, URLs; last may be WS:/path.")
    ],
    on_conflict: Annotated[
        Conflict, typer.Option(help="When the name is taken; a replaced file keeps its versions.")
    ] = Conflict.REPLACE,
    jobs: JobsOption = 8,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload files and whole folders; files that are there already unchanged are skipped.

    Symbolic links are not followed. Each file is checked against its digest. A URL is fetched by
    the server itself, which goes on with it if you stop waiting.

    Examples:
      doorward put report.pdf
      doorward put https://example.com/report.pdf Plans:/2026/
      doorward put photos/ notes.md Plans:/2026/
    """
    from doorward.cli.imports import is_url
    from doorward.cli.paths import NotRemote, parse_remote

    destination = ":/"
    if ":" in sources[-1] and not is_url(sources[-1]) and not Path(sources[-1]).exists():
        sources, destination = sources[:-1], sources[-1]
    if not sources:
        fail("Name at least one file or folder to upload.", ExitStatus.USAGE)
    try:
        remote = parse_remote(destination)
    except NotRemote as exc:
        fail(str(exc), ExitStatus.USAGE)
    report = with_server(url, lambda server: _put(server, sources, remote, on_conflict.value, jobs))
    _end(report, "uploaded", as_json=as_json)


def get(
    source: RemoteArgument,
    destination: Annotated[
        str, typer.Argument(help="The new name here; with a / at the end, the folder to put it in.")
    ] = "./",
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite files here.")] = False,
    jobs: JobsOption = 8,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download a file or a whole folder; run again, it goes on where it was cut.

    Examples:
      doorward get :/report.pdf
      doorward get Plans:/2026 ./backup
      doorward get Plans:/2026 archive/
    """
    from doorward.cli.paths import NotRemote, parse_remote
    from doorward.cli.transfer import get_all

    try:
        remote = parse_remote(source)
    except NotRemote as exc:
        fail(str(exc), ExitStatus.USAGE)
    report = with_server(
        url, lambda server: get_all(server, remote, destination, jobs, force=force)
    )
    _end(report, "downloaded", as_json=as_json)


def rm(
    paths: Annotated[list[str], typer.Argument(help="WORKSPACE:/path, …")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put files or folders in the bin, from where they can be restored.

    Example:
      doorward rm :/old.txt Plans:/2019
    """
    gone = with_server(url, lambda server: _remove(server, paths))
    if as_json:
        print_json({"data": [as_data(node) for node in gone]})
        return
    for node in gone:
        say(f"{node.name} is in the bin (restore: POST /api/v1/files/{node.id}/restore).")


def as_data(node: File) -> dict[str, Any]:
    """Give a file as JSON shows it."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(node)
    return data


async def _put(
    server: "AsyncDoorward", sources: list[str], to: "RemotePath", on_conflict: str, jobs: int
) -> "Report":
    from doorward.cli.imports import import_all, is_url
    from doorward.cli.transfer import Report, put_all

    paths = [Path(source) for source in sources if not is_url(source)]
    urls = [source for source in sources if is_url(source)]
    if paths and urls:  # several things go into a folder
        to = replace(to, is_folder=True)
    report = Report()
    if paths:
        report += await put_all(server, paths, to, on_conflict, jobs)
    if urls:
        report += await import_all(server, urls, to, on_conflict, jobs)
    return report


async def _list(server: "AsyncDoorward", text: str) -> list[File]:
    from doorward.cli.paths import find, find_workspace

    remote = _parsed(text)
    workspace = await find_workspace(server, remote.workspace)
    node = await find(server, workspace.id, remote)
    if node is not None and not node.is_folder:
        return [node]
    return [child async for child in server.files(workspace.id, node.id if node else None)]


async def _remove(server: "AsyncDoorward", texts: list[str]) -> list[File]:
    from doorward.cli.paths import find, find_workspace

    gone = []
    for remote in [_parsed(text) for text in texts]:
        workspace = await find_workspace(server, remote.workspace)
        node = await find(server, workspace.id, remote)
        if node is None:
            fail(f"{remote} is a whole workspace: use 'doorward ws rm'.", ExitStatus.USAGE)
        await server.delete_file(node.id)
        gone.append(node)
    return gone


def _parsed(text: str) -> Any:
    from doorward.cli.paths import NotRemote, parse_remote

    try:
        return parse_remote(text)
    except NotRemote as exc:
        fail(str(exc), ExitStatus.USAGE)


def _end(report: "Report", done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_data())
    for name, reason in report.failed:
        say(f"{name}: {reason}")
    parts = [f"{len(report.done)} {done} ({human_size(report.moved_bytes)})"]
    parts += [f"{len(report.unchanged)} unchanged"] if report.unchanged else []
    parts += [f"{len(report.skipped)} skipped"] if report.skipped else []
    parts += [f"{len(report.failed)} failed"] if report.failed else []
    say(", ".join(parts))
    if report.failed:
        only_denied = report.denied == len(report.failed)
        raise SystemExit(int(ExitStatus.NOT_ALLOWED if only_denied else ExitStatus.NOT_SO))
