"""``doorward keys``: what agents and machines come with."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.connection import JsonOption, UrlOption, with_server
from doorward.cli.delegation import delegate
from doorward.cli.keys_scan import scan
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.secret_files import secret_file
from doorward.cli.times import seconds_of, seconds_or_none
from doorward.client.model import Key, KeyWithSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from doorward.client.aio import AsyncDoorward

app = typer.Typer(
    help="Make, bound, rotate and revoke API keys, and find those that leaked.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(scan)
app.command()(delegate)

KeyArgument = Annotated[str, typer.Argument(help="key_…")]
ScopeOption = typer.Option(help="What it may do, such as files:read; repeat it, or use commas.")
WorkspaceOption = typer.Option(help="Id or name of a workspace it is bound to; repeatable.")
NetworkOption = typer.Option(help="From where it may be used, such as 192.0.2.0/24; repeatable.")
ExpiresOption = typer.Option(help="Its life: 8h, 90d.")
OutOption = typer.Option(help="Keep the secret in this file, for you alone, and print none.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[str], ScopeOption],
    workspace: Annotated[list[str] | None, WorkspaceOption] = None,
    network: Annotated[list[str] | None, NetworkOption] = None,
    expires: Annotated[str | None, ExpiresOption] = None,
    environment: Annotated[str | None, typer.Option(help="live, test, ….")] = None,
    rotate_every: Annotated[
        str | None, typer.Option(help="Its secret ends after so long: rotate it before that.")
    ] = None,
    out: Annotated[Path | None, OutOption] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key that acts for you, and print its secret, which is shown this once.

    It takes a sign-in that is not long past.

    Examples:
      KEY=$(doorward keys create ci --scope files:read,workspaces:read --expires 90d)
      doorward keys create agent --scope files:write --workspace Plans --out agent.key
    """
    bounds = {
        "networks": network or None,
        "expires_in": seconds_or_none(expires),
        "environment": environment,
        "rotate_every": seconds_or_none(rotate_every),
    }

    async def work(server: "AsyncDoorward") -> KeyWithSecret:
        ids = await _workspace_ids(server, workspace)
        return await server.create_key(name, _listed(scope), workspaces=ids, **bounds)

    made = _secret_made(url, work, out, replace=False, as_json=as_json)
    ends = f"ends {made.expires_at:%Y-%m-%d %H:%M} UTC" if made.expires_at else "has no end"
    say(f"It acts for you with {', '.join(made.scopes)}, and {ends}.")
    say(f"End it at once by: doorward keys revoke {made.id}")


