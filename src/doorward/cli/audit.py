"""``doorward audit``: read the trail, export it, and find out whether it was tampered with."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.connection import JsonOption, UrlOption, explained, server_and_token
from doorward.cli.output import ExitStatus, fail, print_json, say

if TYPE_CHECKING:
    from doorward.client.model import AuditRecord
    from doorward.client.sync import Doorward
    from doorward.server.audit.signing import Witness
    from doorward.server.audit.verifying import Report

app = typer.Typer(
    help="Read, export and verify the audit trail.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_FOLLOW_SECONDS = 2.0
_ROWS_MAX = 500
WorkspaceOption = Annotated[
    str | None,
    typer.Option(help="Id or name of a workspace; without, all of your organization's."),
]
SinceOption = Annotated[str | None, typer.Option(help="From this time on, RFC 3339.")]
UntilOption = Annotated[str | None, typer.Option(help="Before this time, RFC 3339.")]


@app.command()
def tail(
    workspace: WorkspaceOption = None,
    lines: Annotated[int, typer.Option("-n", help="So many.", min=1, max=_ROWS_MAX)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    actor: Annotated[str | None, typer.Option(help="Only what this user or key asked.")] = None,
    credential: Annotated[str | None, typer.Option(help="Only by this credential.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, such as file:download.")] = None,
    outcome: Annotated[str | None, typer.Option(help="allowed, denied or failed.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest entries of the trail, the latest last; with --json --follow one a line.

    Examples:
      doorward audit tail --workspace Plans -f
      doorward audit tail --workspace Plans --outcome denied --since 2026-11-01T00:00:00Z --json
    """
    where = {
        "actor": actor,
        "credential": credential,
        "action": action,
        "outcome": outcome,
        "since": since,
        "until": until,
    }
    with explained(), _connected(url) as server:
        where["workspace"] = _workspace_id(server, workspace)
        found, seen = _newest(server, lines, where), None
        if as_json and not follow:
            print_json({"data": [_as_data(one) for one in found]})
            return
        while True:
            for one in found:
                _show(one, as_json=as_json)
            if not follow:
                return
            time.sleep(_FOLLOW_SECONDS)
            seen = found[-1].id if found else seen
            found = _later(server, seen, where)


@app.command()
def export(
    workspace: WorkspaceOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file; else standard output.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    url: UrlOption = None,
) -> None:
    """Write the trail as JSON Lines, which 'doorward audit verify --file' takes.

    Examples:
      doorward audit export --workspace Plans -o plans.jsonl
      doorward audit export --since 2026-01-01T00:00:00Z > year.jsonl
    """
    try:
        out = output.open("xb") if output is not None else typer.get_binary_stream("stdout")
    except OSError as exc:
        fail(f"{output} can't be written: {exc.strerror}.", ExitStatus.USAGE)
    last = b""
    with out, explained(), _connected(url) as server:
        found = _workspace_id(server, workspace)
        for chunk in server.export_audit(workspace=found, since=since, until=until):
            out.write(chunk)
            last = (last + chunk)[-2048:]
    if b'"type":"end"' not in last.rstrip(b"\n").rpartition(b"\n")[2]:
        fail("The export was cut: it has no end. Try again.", ExitStatus.FAILURE)


