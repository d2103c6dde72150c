"""Transfers beside named peers on the same disk, turn by turn in one run.

``python -m bench transfer`` measures every part, ``python -m bench transfer put tus`` some.
``BENCH_DIR`` says on which disk, ``BENCH_ROUNDS`` how many rounds, and ``BENCH_QUICK=1`` tries the
benchmark itself on small sizes.
"""

import os
import tempfile
from importlib import import_module
from pathlib import Path

PARTS = ("put", "download", "tus", "trickle", "create")


def run(part: str) -> list[dict]:
    if part not in PARTS:
        raise SystemExit(f"{part} is none of {', '.join(PARTS)}.")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads as somebody else
        found = import_module(f"bench.transfer_{part}").run(folder)
    return [figure | {"part": part} for figure in found]
