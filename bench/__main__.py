"""``python -m bench [NAME…]``: run the benchmarks and write what they measured."""

import json
import platform
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = ["guard", "state", "install", "transfer", "start"]
VERSIONED = [
    "clerk-backend-api",
    "cryptography",
    "fastapi",
    "fastapi-clerk-auth",
    "pyjwt",
    "starlette",
    "uvicorn",
    "uvloop",
]
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name in names or NAMES:
        print(f"== {name}", flush=True)
        figures = import_module(f"bench.{name}").run()
        if not figures:
            continue  # it was skipped, and what was measured earlier stays written down
        report = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {_cores()} cores",
            "versions": _versions(),
            "figures": figures,
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
        for figure in figures:
            print(_line(figure), flush=True)


def _line(figure: dict) -> str:
    aim = f"aim {figure['aim']}" if figure.get("aim") else ""
    spread = "to".join(f" {bound} " for bound in figure.get("spread", []))
    return f"{figure['what']:<72} {figure['value']:>8} {figure['unit']:<10} {aim:<12}{spread}"


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


main(sys.argv[1:])
