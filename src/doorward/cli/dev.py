"""``doorward dev``: the local stand-in for Clerk, alone and from the command line."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.standin import DEFAULT_PARTY, Standin, StandinRefused, ensure_loopback
from doorward.standin.issuer import PORT_DEFAULT

app = typer.Typer(
    help="The local stand-in for Clerk: real signed tokens, no account, this machine only.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DataOption = Annotated[
    Path, typer.Option(help="Doorward's data folder.", envvar="DOORWARD_DATA", show_default=True)
]
PortOption = Annotated[int, typer.Option(help="Port of the stand-in.", min=0, max=65535)]


@app.callback(invoke_without_command=True)
def dev(
    context: typer.Context,
    port: PortOption = PORT_DEFAULT,
    data: DataOption = Path("data"),
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
    port: PortOption = PORT_DEFAULT,
    data: DataOption = Path("data"),
) -> None:
    """Print one session token and nothing else.

    Examples:
      doorward dev token --user alice
      doorward dev token --user bob --org acme --role org:admin --claim can_upload=true
    """
    claims = dict(_claim(pair) for pair in claim or [])
    typer.echo(
        _open(data, port).mint(
            user,
            org=org,
            role=role,
            permissions=permission or (),
            ttl=ttl,
            claims=claims,
            azp=azp,
        )
    )


@app.command()
def revoke(
    session_id: Annotated[str, typer.Argument(help="The token's sid: sess_….")],
    port: PortOption = PORT_DEFAULT,
    data: DataOption = Path("data"),
) -> None:
    """End a session, for every process at once."""
    if not _open(data, port).revoke(session_id):
        fail(
            f"The stand-in in {data} has no session {session_id}: take the sid of a token that it "
            "made, or name its folder with --data.",
            ExitStatus.NOT_SO,
        )
    say(f"Session {session_id} is revoked.")


@app.command()
def env(
    port: PortOption = PORT_DEFAULT,
    data: DataOption = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the CLERK_* lines that make an application trust the stand-in.

    Example:
      doorward dev env >> .env
    """
    variables = _environment(_open(data, port), port)
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


def _open(data: Path, port: int) -> Standin:
    try:
        return Standin.open(data / "standin", port=port)
    except OSError as exc:
        fail(f"The folder {data} can't be used: {exc.strerror}.", ExitStatus.FAILURE)


def _claim(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not name or not equals:
        fail(f"--claim takes name=value, not {pair!r}.", ExitStatus.USAGE)
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _run(data: Path, host: str, port: int) -> None:
    import uvicorn

    from doorward.standin.app import create_app

    listener = _listen(host, port)
    port = listener.getsockname()[1]
    standin, folder = _open(data, port), os.path.relpath(data)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(
        f"\n  The stand-in for Clerk answers at {url}, on this machine only.\n\n"
        f"  Let an application trust it:  doorward dev env --port {port} --data {folder}\n"
        f"  Get a token:                  doorward dev token --user alice --data {folder}\n"
        f"  Sign in with a browser:       {url}/sign-in\n\n"
        "  Stop with Ctrl-C.\n"
    )
    config = uvicorn.Config(create_app(standin), log_level="warning", access_log=False)
    with suppress(KeyboardInterrupt), listener:
        uvicorn.Server(config).run([listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before saying so: whoever reads the address may connect at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        fail(f"Port {port} of {host} can't be used: {exc.strerror}.", ExitStatus.FAILURE)
