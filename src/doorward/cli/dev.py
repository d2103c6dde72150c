"""``doorward dev``: the local stand-in for Clerk, alone and from the command line."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli import dev_clock, dev_keys, dev_users, dev_webhooks
from doorward.cli.dev_options import (
    DATA,
    DataOption,
    JsonOption,
    PortOption,
    claims_of,
    open_standin,
    told,
)
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.standin import DEFAULT_PARTY, Standin, StandinRefused, ensure_loopback
from doorward.standin.issuer import PORT_DEFAULT

app = typer.Typer(
    help="The local stand-in for Clerk: real signed tokens, no account, this machine only.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(dev_users.app, name="users")
app.add_typer(dev_webhooks.app, name="webhooks")
app.command("api-key")(dev_keys.api_key)
app.command("machine-token")(dev_keys.machine_token)
app.command(context_settings={"ignore_unknown_options": True})(dev_clock.clock)  # takes -1h too


@app.callback(invoke_without_command=True)
def dev(
    context: typer.Context,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
    host: Annotated[str, typer.Option(help="Loopback only.")] = "127.0.0.1",
) -> None:
    """Run the stand-in alone, for applications that use the toolkit.

    Examples:
      doorward dev
      doorward dev token --user alice --org acme --role org:admin
    """
    if context.invoked_subcommand is not None:
        return
    try:
        ensure_loopback(host)
    except StandinRefused as exc:
        fail(str(exc), ExitStatus.USAGE)
    _run(data, host, port)


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Who signs in: alice, or user_….")],
    org: Annotated[str | None, typer.Option(help="Active organization: acme, or org_….")] = None,
    role: Annotated[str | None, typer.Option(help="Role in it: org:admin, org:member.")] = None,
    permission: Annotated[list[str] | None, typer.Option(help="Such as org:files:share.")] = None,
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.")] = 60,
    claim: Annotated[list[str] | None, typer.Option(help="name=value, over all others.")] = None,
    azp: Annotated[str, typer.Option(help="Authorized party.")] = DEFAULT_PARTY,
    template: Annotated[str | None, typer.Option(help="As a JWT template of that name.")] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Of a pending session.")] = False,
    v1: Annotated[bool, typer.Option("--v1", help="Claims in Clerk's older form.")] = False,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """Print one session token and nothing else.

    Examples:
      doorward dev token --user alice
      doorward dev token --user bob --org acme --role org:admin --claim can_upload=true
    """
    claims, permissions = claims_of(claim), permission or ()
    standin = open_standin(data, port)
    with told():
        session = standin.sign_in(
            user, org=org, role=role, permissions=permissions, pending=pending
        )
    if template is not None:
        typer.echo(standin.template_token(session, ttl=ttl, claims=claims, azp=azp))
        return
    version = 1 if v1 else 2
    typer.echo(standin.token(session, ttl=ttl, claims=claims, azp=azp, version=version))


@app.command()
def revoke(
    session_id: Annotated[str, typer.Argument(help="The token's sid: sess_….")],
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
) -> None:
    """End a session, for every process at once."""
    if not open_standin(data, port).revoke(session_id):
        fail(
            f"The stand-in in {data} has no session {session_id}: take the sid of a token that it "
            "made, or name its folder with --data.",
            ExitStatus.NOT_SO,
        )
    say(f"Session {session_id} is revoked.")


@app.command()
def env(
    port: PortOption = PORT_DEFAULT,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Print the CLERK_* lines that make an application trust the stand-in.

    Example:
      doorward dev env >> .env
    """
    variables = _environment(open_standin(data, port), port)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"{name}={json.dumps(value)}")


def _environment(standin: Standin, port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {
        "CLERK_SECRET_KEY": standin.secret_key,
        "CLERK_PUBLISHABLE_KEY": standin.publishable_key,
        "CLERK_API_URL": url,
        "CLERK_JWKS_URL": f"{url}/.well-known/jwks.json",
        "CLERK_JWT_KEY": standin.public_key_pem.strip(),
        "CLERK_AUTHORIZED_PARTIES": f"{DEFAULT_PARTY},http://localhost:8040",
        # Where Clerk's own SDKs send a browser: to sign in, and to have its cookies renewed.
        "CLERK_SIGN_IN_URL": f"{url}/sign-in",
        "CLERK_PROXY_URL": url,
    }


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host))
    except OSError as exc:
        fail(f"Port {port} on {host} can't be had: {exc.strerror}.", ExitStatus.FAILURE)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _run(data: Path, host: str, port: int) -> None:
    import uvicorn

    from doorward.standin.app import create_app

    with suppress(KeyboardInterrupt), _listen(host, port) as listener:
        port = listener.getsockname()[1]
        standin, folder = open_standin(data, port), os.path.relpath(data)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        say(
            f"\n  The stand-in for Clerk answers at {url}, on this machine only.\n\n"
            f"  Let an application trust it:  doorward dev env --port {port} --data {folder}\n"
            f"  Get a token:                  doorward dev token --user alice --data {folder}\n"
            f"  Sign in with a browser:       {url}/sign-in\n\n"
            "  Stop with Ctrl-C.\n"
        )
        config = uvicorn.Config(create_app(standin), log_level="warning", access_log=False)
        uvicorn.Server(config).run([listener])
