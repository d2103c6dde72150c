"""How long a person waits: for --version, for --help, for a second start to answer."""

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.servers import free_port

ROUNDS = 5


def run() -> list[dict]:
    program = Path(sys.executable).with_name("doorward")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        _until_it_answers(program, data)
        starts = [_until_it_answers(program, data) for _ in range(ROUNDS)]
    return [
        _figure("doorward --version", _command(program, "--version"), "<= 0.15"),
        _figure("doorward --help", _command(program, "--help"), "<= 0.3"),
        _figure("second start until it answers", starts, "<= 1.5"),
    ]


def _command(program: Path, *words: str) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([program, *words], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return times


def _until_it_answers(program: Path, data: Path) -> float:
    port = free_port()
    began = time.perf_counter()
    server = subprocess.Popen(
        [program, "serve", "--port", str(port), "--data", data],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not _answers(port):
        time.sleep(0.01)
    took = time.perf_counter() - began
    server.terminate()
    server.wait()
    return took


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def _figure(what: str, times: list[float], aim: str) -> dict:
    value = round(statistics.median(times), 3)
    return {"what": what, "value": value, "unit": "s", "aim": aim}
