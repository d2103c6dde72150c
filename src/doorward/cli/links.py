"""``doorward share`` and ``doorward links``."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.files import RemoteArgument
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.times import seconds_of
from doorward.client.model import Link, SharedLink

if TYPE_CHECKING:
    from doorward.client.aio import AsyncDoorward

app = typer.Typer(
    help="List, show and kill signed links.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
LinkArgument = Annotated[str, typer.Argument(help="link_…")]


def share(
    path: RemoteArgument,
    expires: Annotated[str, typer.Option(help="Its life: 90s, 15m, 8h, 7d.")] = "15m",
    uses: Annotated[int | None, typer.Option(help="Whole downloads it is good for.", min=1)] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password.")] = False,
    inline: Annotated[bool, typer.Option("--inline", help="Show it where that is safe.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a link that downloads a file, or a folder as a ZIP file, and print its URL.

    It acts for you: it ends when your session or your right to share does.

    Examples:
      doorward share :/report.pdf
      doorward share Plans:/2026 --expires 7d --uses 1 --password
    """
    options: dict[str, object] = {
        "expires_in": seconds_of(expires),
        "uses": uses,
        "password": _asked_password() if password else None,
        "disposition": "inline" if inline else "attachment",
    }
    made = asyncio.run(_share(url, path, options))
    if as_json:
        print_json(_as_data(made))
        return
    typer.echo(made.url)
    say(f"It ends {made.expires_at:%Y-%m-%d %H:%M} UTC, or by: doorward links kill {made.id}")


@app.command("list")
def list_links(
    workspace: Annotated[str | None, typer.Option(help="Id or name of a workspace.")] = None,
    dead: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List links: your own, and with --workspace all that are in it if you administer it."""
    found = asyncio.run(_list(url, workspace, live=None if dead else True))
    if as_json:
        print_json({"data": [_as_data(one) for one in found]})
        return
    for one in found:
        state = "live" if one.live else "over"
        uses = f"{one.uses} of {one.limits.uses}" if one.limits.uses else str(one.uses)
        ends = f"{one.expires_at:%Y-%m-%d %H:%M}"
        typer.echo(f"{one.id}  {one.direction:<8}  {state}  {uses:>8}  {ends}  {one.resource.name}")


@app.command()
def show(link: LinkArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show what a link leads to, how far it goes and what came of it."""
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        found = server.read_link(link)
    data = _as_data(found)
    if as_json:
        print_json(data)
        return
    for name, value in data.items():
        typer.echo(f"{name:<14}{value}")


@app.command()
def kill(links: Annotated[list[str], typer.Argument(help="link_…")], url: UrlOption = None) -> None:
    """Kill links: they give nothing from now on, and what is under way ends."""
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        for link in links:
            server.kill_link(link)
            say(f"{link} is dead.")


async def _share(url: str | None, path: str, options: dict[str, object]) -> SharedLink:
    from doorward.cli.paths import NotRemote, find, find_workspace, parse_remote

    try:
        remote = parse_remote(path)
    except NotRemote as exc:
        fail(str(exc), ExitStatus.USAGE)
    async with _connected(url) as server:
        with explained():
            workspace = await find_workspace(server, remote.workspace)
            node = await find(server, workspace.id, remote)
            if node is None:
                fail("Name a file or folder: a whole workspace is not shared.", ExitStatus.USAGE)
            return await server.link(node.id, **options)


async def _list(url: str | None, workspace: str | None, *, live: bool | None) -> list[Link]:
    from doorward.cli.paths import find_workspace

    async with _connected(url) as server:
        with explained():
            found = await find_workspace(server, workspace) if workspace else None
            where = {"workspace": found.id if found else None, "live": live}
            return [link async for link in server.links(**where)]


def _connected(url: str | None) -> "AsyncDoorward":
    from doorward.client.aio import AsyncDoorward

    return AsyncDoorward(*server_and_token(url))


def _asked_password() -> str:
    """Take the password from a prompt, never from the command line, which others can see."""
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _as_data(value: SharedLink | Link) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(value)
    return data
