"""``doorward login`` and ``doorward whoami``."""

import sys
from typing import Annotated

import typer

from doorward.cli.connection import (
    JsonOption,
    Remembered,
    UrlOption,
    explained,
    remember,
    server_and_token,
    standin_post,
)
from doorward.cli.output import ExitStatus, fail, print_json, say
from doorward.client.calls import URL_DEFAULT
from doorward.client.model import Me


def login(
    url: UrlOption = None,
    user: Annotated[
        str | None, typer.Option(help="Sign in at the server's local stand-in as this user.")
    ] = None,
    org: Annotated[str | None, typer.Option(help="With --user: the organization.")] = None,
    role: Annotated[str | None, typer.Option(help="With --user: the role in it.")] = None,
) -> None:
    """Sign in to a server and remember it for this user.

    Without --user a credential is read from a hidden prompt, or from standard input.

    Examples:
      doorward login --user alice
      doorward login --url https://files.example.com < token.txt
    """
    from doorward.client.sync import Doorward

    base = (url or URL_DEFAULT).rstrip("/")
    with explained():
        if user is not None:
            what, token = _at_standin(base, user, org, role)
        else:
            token = _read_credential()
            what = Remembered(base, token=token)
        with Doorward(base, token) as server:
            me = server.me()
    file = remember(what)
    say(f"Signed in to {base} as {me.user_id}; kept in {file}.")


def whoami(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Say who you are to the server, and what your credential allows.

    Example:
      doorward whoami --json
    """
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        me = server.me()
    if as_json:
        print_json(_as_data(me, base))
        return
    organization = f" in {me.organization.id} ({me.organization.role})" if me.organization else ""
    typer.echo(f"{me.user_id}{organization} at {base}")
    typer.echo(f"by {me.credential.type} {me.credential.id or ''}: {', '.join(me.scopes)}")


def _at_standin(base: str, user: str, org: str | None, role: str | None) -> tuple[Remembered, str]:
    body = {"user": user, "org": org, "role": role}
    made = standin_post(f"{base}/standin/dev/sessions", body)
    return Remembered(base, standin_session=made["session_id"]), made["jwt"]


def _read_credential() -> str:
    if sys.stdin.isatty():
        token = str(typer.prompt("Session token or key", hide_input=True)).strip()
    else:
        token = sys.stdin.read().strip()
    if not token:
        fail("No credential was given.", ExitStatus.USAGE)
    return token


def _as_data(me: Me, base: str) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(me)
    return data | {"url": base}
