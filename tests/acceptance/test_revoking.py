"""Nothing is accepted that was sent after a revoking call had answered, in any worker (B1)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from support import hearing_interrupts

BENCH = [sys.executable, "-m", "doorward", "bench", "revoke"]


def processes_of(folder) -> list[str]:
    """Whoever was started with that folder and still runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in said and b"serve" in said:
            found.append(path.parent.name)
    return found


def test_no_door_of_any_worker_takes_anything_after_a_revoking_call_has_answered(tmp_path):
    size = ["--revocations", "60", "--workers", "2", "--uploads", "12", "--seed", "7"]
    ran = subprocess.run(
        [*BENCH, *size, "--data", tmp_path / "data", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert ran.returncode in {0, 1}, ran.stderr
    found = json.loads(ran.stdout)
    assert found["violations"] == []
    assert ran.returncode == 0
    assert sum(row["count"] for row in found["revoking_call_ms"].values()) == 60
    assert {row["door"] for row in found["last_accepted_ms"]} >= {"rest", "link", "upload URL"}
    assert {row["door"] for row in found["cut_after_ms"]} == {"upload", "download"}
    assert found["sessions_refreshed"] > 0
    assert not processes_of(tmp_path)


def test_ctrl_c_leaves_nothing_running(tmp_path):
    bench = subprocess.Popen(
        hearing_interrupts(
            [*BENCH, "--workers", "2", "--uploads", "4", "--data", tmp_path / "data"]
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    until = time.monotonic() + 60
    while not (tmp_path / "data" / "passage.lock").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert processes_of(tmp_path)

    bench.send_signal(signal.SIGINT)
    bench.communicate(timeout=60)

    assert bench.returncode not in {0, None}
    assert not processes_of(tmp_path)


def test_a_folder_that_holds_something_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    ran = subprocess.run(
        [*BENCH, "--data", tmp_path], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
