"""``doorward keys delegate``: an agent acts for a person, for minutes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.connection import JsonOption, UrlOption, with_server
from doorward.cli.output import ExitStatus, fail, print_json, say

_KEY = "dw_"


def delegate(
    other: Annotated[
        str, typer.Argument(metavar="FILE", help="Holds the other's credential; - reads it.")
    ],
    scope: Annotated[
        list[str] | None, typer.Option(help="Narrows it to these; repeat it, or use commas.")
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a token by which an agent acts for a person, for minutes, with what both hold.

    Signed in as the person, name a file with the agent's key. With the key as DOORWARD_TOKEN,
    name one with the person's session token. It ends when either of the two does.

    Examples:
      TOKEN=$(doorward keys delegate agent.key --scope files:read)
      echo "$SESSION" | DOORWARD_TOKEN_FILE=agent.key doorward keys delegate -
    """
    from doorward.client.aio import AsyncDoorward
    from doorward.client.model import DelegatedToken

    text = _read(other)
    pair = {"key": text} if text.startswith(_KEY) else {"session": text}
    scopes = None if not scope else ",".join(scope).replace(",", " ").split()

    async def work(server: AsyncDoorward) -> DelegatedToken:
        return await server.delegate(**pair, scopes=scopes)

    made: DelegatedToken = with_server(url, work)
    if as_json:
        shown = {"access_token": made.access_token, "expires_in": made.expires_in}
        print_json(shown | {"scope": made.scope})
        return
    typer.echo(made.access_token)
    say(f"It allows {made.scope or 'nothing'}, for {made.expires_in} seconds.")


def _read(name: str) -> str:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        fail(f"{name} can't be read: {reason}.", ExitStatus.USAGE)
    if not text.strip():
        fail("No credential was given.", ExitStatus.USAGE)
    return text.strip()