@app.command()
def verify(
    data: Annotated[
        Path | None, typer.Option(help="The data folder.", envvar="DOORWARD_DATA")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="An export, in place of a folder.")] = None,
    heads: Annotated[
        list[Path] | None, typer.Option(help="Heads kept elsewhere, beside those in the folder.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The public key, kept elsewhere, in PEM.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find any row that was changed, removed, moved or put in, and a tail that was cut off.

    Needs no server, and is safe beside a running one. Keys and heads that were kept where the
    server can't reach prove most: whoever owns the folder owns those in it. Ends with 1 where
    anything was found.

    Examples:
      doorward audit verify --data /srv/doorward --heads heads.jsonl --key audit-public.pem
      doorward audit verify --file plans.jsonl --key audit-public.pem --json
    """
    import sqlite3

    from doorward.server.audit.signing import KeyUnreadable

    try:
        report = _of_file(file, heads, key) if file else _of_folder(data, heads, key)
    except (KeyUnreadable, FileNotFoundError) as exc:
        fail(f"Can't verify: {exc}", ExitStatus.USAGE)
    except (OSError, sqlite3.Error) as exc:
        fail(f"Can't read the trail: {exc}", ExitStatus.FAILURE)
    if as_json:
        print_json(_report_data(report))
    else:
        for one in report.findings:
            where = f" {one.position}" if one.position is not None else ""
            typer.echo(f"{one.fault.value:<10} {one.chain}{where}: {one.detail}")
    if key is None:
        say(f"By the key that lies beside it, {report.key}: compare it with one kept elsewhere.")
    more = f" and {report.left_out} more" if report.left_out else ""
    found = f"{len(report.findings)}{more} found." if report.findings else "nothing found."
    say(f"{report.rows} rows in {len(report.chains)} chains: {found}")
    if not report.sound:
        raise SystemExit(int(ExitStatus.NOT_SO))


def _of_folder(data: Path | None, heads: list[Path] | None, key: Path | None) -> "Report":
    from doorward.server.audit.keeping import heads_files, kept_witness, lines_of
    from doorward.server.audit.verifying import Report, check_database, read_heads

    folder = data or Path("data")
    report = Report()
    witness = _key(key) or kept_witness(folder)
    report.key = witness.id
    lines = lines_of([*heads_files(folder), *(heads or ())])
    check_database(_database(folder), read_heads(lines, witness, report), witness, report)
    return report


def _of_file(file: Path, heads: list[Path] | None, key: Path | None) -> "Report":
    from doorward.server.audit.keeping import lines_of
    from doorward.server.audit.verifying import Report, check_export, read_heads

    report, witness = Report(), _key(key)
    if heads and witness is None:
        fail("Heads are only worth something with their key: give --key.", ExitStatus.USAGE)
    known = read_heads(lines_of(heads or ()), witness, report) if witness else {}
    check_export(lines_of([file]), witness, known, report)
    return report


def _key(path: Path | None) -> "Witness | None":
    from doorward.server.audit.signing import Witness

    return Witness.read(path.read_text(encoding="utf-8")) if path else None


def _database(folder: Path) -> Path:
    """Give the database as the settings say it: the folder's own, unless it lies elsewhere."""
    url = os.environ.get("DOORWARD_DATABASE_URL", "").strip()
    path = Path(url.removeprefix("sqlite:///")) if url else folder / "doorward.db"
    if not path.exists():
        raise FileNotFoundError(f"There is no database at {path}: name the folder with --data.")
    return path


def _connected(url: str | None) -> "Doorward":
    from doorward.client.sync import Doorward

    return Doorward(*server_and_token(url))


def _workspace_id(server: "Doorward", text: str | None) -> str | None:
    """Give the id of a workspace that is told by id or name."""
    if text is None or text.startswith("ws_"):
        return text
    named = [one.id for one in server.workspaces() if one.name == text]
    if len(named) != 1:
        fail(
            f"{len(named) or 'No'} workspaces are named {text!r}: give an id, as 'doorward ws' "
            "lists them.",
            ExitStatus.NOT_SO,
        )
    return named[0]


def _newest(server: "Doorward", most: int, where: dict[str, str | None]) -> "list[AuditRecord]":
    from doorward.client import calls

    return server.run(calls.audit(limit=most, **where)).data[::-1]


def _later(
    server: "Doorward", after: str | None, where: dict[str, str | None]
) -> "list[AuditRecord]":
    """Give what came after an entry, oldest first."""
    new: list[AuditRecord] = []
    for one in server.audit(**where):
        if one.id == after:
            break
        new.append(one)
    return new[::-1]


def _show(one: "AuditRecord", *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(_as_data(one), ensure_ascii=False, default=str))
        return
    why = f" ({one.reason})" if one.reason else ""
    who = one.actor.id or one.actor.type
    for_ = f" for {one.on_behalf_of}" if one.on_behalf_of else ""
    what = one.resource.name or one.resource.id or ""
    when = f"{one.time:%Y-%m-%d %H:%M:%S}"
    typer.echo(f"{when}  {one.outcome:<7}  {one.action:<18}  {who}{for_}  {what}{why}")


def _as_data(one: "AuditRecord") -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(one)
    return data


def _report_data(report: "Report") -> dict[str, object]:
    return {
        "sound": report.sound,
        "rows": report.rows,
        "key": report.key,
        "chains": {
            chain: {"position": last.position, "hash": last.hash}
            for chain, last in report.chains.items()
        },
        "findings": [
            {
                "fault": one.fault.value,
                "chain": one.chain,
                "position": one.position,
                "detail": one.detail,
            }
            for one in report.findings
        ],
        "left_out": report.left_out,
    }
