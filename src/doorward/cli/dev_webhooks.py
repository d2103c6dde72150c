"""``doorward dev webhooks``: where the stand-in sends what happens."""

from typing import Annotated

import typer

from doorward.cli.dev_options import DATA, DataOption, JsonOption, PortOption, open_standin, told
from doorward.cli.output import print_json, say
from doorward.standin.issuer import PORT_DEFAULT

app = typer.Typer(
    help="Webhooks to addresses of this machine, signed as Clerk's are.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="An http address of this machine.")],
    event: Annotated[list[str] | None, typer.Option(help="user.created, user.*; all if none.")] = (
        None
    ),
    as_json: JsonOption = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Send events to an address, and print the secret that they are signed with.

    Example:
      doorward dev webhooks add http://127.0.0.1:8000/webhooks/clerk --event 'session.*'
    """
    with told():
        secret = open_standin(data, port).add_webhook(url, event or ())
    if as_json:
        print_json({"url": url, "events": event or [], "secret": secret})
        return
    typer.echo(f"CLERK_WEBHOOK_SIGNING_SECRET={secret}")


@app.command("list")
def list_endpoints(
    as_json: JsonOption = False, port: PortOption = PORT_DEFAULT, data: DataOption = DATA
) -> None:
    """List the addresses and what waits for them."""
    found = open_standin(data, port).webhooks()
    if as_json:
        print_json(found)
        return
    for one in found:
        state = "disabled" if one["disabled"] else f"{one['waiting']} waiting"
        typer.echo("\t".join([one["id"], one["url"], ",".join(one["events"]) or "all", state]))


@app.command()
def remove(
    endpoint_id: Annotated[str, typer.Argument(help="ep_…, as listed.")],
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Send nothing there any more."""
    with told():
        open_standin(data, port).remove_webhook(endpoint_id)
    say(f"{endpoint_id} is removed.")


@app.command()
def log(
    as_json: JsonOption = False, port: PortOption = PORT_DEFAULT, data: DataOption = DATA
) -> None:
    """List what was sent and what waits, newest first."""
    found = open_standin(data, port).deliveries()
    if as_json:
        print_json(found)
        return
    for one in found:
        outcome = one["last_outcome"] or "-"
        typer.echo("\t".join([one["id"], one["type"], one["url"], one["status"], outcome]))


@app.command()
def replay(
    message_id: Annotated[str, typer.Argument(help="msg_…, as in the log.")],
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Send an event once more, under its own id."""
    with told():
        open_standin(data, port).replay(message_id)
    say(f"{message_id} is sent again by whichever stand-in is running.")
