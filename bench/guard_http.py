"""Requests per second through a guard under uvicorn, beside the same route without one.

The server has one core and wrk the other. Each guarded server is measured right beside the
unguarded one, first the one and then the other, next round the other way about.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import httpx2

from bench.guard_app import DEPENDENCY, MIDDLEWARE, UNGUARDED, guards
from bench.guard_peers import REVOKED, Trust, mint
from bench.measuring import figure, ratio
from bench.servers import free_port, running
from doorward.standin import Standin

ROUNDS = int(os.environ.get("BENCH_HTTP_ROUNDS", "25"))
SECONDS = 1
CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("guard.lua")
_AIMS = {MIDDLEWARE: ">= 0.85", DEPENDENCY: ">= 0.65"}
_SLOWEST = "fastapi-clerk-auth"


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test."""

    url: str
    pid: int

    def processor_seconds(self) -> float:
        """The processor's time that it has used, which other programs can't lengthen."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a server answered."""

    per_second: float
    per_processor_second: float


Pairs = dict[str, list[tuple[Speed, Speed]]]
"""For each guard the pairs of one round: guarded, unguarded."""


def measure(standin: Standin, trust: Trust, tokens: list[str]) -> list[dict]:
    """Give the ratios; none, and loudly, where wrk is not installed."""
    if shutil.which("wrk") is None:
        print("LOUD: wrk is not installed, so nothing is measured over HTTP.")
        return []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        listed = Path(folder) / "tokens"
        listed.write_text("\n".join(tokens))
        servers = {
            name: stack.enter_context(served(name, trust)) for name in (UNGUARDED, *guards())
        }
        for name, server in servers.items():
            check(name, server, standin)
            _load(server, listed)  # it meets every token once before it is measured
        return _figures(_rounds(servers, listed))


def _rounds(servers: dict[str, Server], listed: Path) -> Pairs:
    pairs: Pairs = {name: [] for name in guards()}
    for number in range(ROUNDS):
        for name in guards():
            if number % 2:
                plain = _load(servers[UNGUARDED], listed)
                pairs[name].append((_load(servers[name], listed), plain))
            else:
                ours = _load(servers[name], listed)
                pairs[name].append((ours, _load(servers[UNGUARDED], listed)))
    return pairs


@contextmanager
def served(name: str, trust: Trust) -> Iterator[Server]:
    port = free_port()
    command = [*_on_core(0), sys.executable, "-m", "uvicorn", "bench.guard_app:app"]
    command += ["--port", port, "--loop", "uvloop", "--http", "httptools", "--workers", 1]
    command += ["--no-access-log", "--log-level", "warning"]
    told = json.dumps(asdict(trust))
    with running(command, port, BENCH_GUARD=name, BENCH_TRUST=told) as process:
        yield Server(f"http://127.0.0.1:{port}/me", process.pid)


def _load(server: Server, listed: Path) -> Speed:
    """Load a server for a while; raises RuntimeError if it did not answer all with success."""
    before = server.processor_seconds()
    done = subprocess.run(
        [
            *_on_core(1),
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{SECONDS}s",
            "-s",
            _SCRIPT,
            server.url,
        ],
        env=os.environ | {"BENCH_TOKENS": str(listed)},
        capture_output=True,
        text=True,
        check=True,
    )
    used = server.processor_seconds() - before
    found = json.loads(done.stdout.splitlines()[-1])
    if found["failures"] or not found["requests"]:
        raise RuntimeError(f"{found['failures']} of {found['requests']} requests failed")
    return Speed(found["requests"] / found["seconds"], found["requests"] / used)


@cache
def _on_core(number: int) -> list[str]:
    """Give the words that keep a command on a core of its own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if shutil.which("taskset") is None or len(cores) < 2:
        print("LOUD: server and load share their cores; requests per second mean less here.")
        return []
    return ["taskset", "-c", str(cores[number])]


def check(name: str, server: Server, standin: Standin) -> None:
    """Make sure that a guard guards, since one that lets all in would look fast.

    Raises RuntimeError.
    """
    good = mint(standin)
    refused = {UNGUARDED: 200, _SLOWEST: 403}.get(name, 401)
    expected = {good: 200, good[:-8] + "AAAAAAAA": refused}
    if name in {MIDDLEWARE, DEPENDENCY}:
        expected[mint(standin, sid=REVOKED)] = 401
    for token, status in expected.items():
        found = _status(server, token)
        if found != status:
            raise RuntimeError(f"{name} answers {found} instead of {status}")


def _status(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(server.url, headers=headers, timeout=10).status_code


def _figures(pairs: Pairs) -> list[dict]:
    plain = [other.per_second for both in pairs.values() for _, other in both]
    figures = [figure("unguarded route over HTTP", plain, "requests/s")]
    for name, both in pairs.items():
        ours, theirs = zip(*both, strict=True)
        figures += _against(name, ours, theirs)
    if _SLOWEST in pairs:
        figures += [_against_slowest(name, pairs) for name in (MIDDLEWARE, DEPENDENCY)]
    return figures


def _against(name: str, ours: tuple[Speed, ...], theirs: tuple[Speed, ...]) -> list[dict]:
    return [
        ratio(
            f"{name} / unguarded, requests per second",
            [speed.per_second for speed in ours],
            [speed.per_second for speed in theirs],
            _AIMS.get(name, ""),
        ),
        ratio(
            f"{name} / unguarded, requests per second of processor",
            [speed.per_processor_second for speed in ours],
            [speed.per_processor_second for speed in theirs],
        ),
    ]


def _against_slowest(name: str, pairs: Pairs) -> dict:
    """Compare two guards by what each left of the unguarded server's speed beside it.

    They are measured some seconds apart, which a busy machine would count for one of them.
    """
    return ratio(
        f"{name} / {_SLOWEST}, requests per second",
        [ours.per_second / plain.per_second for ours, plain in pairs[name]],
        [theirs.per_second / plain.per_second for theirs, plain in pairs[_SLOWEST]],
        ">= 2",
    )
