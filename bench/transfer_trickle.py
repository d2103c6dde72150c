"""500 uploads that trickle 1 KB a second each: the memory they take, and what they cost another.

Two servers take turns in receiving a file at full speed: one that holds the trickling uploads and
one that holds nothing. While the second has its turn, the process that trickles is stopped, so that
neither it nor the first server takes time from the second.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers import Doorward, doorward, memory_mib, proportional_memory_mib
from bench.transferring import (
    ROUNDS,
    WORKERS,
    check_stored,
    content,
    curl,
    figure,
    make_new,
    mib,
    ratio_of,
    remove_files,
    sized,
    speed,
    timed,
)

_UPLOADS = 500
_A_SECOND = 1000
_TRICKLED = 8 << 20  # more than any of them will ever send
_LARGE = sized(256 << 20)
_SETTLE_SECONDS = 3
_FILES = 4096


def run(folder: Path) -> list[dict]:
    if not _many_files():
        print(f"LOUD: {_FILES} open files are not allowed here, so nothing is measured.")
        return []
    large = content(folder / "large", _LARGE)
    with (
        doorward(folder / "alone", WORKERS, "full") as alone,
        doorward(folder / "beside", WORKERS, "full") as beside,
    ):
        figures = [_memory("before", beside, memory_mib)]
        with _trickling(beside) as trickle:
            figures += _held(beside, trickle)
            figures += _figures(_rounds(alone, beside, trickle, large))
    return figures


def _held(server: Doorward, trickle: "_Trickle") -> list[dict]:
    """Measure the server while uploads trickle and nothing else happens."""
    used, began = server.processor_seconds(), time.perf_counter()
    trickle.settle()
    used, took = server.processor_seconds() - used, time.perf_counter() - began
    what = f"{_UPLOADS} trickling uploads"
    shared = f"{what}, what processes share counted once"
    return [
        _memory(what, server, memory_mib, "< 400"),
        _memory(shared, server, proportional_memory_mib),
        figure(f"processor's time for {what}", round(used / took * 100), "% of a core"),
    ]


def _memory(
    what: str,
    server: Doorward,
    measure: Callable[[Iterable[int]], float],
    aim: str | None = None,
) -> dict:
    return figure(f"memory of all processes, {what}", round(measure(server.pids())), "MiB", aim)


class _Trickle:
    """The process that trickles."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on, and wait until it goes as before; raises RuntimeError."""
        self._process.send_signal(signal.SIGCONT)
        self.settle()

    def settle(self) -> None:
        """Wait some seconds, and make sure that every upload trickled; raises RuntimeError."""
        _, before = self._standing()
        time.sleep(_SETTLE_SECONDS)
        going, sent = self._standing()
        least = _UPLOADS * _A_SECOND * (_SETTLE_SECONDS - 1)
        if going < _UPLOADS or sent - before < least:
            raise RuntimeError(f"{going} of {_UPLOADS} trickle, and sent {sent - before} bytes")

    def _standing(self) -> tuple[int, int]:
        going, sent = self.ask("\n").split()
        return int(going), int(sent)

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def _trickling(server: Doorward) -> Iterator[_Trickle]:
    urls = [server.upload_url(_TRICKLED) for _ in range(_UPLOADS)]
    command = [sys.executable, "-m", "bench.trickling", str(_A_SECOND), str(_TRICKLED)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        trickle = _Trickle(process)
        if trickle.ask("".join(f"{url}\n" for url in [*urls, ""])).strip() != "ready":
            raise RuntimeError("the trickling uploads did not begin")
        trickle.settle()
        _check_received(server, urls)
        yield trickle
    finally:
        process.kill()
        process.wait()


def _check_received(server: Doorward, urls: list[str]) -> None:
    """Make sure that the server itself holds them all; raises RuntimeError."""
    headers = server.signed_in()
    for url in urls:
        upload_id = url.rpartition("/")[2].partition("?")[0]
        found = server.http.get(f"/uploads/{upload_id}", headers=headers).json()
        if found["status"] != "receiving":
            raise RuntimeError(f"a trickling upload is {found['status']}")


class _Rounds:
    """What was measured: seconds alone and beside the others, and the most memory of a round."""

    def __init__(self) -> None:
        self.alone: list[float] = []
        self.beside: list[float] = []
        self.memory: list[float] = []


def _rounds(alone: Doorward, beside: Doorward, trickle: _Trickle, large: Path) -> _Rounds:
    rounds = _Rounds()
    for number in range(ROUNDS + 1):
        turns = [(alone, rounds.alone), (beside, rounds.beside)]
        for server, times in turns[:: -1 if number % 2 else 1]:
            if server is alone:
                trickle.stop()
            took, memory = _turn(server, large, (alone, beside))
            if server is alone:
                trickle.go_on()
            if number:
                times.append(took)
            if number and server is beside:
                rounds.memory.append(memory)
            check_stored("Doorward", server.blobs, [large])
    trickle.settle()
    return rounds


def _turn(server: Doorward, large: Path, servers: tuple[Doorward, ...]) -> tuple[float, float]:
    """Give the seconds of one upload at full speed, and the most memory while it lasts."""
    # What trickles is smaller than what was sent whole, and stays.
    remove_files([other.blobs for other in servers], least=_LARGE)
    make_new(large)
    url = server.upload_url(_LARGE)
    os.sync()
    with _watched_memory(server) as seen:
        took = timed(lambda: curl("-T", large, url))
    return took, max(seen)


@contextmanager
def _watched_memory(server: Doorward) -> Iterator[list[float]]:
    pids = server.pids()
    seen, over = [memory_mib(pids)], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(memory_mib(pids))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def _many_files() -> bool:
    """Allow this process, and those it starts, as many open files as they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _FILES:
        return False
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, hard))
    return True


def _figures(rounds: _Rounds) -> list[dict]:
    beside = f"one more of {mib(_LARGE)} at full speed beside them"
    memory = f"memory of all processes at most, {beside}"
    return [
        figure(memory, round(max(rounds.memory)), "MiB", "< 400"),
        speed(f"one upload of {mib(_LARGE)} alone, durable", _LARGE, rounds.alone),
        ratio_of(f"{beside} / alone", rounds.beside, rounds.alone, ">= 0.8"),
    ]
