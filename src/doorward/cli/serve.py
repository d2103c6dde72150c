"""``doorward serve``: the whole server from one command."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.output import ExitStatus, fail

if TYPE_CHECKING:
    from doorward.server.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", envvar="DOORWARD_HOST")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one.", envvar="DOORWARD_PORT", min=0, max=65535),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for the database and files.", envvar="DOORWARD_DATA"),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes on the same folder.", min=1)] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each request.")] = False,
) -> None:
    """Serve workspaces, files and the API until stopped.

    Without CLERK_* settings, on a loopback address, a local stand-in for Clerk signs people in.

    Examples:
      doorward serve
      doorward serve --port 9000 --data /srv/doorward --workers 4
    """
    from doorward.server.serve import AddressTaken, log_to_stderr
    from doorward.server.serve import serve as run
    from doorward.server.settings import SettingsInvalid, load_settings
    from doorward.server.store.sql.migrate import NewerDatabase

    os.umask(0o077)  # what is stored is for this user alone
    log_to_stderr(verbose=verbose)
    try:
        settings = load_settings(os.environ, data=data, host=host, port=port)
    except SettingsInvalid as exc:
        fail(str(exc), ExitStatus.USAGE)
    try:
        run(settings, workers, _announce)
    except SettingsInvalid as exc:
        fail(str(exc), ExitStatus.USAGE)
    except (AddressTaken, NewerDatabase, OSError) as exc:
        fail(str(exc), ExitStatus.FAILURE)


def _announce(settings: "Settings") -> None:
    """Say where it is and what to do next; the upload below works as pasted."""
    url = settings.public_url
    lines = ["", f"  Doorward serves {url}", f"  API and its pages: {url}/docs", ""]
    lines += _standin_lines(settings) if settings.standin else _clerk_lines(settings)
    typer.echo("\n".join([*lines, "", "  Stop with Ctrl-C.", ""]))


def _standin_lines(settings: "Settings") -> list[str]:
    url, data, program = settings.public_url, settings.data, _program()
    signed_in = '-H "Authorization: Bearer $TOKEN"'
    find = f"curl -s {url}/api/v1/workspaces {signed_in} | grep -o 'ws_[a-z2-7]*' | head -1"
    body = """--json '{"name": "hello.txt", "size": 6}'"""
    declare = f"curl -s {url}/api/v1/workspaces/$WS/uploads {signed_in} {body}"
    return [
        "  Sign-ins come from the local stand-in for Clerk: for development, on this machine only.",
        "",
        "  Upload a file:",
        "",
        f"    TOKEN=$({program} dev token --user you --data '{data}')",
        f"    WS=$({find})",
        "    printf 'hello\\n' > hello.txt",
        f"    URL=$({declare} | grep -o 'http[^\"]*/transfer/[^\"]*')",
        '    curl -T hello.txt "$URL"',
        "",
        f"  Or: {program} login --url {url} --user you && {program} put hello.txt && {program} ls",
    ]


def _program() -> str:
    """Say how this program is called from where the person is."""
    ours = Path(sys.executable).with_name("doorward")
    found = shutil.which("doorward")
    if found is not None and Path(found).resolve() == ours.resolve():
        return "doorward"
    return os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours)


def _clerk_lines(settings: "Settings") -> list[str]:
    me = f'curl {settings.public_url}/api/v1/me -H "Authorization: Bearer $TOKEN"'
    return ["  Sign-ins are verified with Clerk's keys.", f"  Send a session token: {me}"]
