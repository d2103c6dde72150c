"""``python -m bench [NAME [PART…]]…``: run the benchmarks and write what they measured.

What was tried with ``BENCH_QUICK=1`` is printed and not written.
"""

import json
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.transferring import QUICK

NAMES = ["guard", "keys", "scan", "state", "limits", "audit", "install", "transfer", "start"]
IN_PARTS = {"transfer"}
VERSIONED = [
    "clerk-backend-api",
    "cryptography",
    "fastapi",
    "fastapi-clerk-auth",
    "limits",
    "pyjwt",
    "starlette",
    "uvicorn",
    "uvloop",
]
RESULTS = Path(__file__).parent / "results"


def main(words: list[str]) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name, parts in _asked(words or NAMES):
        print(f"== {name}", flush=True)
        figures: list[dict] = []
        for found in _measured(name, parts):
            for figure in found:
                print(_line(figure), flush=True)
            figures += found
            if figures and not QUICK:  # else what was measured earlier stays written down
                _write(RESULTS / f"{'-'.join((name, *parts))}.json", figures)


def _measured(name: str, parts: list[str]) -> Iterator[list[dict]]:
    """Give the figures part by part, so that a part that fails costs no other its figures."""
    module = import_module(f"bench.{name}")
    if name not in IN_PARTS:
        yield module.run()
        return
    for part in parts or module.PARTS:
        print(f"-- {part}", flush=True)
        yield module.run(part)


def _write(path: Path, figures: list[dict]) -> None:
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_cores()} cores",
        "versions": _versions(),
        "figures": figures,
    }
    path.write_text(json.dumps(report, indent=2) + "\n")


def _asked(words: list[str]) -> list[tuple[str, list[str]]]:
    """Give each benchmark with the parts of it that were named after it."""
    asked: list[tuple[str, list[str]]] = []
    for word in words:
        if word in NAMES:
            asked.append((word, []))
        elif asked and asked[-1][0] in IN_PARTS:
            asked[-1][1].append(word)
        else:
            raise SystemExit(f"{word} is none of {', '.join(NAMES)}.")
    return asked


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


if __name__ == "__main__":
    main(sys.argv[1:])
