"""tus: one upload in PATCHes of 8 MiB, and 8 such uploads at once, beside other servers of tus.

One and the same client sends to all: a connection for each upload, that stands before the clock
runs. Creating the uploads is not timed. tusd syncs nothing, so Doorward's durable setting is held
against tusd with an fsync of the file inside the timed section, after every PATCH, as Doorward has
it. tussi syncs every PATCH unless it is told not to, and is measured both ways. tuspyserver syncs
its notes about an upload and not the bytes, and is held against the fast setting.
"""

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from bench.http_client import Connection, Piece
from bench.servers import Doorward, doorward
from bench.transferring import (
    WORKERS,
    Times,
    Turn,
    contents,
    mib,
    ratio,
    sized,
    speed,
    sync,
    take_turns,
    together,
)
from bench.tus_peers import IN_PYTHON, TUSD, in_python, python_with, tusd, tusd_program

_PIECE = 8 << 20
_ONE = max(sized(128 << 20), 2 * _PIECE)
_EACH = max(sized(64 << 20), _PIECE)
_AT_ONCE = 8
_SPEAKING = {"Tus-Resumable": "1.0.0"}
_PAIRS = [
    ("durable", "tusd+fsync", ">= 1.0"),
    ("fast", "tusd", ">= 1.0"),
    ("durable", "tuspyserver", None),
    ("fast", "tuspyserver", ">= 1.5"),
    ("durable", "tussi", ">= 1.5"),
    ("fast", "tussi without sync", ">= 1.5"),
]


@dataclass(frozen=True, slots=True)
class Server:
    """Where uploads are created, and where their bytes come to lie.

    ``synced`` says that the client is to sync the file after every piece.
    """

    endpoint: str
    stores: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    synced: bool = False


def run(folder: Path) -> list[dict]:
    with _servers(folder) as servers:
        one = _times(servers, contents(folder / "one", 1, _ONE))
        several = _times(servers, contents(folder / "several", _AT_ONCE, _EACH))
    return [
        *_figures(f"one tus upload of {mib(_ONE)} by {mib(_PIECE)}", _ONE, one),
        *_figures(f"{_AT_ONCE} tus uploads of {mib(_EACH)} at once", _AT_ONCE * _EACH, several),
    ]


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        found = {
            name: _ours(stack.enter_context(doorward(folder / name, WORKERS, durability)))
            for name, durability in (("durable", "full"), ("fast", "fast"))
        }
        if program := tusd_program():
            stores = folder / "tusd"
            endpoint = stack.enter_context(tusd(program, stores))
            found["tusd"] = Server(endpoint, stores)
            found["tusd+fsync"] = Server(endpoint, stores, synced=True)
        apps = ("tuspyserver", "tuspyserver"), ("tussi", "tussi"), ("tussi", "tussi without sync")
        for peer, name in apps:
            if python := python_with(peer):
                app, stores = name.replace(" ", "_"), folder / name
                endpoint = stack.enter_context(in_python(python, app, stores, WORKERS))
                found[name] = Server(endpoint, stores)
        yield found


def _ours(server: Doorward) -> Server:
    endpoint = f"{server.url}/transfer/workspaces/{server.workspace}"
    return Server(endpoint, server.blobs, server.signed_in())


def _times(servers: dict[str, Server], sent: list[Path]) -> Times:
    """Give how long each server took to be sent all of these files at once."""
    return take_turns(
        {
            name: Turn(lambda server=server: _upload(server, sent), server.stores, sent)
            for name, server in servers.items()
        }
    )


def _upload(server: Server, sent: list[Path]) -> float:
    with ExitStack() as stack:
        calls = []
        for path in sent:
            url = _created(server, path)
            connection = stack.enter_context(Connection(url))
            calls.append(lambda c=connection, url=url, path=path: _send(server, c, url, path))
        return together(calls)


def _created(server: Server, path: Path) -> str:
    """Create an upload and give its URL; raises RuntimeError."""
    name = base64.b64encode(f"{path.name}-{time.monotonic_ns()}".encode()).decode()
    asked = {"Upload-Length": str(path.stat().st_size), "Upload-Metadata": f"filename {name}"}
    with Connection(server.endpoint) as connection:
        headers = _SPEAKING | asked | dict(server.headers)
        made = connection.ask("POST", server.endpoint, headers)
    if made.status != 201:
        raise RuntimeError(f"{server.endpoint} answered {made.status} to a creation")
    return urljoin(server.endpoint, made.headers["location"])


def _send(server: Server, connection: Connection, url: str, path: Path) -> None:
    """Send an upload piece by piece; raises RuntimeError if one is not acknowledged whole."""
    size = path.stat().st_size
    for offset in range(0, size, _PIECE):
        piece = Piece(path, offset, min(_PIECE, size - offset))
        headers = _SPEAKING | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
        }
        answer = connection.ask("PATCH", url, headers, piece)
        reached = answer.headers.get("upload-offset")
        if (answer.status, reached) != (204, str(offset + piece.length)):
            raise RuntimeError(f"{url} answered {answer.status} and stands at {reached}")
        if server.synced:
            sync(server.stores / url.rpartition("/")[2])


def _figures(what: str, size: int, times: Times) -> list[dict]:
    shown = {"tusd": f"tusd {TUSD}"} | {name: f"{name} {v}" for name, v in IN_PYTHON.items()}
    speeds = [
        speed(f"{what}: {shown.get(name, name)}", size, taken) for name, taken in times.items()
    ]
    ratios = [
        ratio(f"{what}: {ours} / {theirs}", times, ours, theirs, aim)
        for ours, theirs, aim in _PAIRS
        if theirs in times
    ]
    return speeds + ratios
