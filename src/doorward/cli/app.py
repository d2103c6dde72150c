"""The table of commands; a command's module is loaded when it is called, ``--help`` loads none."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

from doorward._version import __version__


@dataclass(frozen=True, slots=True)
class Row:
    """Where a command lives, and what it is for."""

    module: str
    attribute: str
    help: str


ROWS = {
    "serve": Row("serve", "serve", "Serve workspaces, files and the API."),
    "doctor": Row("doctor", "doctor", "Check settings, folder, disk and server."),
    "fsck": Row("fsck", "fsck", "Compare rows and bytes, and mend what can be mended."),
    "dev": Row("dev", "app", "The local stand-in for Clerk: tokens without an account."),
    "login": Row("session", "login", "Sign in to a server and remember it."),
    "whoami": Row("session", "whoami", "Say who you are to the server."),
    "ws": Row("workspaces", "app", "List and manage workspaces."),
    "ls": Row("files", "ls", "List files."),
    "put": Row("files", "put", "Upload files and folders."),
    "get": Row("files", "get", "Download files and folders."),
    "share": Row("links", "share", "Make a link that downloads a file or folder."),
    "links": Row("links", "app", "List, show and kill signed links."),
    "why": Row("why", "why", "Replay, step by step, what was decided for a request."),
    "explain": Row("why", "explain", "Say what would come of an action, and which rule decides."),
    "usage": Row("usage", "usage", "Show storage, credits and limits."),
    "audit": Row("audit", "app", "Read, export and verify the audit trail."),
    "keys": Row("keys", "app", "Make, bound, rotate and revoke API keys; find leaked ones."),
    "rm": Row("files", "rm", "Put files in the bin."),
    "bench": Row("bench", "app", "Measure this server on this machine."),
}


def build(arguments: list[str]) -> typer.Typer:
    """Make the application for one call: the command that is asked for is whole, others a line."""
    app = typer.Typer(
        name="doorward",
        help="One door for people and agents: verify, serve, upload, download.",
        epilog="Begin with: doorward serve",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_version_option)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, row in ROWS.items():
        _add(app, name, row, whole=name == asked)
    return app


def _version_option(
    *,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    """Take ``--version`` beside other words too; alone it never comes this far."""
    if version:
        typer.echo(f"doorward {__version__}")
        raise typer.Exit


def _add(app: typer.Typer, name: str, row: Row, *, whole: bool) -> None:
    target = _load(row) if whole else _only_named
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name, help=row.help)
    else:
        app.command(name=name, help=None if whole else row.help)(target)


def _load(row: Row) -> Any:
    return getattr(import_module(f"doorward.cli.{row.module}"), row.attribute)


def _only_named() -> None:
    """Stand for a command that this call does not ask for."""
