"""``doorward why`` and ``doorward explain``."""

import asyncio
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.output import ExitStatus, fail, print_json
from doorward.client.model import Decision, Step, Thing

if TYPE_CHECKING:
    from doorward.server.decisions.service import Replay
    from doorward.server.settings import Settings


def why(
    request_id: Annotated[str, typer.Argument(help="req_…, from the header X-Request-Id.")],
    data: Annotated[
        Path | None, typer.Option(help="Ask this data folder, as its operator, not a server.")
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay what was decided for a request, from what it was decided from.

    You see requests of your own, and those to workspaces whose trail you may read; with --data
    all that the folder's trail has. Ends with 1 where the trail has no such request.

    Examples:
      doorward why req_0123456789abcdef0123456789abcdef
      doorward why req_0123456789abcdef0123456789abcdef --data ./data --json
    """
    found = _asked(url, request_id) if data is None else _looked_up(data, request_id)
    if as_json:
        print_json({"data": [msgspec.to_builtins(one) for one in found]})
    else:
        for one in found:
            _show(one)
    if not found:
        fail("The trail has no such request, or you may not read it.", ExitStatus.NOT_SO)


def explain(
    action: Annotated[str, typer.Argument(help="Such as file:delete.")],
    resource: Annotated[
        str | None, typer.Argument(help="Id of a workspace, file, upload, link or key.")
    ] = None,
    principal: Annotated[str | None, typer.Option(help="A user or key, instead of you.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would come of an action, and which rule decides. Ends with 1 where it is not so.

    Examples:
      doorward explain file:delete file_4x7…
      doorward explain upload:create ws_5k2… --principal key_9q1…
    """
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as client:
        found = client.explain(action, resource, principal)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        typer.echo(f"{found.outcome}: {found.rule}{_lacking(found.missing)}")
        _show_steps(found.steps)
    if found.outcome != "allowed":
        raise SystemExit(int(ExitStatus.NOT_SO))


def _asked(url: str | None, request_id: str) -> list[Decision]:
    from doorward.client.errors import NotFound
    from doorward.client.sync import Doorward

    base, token = server_and_token(url)
    with explained(), Doorward(base, token) as client:
        try:
            return client.decisions(request_id)
        except NotFound:
            return []


def _looked_up(data: Path, request_id: str) -> list[Decision]:
    from doorward.server.settings import SettingsInvalid, load_settings
    from doorward.server.store.sql.migrate import NotMigrated

    try:
        found = asyncio.run(_read(load_settings(os.environ, data=data), request_id))
    except SettingsInvalid as exc:
        fail(str(exc), ExitStatus.USAGE)
    except (NotMigrated, OSError) as exc:
        fail(str(exc), ExitStatus.FAILURE)
    return [_decision(one) for one in found]


async def _read(settings: "Settings", request_id: str) -> "list[Replay]":
    from doorward.server.decisions.service import Replay, steps_of
    from doorward.server.folder import opened

    async with opened(settings) as (store, _):
        entries = await store.read(lambda tx: tx.audit.of_request(request_id))
    return [Replay(entry, steps_of(entry)) for entry in entries]


def _decision(replay: "Replay") -> Decision:
    entry = replay.entry
    return Decision(
        id=entry.id,
        time=entry.time,
        action=entry.action,
        outcome=entry.outcome.value,
        reason=entry.reason,
        actor=Thing(entry.actor_type, entry.actor_id),
        credential=_thing(entry.credential_type, entry.credential_id),
        on_behalf_of=entry.on_behalf_of,
        workspace_id=entry.workspace_id,
        resource=_thing(entry.resource_type, entry.resource_id),
        steps=[Step(**asdict(step)) for step in replay.steps],
    )


def _thing(type_: str | None, id_: str | None) -> Thing | None:
    return None if type_ is None else Thing(type_, id_)


def _show(one: Decision) -> None:
    behalf = f" for {one.on_behalf_of}" if one.on_behalf_of else ""
    by = f" by {one.credential.type} {one.credential.id or ''}".rstrip() if one.credential else ""
    typer.echo(f"{_time(one.time)}  {one.action}  {one.outcome}  {one.reason or ''}".rstrip())
    typer.echo(f"  {one.actor.type} {one.actor.id or 'nobody known'}{behalf}{by}")
    if one.resource is not None:
        typer.echo(f"  on {one.resource.type} {one.resource.id or ''} in {one.workspace_id or '-'}")
    _show_steps(one.steps)


def _show_steps(steps: list[Step]) -> None:
    for number, step in enumerate(steps, 1):
        typer.echo(f"  {number}. {'yes' if step.passed else 'NO '}  {step.asks} ({step.rule})")


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}Z"


def _lacking(missing: str | None) -> str:
    return f", it lacks {missing}" if missing else ""
