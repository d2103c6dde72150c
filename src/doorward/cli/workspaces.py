"""``doorward ws``: workspaces."""

import asyncio
from typing import Annotated

import typer

from doorward.cli import handover
from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.output import print_json, say
from doorward.cli.sizes import human_size
from doorward.client.model import Workspace

app = typer.Typer(
    help="List and manage workspaces.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
NameArgument = Annotated[str, typer.Argument(help="Id or name.")]


@app.callback(invoke_without_command=True)
def ws(context: typer.Context, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List the workspaces you are in.

    Examples:
      doorward ws
      doorward ws create Plans
    """
    if context.invoked_subcommand is not None:
        return
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        found = list(server.workspaces())
    if as_json:
        print_json({"data": [_as_data(one) for one in found]})
        return
    for one in found:
        used = f"{human_size(one.used_bytes)} of {human_size(one.quota_bytes)}"
        typer.echo(f"{one.id}  {one.role or '-':<6}  {used:>20}  {one.name}")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name.")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a workspace that you own."""
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        made = server.create_workspace(name)
    if as_json:
        print_json(_as_data(made))
    else:
        typer.echo(made.id)


@app.command()
def rename(
    workspace: NameArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    url: UrlOption = None,
) -> None:
    """Rename a workspace."""
    asyncio.run(_change(url, workspace, rename_to=name))
    say(f"{workspace} is now named {name}.")


@app.command()
def rm(workspace: NameArgument, url: UrlOption = None) -> None:
    """Delete a workspace with everything in it."""
    asyncio.run(_change(url, workspace, rename_to=None))
    say(f"{workspace} is deleted.")


async def _change(url: str | None, workspace: str, rename_to: str | None) -> None:
    from doorward.cli.paths import find_workspace
    from doorward.client.aio import AsyncDoorward

    base, token = server_and_token(url)
    with explained():
        async with AsyncDoorward(base, token) as server:
            found = await find_workspace(server, workspace)
            if rename_to is None:
                await server.delete_workspace(found.id)
            else:
                await server.rename_workspace(found.id, rename_to)


def _as_data(workspace: Workspace) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(workspace)
    return data


handover.register(app)
