"""``python -m bench [NAME…]``: run the benchmarks and write what they measured."""

import json
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

NAMES = ["guard", "state", "transfer", "start"]
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name in names or NAMES:
        print(f"== {name}", flush=True)
        figures = import_module(f"bench.{name}").run()
        report = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {_cores()} cores",
            "figures": figures,
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
        for figure in figures:
            print(_line(figure), flush=True)


def _line(figure: dict) -> str:
    aim = f"aim {figure['aim']}" if figure.get("aim") else ""
    return f"{figure['what']:<58} {figure['value']:>8} {figure['unit']:<14} {aim}"


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


main(sys.argv[1:])
