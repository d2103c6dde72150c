"""How transfers are timed: what is sent, who takes a turn when, and what the turns come to.

Every round gives every candidate one turn, each round beginning with another one. Before a turn,
what the others wrote is removed, what will be sent is made new (nothing sent twice could be taken
for known) and the disk has come to rest. The first round warms up; after each of its turns it is
seen that the bytes lie where the candidate keeps them.
"""

import hashlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
QUICK = os.environ.get("BENCH_QUICK", "") not in {"", "0"}
"""Try the benchmark itself: small sizes, one round, and nothing is written down."""
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1" if QUICK else "5"))
AT_ONCE = 16
WORKERS = 2

Times = dict[str, list[float]]


def sized(full: int) -> int:
    """Give a size in bytes, or a sixteenth of it where the benchmark itself is tried."""
    return max(full // 16, MIB) if QUICK else full


def mib(size: int) -> str:
    return f"{size // MIB} MiB"


@dataclass(frozen=True, slots=True)
class Turn:
    """A candidate: ``run`` gives the seconds it took, timed by itself.

    ``stores`` is the folder where it keeps what it was sent; None if it was sent nothing.
    """

    run: Callable[[], float]
    stores: Path | None = None
    sent: Sequence[Path] = field(default=())


def take_turns(turns: dict[str, Turn]) -> Times:
    """Time every candidate in every round.

    Raises RuntimeError if one does not have the bytes it was sent.
    """
    times: Times = {name: [] for name in turns}
    names = list(turns)
    for number in range(ROUNDS + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            took = _turn(turns, name, check=not number)
            if number:
                times[name].append(took)
    return times


def _turn(turns: dict[str, Turn], name: str, *, check: bool) -> float:
    turn = turns[name]
    if turn.sent:
        remove_files({other.stores for other in turns.values() if other.stores})
        for path in turn.sent:
            make_new(path)
    os.sync()
    took = turn.run()
    if check and turn.stores is not None:
        check_stored(name, turn.stores, turn.sent)
    return took


def check_stored(name: str, folder: Path, sent: Iterable[Path]) -> None:
    """Make sure that a folder has files of just these bytes; raises RuntimeError."""
    expected = {_sha256(path) for path in sent}
    sizes = {path.stat().st_size for path in sent}
    kept = [path for path in folder.rglob("*") if path.is_file()]
    found = {_sha256(path) for path in kept if path.stat().st_size in sizes}
    if not expected <= found:
        raise RuntimeError(f"{name} has {len(expected & found)} of {len(expected)} files it took")


def remove_files(folders: Iterable[Path], least: int = 0) -> None:
    """Remove the files of ``least`` bytes or more that lie below folders."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size >= least:
                path.unlink()


def content(path: Path, size: int) -> Path:
    """Make a file of random bytes."""
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - at)))
    return path


def contents(folder: Path, number: int, size: int) -> list[Path]:
    """Make files of random bytes, each other ones."""
    folder.mkdir(parents=True, exist_ok=True)
    return [content(folder / str(n), size) for n in range(number)]


def make_new(path: Path) -> None:
    """Make a file another one of the same size."""
    with path.open("r+b") as file:
        file.write(os.urandom(64))


def together(calls: Sequence[Callable[[], object]]) -> float:
    """Call all at once, each in a thread of its own; give the seconds until the last is done."""
    with ThreadPoolExecutor(len(calls)) as threads:
        began = time.perf_counter()
        list(threads.map(lambda call: call(), calls))
        return time.perf_counter() - began


def timed(call: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def curl(*words: object) -> None:
    """Run curl; raises CalledProcessError unless the answer is a success."""
    command = ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null"]
    subprocess.run([*command, *map(str, words)], check=True)


def sync(file: Path) -> None:
    """Wait until a file is on the disk."""
    fd = os.open(file, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def ratio(what: str, times: Times, ours: str, theirs: str, aim: str | None = None) -> dict:
    """How many times as fast as the peer, by the median of the paired rounds."""
    return ratio_of(what, times[ours], times[theirs], aim)


def ratio_of(
    what: str, ours: Sequence[float], theirs: Sequence[float], aim: str | None = None
) -> dict:
    """How many times as fast as the peer, by the seconds that each took in each round."""
    ratios = [peer / own for own, peer in zip(ours, theirs, strict=True)]
    found = figure(what, round(statistics.median(ratios), 2), "x", aim)
    return found | {"rounds": [round(ratio, 2) for ratio in ratios]}


def speed(what: str, size: int, times: Sequence[float]) -> dict:
    """How many bytes a second, by the median of the rounds."""
    return figure(what, round(size / MIB / statistics.median(times)), "MiB/s")


def figure(what: str, value: float, unit: str, aim: str | None = None) -> dict:
    return {"what": what, "value": value, "unit": unit, "aim": aim}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
