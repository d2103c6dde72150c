"""``doorward dev users``: who is known to the stand-in."""

from typing import Annotated, Any

import typer

from doorward.cli.dev_options import DATA, DataOption, JsonOption, PortOption, open_standin, told
from doorward.cli.output import print_json, say
from doorward.standin.issuer import PORT_DEFAULT

app = typer.Typer(
    help="List users; ban, unban and delete them.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
UserArgument = Annotated[str, typer.Argument(help="alice, or user_….")]


@app.callback(invoke_without_command=True)
def users(
    context: typer.Context,
    query: Annotated[str | None, typer.Option(help="Part of a name or address.")] = None,
    as_json: JsonOption = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """List the users that the stand-in knows.

    Examples:
      doorward dev users
      doorward dev users --query alice --json
      doorward dev users ban alice
    """
    if context.invoked_subcommand is not None:
        return
    found = open_standin(data, port).users(query)
    if as_json:
        print_json(found)
        return
    for user in found:
        typer.echo(_line(user))


@app.command()
def ban(user: UserArgument, port: PortOption = PORT_DEFAULT, data: DataOption = DATA) -> None:
    """Ban a user: all sessions are over at once, and nobody lets them in."""
    with told():
        open_standin(data, port).ban(user)
    say(f"{user} is banned.")


@app.command()
def unban(user: UserArgument, port: PortOption = PORT_DEFAULT, data: DataOption = DATA) -> None:
    """Let a banned user sign in again."""
    with told():
        open_standin(data, port).unban(user)
    say(f"{user} may sign in again.")


@app.command()
def delete(user: UserArgument, port: PortOption = PORT_DEFAULT, data: DataOption = DATA) -> None:
    """Delete a user with sessions, memberships and keys."""
    with told():
        open_standin(data, port).delete_user(user)
    say(f"{user} is deleted.")


def _line(user: dict[str, Any]) -> str:
    emails = [one["email_address"] for one in user["email_addresses"]]
    name = " ".join(filter(None, (user["first_name"], user["last_name"]))) or user["username"]
    state = [word for word in ("banned", "locked") if user[word]]
    return "\t".join([user["id"], name or "", ", ".join(emails), *state])
