"""``doorward dev api-key`` and ``machine-token``: credentials that are not a person's session."""

from typing import Annotated

import typer

from doorward.cli.dev_options import (
    DATA,
    DataOption,
    JsonOption,
    PortOption,
    claims_of,
    open_standin,
    told,
)
from doorward.cli.output import print_json
from doorward.standin.issuer import PORT_DEFAULT

TtlOption = Annotated[int | None, typer.Option(help="Seconds until it expires.", min=1)]
ClaimOption = Annotated[list[str] | None, typer.Option(help="name=value.")]


def api_key(
    user: Annotated[str, typer.Option(help="Whose it is: alice, user_…, org_….")],
    name: Annotated[str, typer.Option(help="What it is called.")] = "Made by doorward dev",
    scope: Annotated[list[str] | None, typer.Option(help="Such as files:read.")] = None,
    claim: ClaimOption = None,
    ttl: TtlOption = None,
    as_json: JsonOption = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Print one API key and nothing else.

    Examples:
      doorward dev api-key --user alice --scope files:read
      doorward dev api-key --user alice --ttl 3600 --json
    """
    fields = {"scopes": scope or [], "seconds_until_expiration": ttl}
    with told():
        standin = open_standin(data, port)
        made = standin.create_api_key(user, name, **fields, claims=claims_of(claim) or None)
    if as_json:
        print_json(made)
        return
    typer.echo(made["secret"])


def machine_token(
    machine: Annotated[str, typer.Option(help="Name of the machine, made when there is none.")],
    to: Annotated[list[str] | None, typer.Option(help="Machines that it is good for.")] = None,
    jwt: Annotated[bool, typer.Option("--jwt", help="One that verifies itself.")] = False,
    claim: ClaimOption = None,
    ttl: TtlOption = None,
    as_json: JsonOption = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Print one machine-to-machine token and nothing else.

    With --json the machine's own secret key is there too.

    Examples:
      doorward dev machine-token --machine worker --to billing
      doorward dev machine-token --machine worker --jwt
    """
    with told():
        standin = open_standin(data, port)
        own = standin.machine(machine, scoped_machines=to or ())
        made = standin.create_machine_token(
            own["id"],
            token_format="jwt" if jwt else "opaque",
            claims=claims_of(claim) or None,
            seconds_until_expiration=ttl,
        )
    if as_json:
        print_json(made | {"machine": own})
        return
    typer.echo(made["token"])
