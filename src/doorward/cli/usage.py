"""``doorward usage``: storage, credits and limits."""

import typer

from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.output import print_json
from doorward.cli.sizes import human_size
from doorward.client.model import Usage


def usage(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show what your organization, or you alone, store and spend, and where your limits stand.

    Examples:
      doorward usage
      doorward usage --json
    """
    import msgspec

    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as server:
        found = server.usage()
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: Usage) -> list[str]:
    storage, credits_ = found.storage, found.credits
    quota = "" if storage.quota_bytes is None else f" of {human_size(storage.quota_bytes)}"
    limit = "" if credits_.limit is None else f" of {credits_.limit}"
    used, promised = human_size(storage.used_bytes), human_size(storage.reserved_bytes)
    lines = [
        f"{found.account.type:<14}{found.account.id}",
        f"{'storage':<14}{used}{quota}, {promised} promised to uploads",
        f"{'credits':<14}{credits_.used:g}{limit}, until {credits_.resets_at:%Y-%m-%d}",
    ]
    return lines + [
        f"{one.name:<14}{one.remaining} left of {one.limit} in {one.window_seconds} s"
        for one in found.limits
    ]