@app.command()
def ls(
    environment: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
    dead: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys: yours, and those of an organization that you administer.

    Example:
      doorward keys ls --environment test
    """

    async def work(server: "AsyncDoorward") -> list[Key]:
        rows = [row async for row in server.keys(environment)]
        return [row for row in rows if dead or row.status == "active"]

    found = with_server(url, work)
    if as_json:
        print_json({"data": [_as_data(one) for one in found]})
        return
    for one in found:
        ends = f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "-"
        used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "-"
        start = f"{one.id}  {one.status:<8}  {one.environment:<6}"
        typer.echo(f"{start}  ends {ends:<10}  used {used:<16}  {one.name}")


@app.command()
def show(key: KeyArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show what a key may do, and when it was used last.

    Example:
      doorward keys show key_4qzl2cm7 --json
    """
    _tell(with_server(url, lambda server: server.key(key)), as_json=as_json)


@app.command()
def rename(
    key: KeyArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a key.

    Example:
      doorward keys rename key_4qzl2cm7 "nightly build"
    """
    _tell(with_server(url, lambda server: server.change_key(key, name=name)), as_json=as_json)


@app.command()
def change(
    key: KeyArgument,
    scope: Annotated[list[str] | None, ScopeOption] = None,
    workspace: Annotated[list[str] | None, WorkspaceOption] = None,
    network: Annotated[list[str] | None, NetworkOption] = None,
    expires: Annotated[str | None, typer.Option(help="Its life from now on: 8h, 90d.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set bounds of a key anew, from the next request on; what is not named stays.

    Example:
      doorward keys change key_4qzl2cm7 --scope files:read --expires 7d
    """
    change = {
        "scopes": _listed(scope) if scope else None,
        "networks": network or None,
        "expires_in": seconds_or_none(expires),
    }
    change = {bound: value for bound, value in change.items() if value is not None}
    if not change and not workspace:
        fail("Say what to change: --scope, --workspace, --network, --expires.", ExitStatus.USAGE)

    async def work(server: "AsyncDoorward") -> Key:
        if workspace:
            change["workspaces"] = await _workspace_ids(server, workspace)
        return await server.change_key(key, **change)

    _tell(with_server(url, work), as_json=as_json)


@app.command()
def rotate(
    key: Annotated[str | None, typer.Argument(help="key_…; left out: the one you present.")] = None,
    overlap: Annotated[
        str | None, typer.Option(help="How long the old secret counts still: 24h, or 0.")
    ] = None,
    out: Annotated[Path | None, OutOption] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret and print it, once; the old one counts for the overlap (24h) still.

    With --out the file's old content is replaced whole. A key that has keys:manage rotates itself.

    Examples:
      doorward keys rotate key_4qzl2cm7 --overlap 1h
      DOORWARD_TOKEN_FILE=agent.key doorward keys rotate --out agent.key
    """
    seconds = None if overlap is None else seconds_of(overlap, least=0)

    async def work(server: "AsyncDoorward") -> KeyWithSecret:
        return await server.rotate_key(key or await _own(server), seconds)

    made = _secret_made(url, work, out, replace=True, as_json=as_json)
    say(f"The secrets that {made.id} had end by themselves; keep this one in their place.")


@app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(help="key_…")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """End keys for good and at once, with the links and uploads that they made.

    Example:
      doorward keys revoke key_4qzl2cm7 --yes
    """
    if not yes:
        _ask(keys)

    async def work(server: "AsyncDoorward") -> None:
        for key in keys:
            await server.revoke_key(key)
            say(f"{key} is revoked.")

    with_server(url, work)
    if as_json:
        print_json({"revoked": keys})


def _secret_made(
    url: str | None,
    work: "Callable[[AsyncDoorward], Coroutine[Any, Any, KeyWithSecret]]",
    out: Path | None,
    *,
    replace: bool,
    as_json: bool,
) -> KeyWithSecret:
    """Have a secret made, and print it or keep it, never both."""
    if out is None:
        made: KeyWithSecret = with_server(url, work)
        shown = _as_data(made)
    else:
        made = _kept(url, work, out, replace=replace)
        shown = {name: value for name, value in _as_data(made).items() if name != "secret"}
        shown |= {"out": str(out)}
    if as_json:
        print_json(shown)
    else:
        typer.echo(made.id if out else made.secret)
    say(f"{made.id}: its secret is {f'in {out}' if out else 'shown'} and is not told again.")
    return made


def _kept(
    url: str | None,
    work: "Callable[[AsyncDoorward], Coroutine[Any, Any, KeyWithSecret]]",
    out: Path,
    *,
    replace: bool,
) -> KeyWithSecret:
    made: KeyWithSecret | None = None
    try:
        with secret_file(out, replace=replace) as keep:
            made = with_server(url, work)
            keep(made.secret)
    except FileExistsError:
        fail(f"{out} is there already: name a new file.", ExitStatus.USAGE)
    except OSError as exc:
        lost = "" if made is None else f" The secret of {made.id} is lost: rotate or revoke it."
        fail(f"{out} can't be written: {exc.strerror}.{lost}", ExitStatus.FAILURE)
    return made


def _ask(keys: list[str]) -> None:
    if not sys.stdin.isatty():
        fail("Nobody is there to be asked: say --yes.", ExitStatus.USAGE)
    if not typer.confirm(f"Revoke {', '.join(keys)} for good?", err=True):
        fail("Nothing was revoked.", ExitStatus.NOT_SO)


async def _workspace_ids(server: "AsyncDoorward", names: list[str] | None) -> list[str] | None:
    from doorward.cli.paths import find_workspace

    return [(await find_workspace(server, name)).id for name in names] if names else None


async def _own(server: "AsyncDoorward") -> str:
    credential = (await server.me()).credential
    if credential.type != "api_key" or credential.id is None:
        fail("Name the key, or present it (DOORWARD_TOKEN_FILE).", ExitStatus.USAGE)
    return credential.id


def _listed(scopes: list[str]) -> list[str]:
    return [scope.strip() for given in scopes for scope in given.split(",") if scope.strip()]


def _tell(key: Key, *, as_json: bool) -> None:
    data = _as_data(key)
    if as_json:
        print_json(data)
        return
    for name, value in data.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name:<16}{'-' if shown is None else shown}")


def _as_data(key: Key) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(key)
    return data
