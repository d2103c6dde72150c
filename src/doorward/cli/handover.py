"""``doorward ws offer``, ``offers``, ``cancel``, ``claim`` and ``undo``."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.cli.sizes import human_size
from doorward.cli.times import seconds_of

if TYPE_CHECKING:
    from doorward.client.aio import AsyncDoorward
    from doorward.client.handover import Offer, Preview, Transfer

WorkspaceArgument = Annotated[str, typer.Argument(help="Id or name.")]
TransferArgument = Annotated[str, typer.Argument(help="tr_…")]


def offer(
    workspace: WorkspaceArgument,
    to: Annotated[str | None, typer.Option(help="Who alone may claim it: user_…")] = None,
    organization: Annotated[
        str, typer.Option(help="Where it goes: stay, claimer, personal or org_….")
    ] = "stay",
    keep: Annotated[
        str, typer.Option(help="What you keep: admin, editor, viewer, none.")
    ] = "admin",
    keep_for: Annotated[str | None, typer.Option(help="For how long: 12h, 30d.")] = None,
    expires: Annotated[str | None, typer.Option(help="The offer's life: 15m, 8h, 3d.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer a workspace that you own, and print the link by which it is claimed, once.

    Examples:
      doorward ws offer Plans --to user_bob --keep-for 30d
      doorward ws offer Plans --organization claimer --keep none
    """
    terms: dict[str, object] = {
        "to_user_id": to,
        "organization": organization,
        "keeps": keep,
        "keeps_for": None if keep_for is None else seconds_of(keep_for),
        "expires_in": None if expires is None else seconds_of(expires),
    }
    made = asyncio.run(_offer(url, workspace, terms))
    if as_json:
        print_json(_as_data(made))
        return
    typer.echo(made.url)
    _show(made.preview)
    say(f"It ends {made.expires_at:%Y-%m-%d %H:%M} UTC. Whoever has the link, and may, can claim.")
    say(f"Take it back by: doorward ws cancel {made.preview.workspace_id} {made.id}")


def offers(
    workspace: WorkspaceArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """List a workspace's hand-overs, newest first."""
    found = asyncio.run(_list(url, workspace))
    if as_json:
        print_json({"data": [_as_data(one) for one in found]})
        return
    for one in found:
        to = one.claimed_by or one.to_user_id or "-"
        typer.echo(f"{one.id}  {one.state:<9}  {one.offered_by} to {to}  keeps {one.keeps}")


def cancel(workspace: WorkspaceArgument, transfer: TransferArgument, url: UrlOption = None) -> None:
    """Take an offer back."""
    asyncio.run(_cancel(url, workspace, transfer))
    say(f"{transfer} is cancelled: nobody can claim it.")


def claim(
    link: Annotated[
        str | None, typer.Argument(help="The claim link, or its token; left out, it is asked for.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at what claiming a workspace changes, and claim it.

    Example:
      doorward ws claim < link.txt --yes
    """
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    claimed_by = _token_of(link or _asked_link())
    with explained(), Doorward(base, token) as server:
        preview = server.read_offer(claimed_by)
        _show(preview)
        if not yes:
            _agree()
        done = server.claim_workspace(claimed_by, preview_id=preview.preview_id)
    if as_json:
        print_json(_as_data(done))
        return
    typer.echo(done.workspace_id)
    if done.undo_until is not None:
        say(
            f"Until {done.undo_until:%Y-%m-%d %H:%M} UTC either side may undo it: "
            f"doorward ws undo {done.workspace_id} {done.id}"
        )


def undo(
    workspace: WorkspaceArgument,
    transfer: TransferArgument,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a workspace back, or take it back, as it was before it was claimed."""
    done = asyncio.run(_undo(url, workspace, transfer))
    if as_json:
        print_json(_as_data(done))
    else:
        say(f"{done.offered_by} owns {done.workspace_id} again.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``doorward ws``."""
    for command in (offer, offers, cancel, claim, undo):
        app.command()(command)


async def _offer(url: str | None, workspace: str, terms: dict[str, object]) -> "Offer":
    async with _connected(url) as server:
        with explained():
            return await server.offer_workspace(await _id_of(server, workspace), **terms)


async def _list(url: str | None, workspace: str) -> "list[Transfer]":
    async with _connected(url) as server:
        with explained():
            workspace_id = await _id_of(server, workspace)
            return [one async for one in server.transfers(workspace_id)]


async def _cancel(url: str | None, workspace: str, transfer: str) -> None:
    async with _connected(url) as server:
        with explained():
            await server.cancel_transfer(await _id_of(server, workspace), transfer)


async def _undo(url: str | None, workspace: str, transfer: str) -> "Transfer":
    async with _connected(url) as server:
        with explained():
            return await server.undo_transfer(await _id_of(server, workspace), transfer)


async def _id_of(server: "AsyncDoorward", workspace: str) -> str:
    """Give a workspace's id; one that is given is not looked up, for it may be out of sight."""
    from doorward.cli.paths import find_workspace

    if workspace.startswith("ws_"):
        return workspace
    return (await find_workspace(server, workspace)).id


def _connected(url: str | None) -> "AsyncDoorward":
    from doorward.client.aio import AsyncDoorward

    return AsyncDoorward(*server_and_token(url))


def _asked_link() -> str:
    """Take the link from a prompt or from standard input, where nobody else can see it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Claim link", hide_input=True, err=True))
    return sys.stdin.readline().strip()


def _token_of(link: str) -> str:
    """Give the token at a link's end, or the token itself."""
    return link.strip().rstrip("/").removesuffix("/claim").rpartition("/")[2]


def _agree() -> None:
    if not sys.stdin.isatty():
        fail("Look at what would change, and say --yes to claim.", ExitStatus.USAGE)
    typer.confirm("Claim it?", abort=True, err=True)


def _show(preview: "Preview") -> None:
    """Tell what a hand-over changes."""
    say(f"{preview.workspace_name} ({preview.workspace_id}), offered by {preview.offered_by}:")
    before, after = preview.organization.before or "personal", preview.organization.after
    if preview.organization.by_claimer:
        say(f"  organization  {before}, then the claimer's")
    else:
        say(f"  organization  {before}, then {after or 'personal'}")
    for one in preview.roles:
        until = f" until {one.expires_at:%Y-%m-%d %H:%M} UTC" if one.expires_at else ""
        say(f"  role          {one.user_id}: {one.before or '-'}, then {one.after or '-'}{until}")
    used = f"{human_size(preview.used_bytes)} of {human_size(preview.quota_bytes)}"
    say(f"  content       {preview.files} files, {preview.binned} in the bin, {used}")
    standing = {"links": preview.links, "uploads": preview.uploads, "keys": preview.keys}
    for name, acting in standing.items():
        say(f"  {name:<13} {acting.live}, of which {acting.stopping} stop")


def _as_data(value: "Offer | Transfer") -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(value)
    return data
