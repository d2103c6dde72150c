"""How fast keys are looked for, beside ``grep`` that looks for their shape in the same bytes."""

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.measuring import Candidate, Times, ratio, time_in_turns
from bench.transferring import QUICK
from doorward.cli.scan_sources import pieces_of
from doorward.server.keys.format import PATTERN
from doorward.server.keys.scanning import scan

SIZE_MIB = 4 if QUICK else 64
ROUNDS = 2 if QUICK else 7
SHAPE = PATTERN.pattern.replace("(", "").replace(")", "")
SOURCE = Path(__file__).parents[1] / "src"


def run() -> list[dict]:
    """Measure text as it lies in repositories, and bytes that chance made."""
    figures = []
    for name, content in (("source text", _text()), ("random bytes", os.urandom(_size()))):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            path.write_bytes(content)
            figures += _figures(name, asyncio.run(time_in_turns(_candidates(path), ROUNDS)))
    return figures


def search(path: Path) -> int:
    """Count keys as the command does."""
    with path.open("rb", buffering=0) as stream:
        return sum(1 for _ in scan(pieces_of(stream)))


def grep(path: Path) -> int:
    """Count lines that hold what looks like a key."""
    command = [shutil.which("grep") or "grep", "-aEc", SHAPE, path]
    done = subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True, text=True, check=False)
    return int(done.stdout)


def _candidates(path: Path) -> dict[str, Candidate]:
    return {"doorward": _candidate(search, path), "grep": _candidate(grep, path)}


def _candidate(count: Callable[[Path], int], path: Path) -> Candidate:
    async def run() -> None:
        count(path)

    return Candidate(run, 1)


def _figures(name: str, times: Times) -> list[dict]:
    rates = [SIZE_MIB / (took / 1e6) for took in times["doorward"]]
    rate = {"what": f"keys scan, {name}", "value": round(statistics.median(rates)), "unit": "MiB/s"}
    return [ratio(f"keys scan / grep -aE, {name}: time", times["doorward"], times["grep"]), rate]


def _text() -> bytes:
    whole = b"".join(path.read_bytes() for path in sorted(SOURCE.rglob("*.py")))
    return (whole * (_size() // len(whole) + 1))[: _size()]


def _size() -> int:
    return SIZE_MIB << 20
