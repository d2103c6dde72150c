"""Uploads declared over HTTP, durably: how many a second, and what one costs the server.

Each is verified, authorized, reserved against the quota, signed, put in the trail and synced. wrk
keeps 32 connections busy. The processor's time is that of all processes of the server, read from
the system before and after. Beside it stands how many small writes a second the disk itself syncs.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.http_client import Connection, Piece
from bench.servers import Doorward, doorward
from bench.transferring import (
    AT_ONCE,
    QUICK,
    ROUNDS,
    WORKERS,
    check_stored,
    contents,
    figure,
    make_new,
    remove_files,
    together,
)

CONNECTIONS = 32
_SECONDS = 1 if QUICK else 5
_PATIENCE = "60s"  # a disk that stands still for a while is slow, and no failure
_SMALL = 16 << 10
_FILES = 32 if QUICK else 200
_SYNCS = 100
_SCRIPT = Path(__file__).with_name("create.lua")


def run(folder: Path) -> list[dict]:
    figures = [_median("the disk alone: synced writes of 4 KiB", _synced_writes(folder))]
    with doorward(folder / "durable", WORKERS, "full") as server:
        if shutil.which("wrk"):
            figures += _declared(server)
        else:
            print("LOUD: wrk is not installed, so no declared uploads are counted.")
        rounds = _small_files(server, contents(folder / "sent", _FILES, _SMALL))
        what = f"files of 16 KiB declared and sent over {AT_ONCE} connections, durable"
        return [*figures, _median(what, rounds)]


def _declared(server: Doorward) -> list[dict]:
    rounds = [_load(server, number) for number in range(ROUNDS + 1)][1:]
    per_second, milliseconds = zip(*rounds, strict=True)
    what = f"uploads declared over {CONNECTIONS} connections, durable"
    return [
        _median(what, per_second, ">= 500"),
        _median("processor's time of the server for each", milliseconds, "<= 1.5", "ms", 2),
    ]


def _load(server: Doorward, number: int) -> tuple[float, float]:
    """Give how many a second, and milliseconds of the processor for each.

    Raises RuntimeError if one was refused.
    """
    token = server.signed_in()["Authorization"].removeprefix("Bearer ")
    told = {"BENCH_TOKEN": token, "BENCH_PREFIX": f"round-{number}", "BENCH_SIZE": str(_SMALL)}
    url = f"{server.url}/api/v1/workspaces/{server.workspace}/uploads"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{_SECONDS}s", f"--timeout={_PATIENCE}"]
    os.sync()
    before = server.processor_seconds()
    done = subprocess.run(
        [*command, "-s", _SCRIPT, url],
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=True,
    )
    used = server.processor_seconds() - before
    found = json.loads(done.stdout.splitlines()[-1])
    if found["failures"] or not found["requests"]:
        raise RuntimeError(f"{found['failures']} of {found['requests']} were not declared")
    return found["requests"] / found["seconds"], used / found["requests"] * 1000


def _small_files(server: Doorward, sent: list[Path]) -> list[float]:
    rounds = []
    headers = server.signed_in() | {"Content-Type": "application/json"}
    parts = [sent[number::AT_ONCE] for number in range(AT_ONCE)]
    for number in range(ROUNDS + 1):
        remove_files([server.blobs])
        for path in sent:
            make_new(path)
        os.sync()
        took = together([lambda part=part: _send(server, headers, part) for part in parts])
        if number:
            rounds.append(len(sent) / took)
        else:
            check_stored("Doorward", server.blobs, sent)
    return rounds


def _send(server: Doorward, headers: Mapping[str, str], sent: Sequence[Path]) -> None:
    """Declare and send files one after another, over one connection; raises RuntimeError."""
    path = f"{server.url}/api/v1/workspaces/{server.workspace}/uploads"
    with Connection(server.url) as connection:
        for file in sent:
            declared = {"name": f"{file.name}-{time.monotonic_ns()}", "size": _SMALL}
            body = json.dumps(declared).encode()
            made = connection.ask("POST", path, headers, body, keep=True)
            url = json.loads(made.body)["url"] if made.status == 201 else server.url
            put = connection.ask("PUT", url, {}, Piece(file, 0, _SMALL))
            if (made.status, put.status) != (201, 201):
                raise RuntimeError(f"a small file was answered {made.status}, {put.status}")


def _synced_writes(folder: Path) -> list[float]:
    """Give how many small writes a second a file takes when each is synced."""
    rounds = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(_SYNCS):
                file.write(bytes(4096))
                os.fdatasync(file.fileno())
            rounds.append(_SYNCS / (time.perf_counter() - began))
    return rounds


def _median(
    what: str, rounds: Sequence[float], aim: str | None = None, unit: str = "/s", digits: int = 0
) -> dict:
    value = round(statistics.median(rounds), digits or None)
    rounded = [round(value, digits or None) for value in rounds]
    return figure(what, value, unit, aim) | {"rounds": rounded}
