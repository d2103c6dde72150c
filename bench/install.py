"""What installing the toolkit brings, and how long importing it takes beside FastAPI itself.

The wheel is built from this tree and installed as a user would, from the registry that the machine
is set to, into environments that are thrown away. Imports are timed in processes of their own,
turn by turn, with all bytecode compiled.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measuring import figure, ratio

ROUNDS = 15
_HERE = Path(__file__).parents[1]
_UV = Path(sys.executable).with_name("uv")
_TOOLKIT = "from doorward.asgi import ClerkAuth, ClerkMiddleware; from doorward import verify_token"
_FOR_FASTAPI = "from doorward.fastapi import ClerkAuth"
_FASTAPI = "import fastapi"
_PEERS = ["fastapi-clerk-auth", "clerk-backend-api"]
_TIMED = """
import time
began = time.perf_counter()
{statement}
print(time.perf_counter() - began)
"""


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not _registry_answers(folder / "probe"):
            print("LOUD: no package registry answers, so nothing is installed or measured.")
            return []
        wheel = _wheel(folder / "wheels")
        bare = _environment(folder / "bare", str(wheel))
        _seconds(bare, _TOOLKIT)  # it works with nothing beside it
        return [
            *_brought(folder, bare),
            *_imports(_environment(folder / "web", f"{wheel}[fastapi]")),
        ]


def _registry_answers(environment: Path) -> bool:
    """Say whether packages can be had; what was kept from earlier does not count."""
    _run(_UV, "venv", "--quiet", "--python", sys.executable, environment)
    words = ["pip", "install", "--dry-run", "--refresh", "--python", environment, "msgspec"]
    return subprocess.run([_UV, *words], capture_output=True, check=False).returncode == 0


def _wheel(folder: Path) -> Path:
    words = ["--quiet", "--no-build-isolation", "--python", sys.executable, "-o", folder]
    _run(_UV, "build", "--wheel", *words, _HERE)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _environment(folder: Path, *wanted: str) -> Path:
    """Give the Python of a new environment in which something is installed."""
    _run(_UV, "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin/python"
    _run(_UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *wanted)
    return python


def _brought(folder: Path, bare: Path) -> list[dict]:
    figures = [
        _count("distributions that doorward brings, itself included", bare, "<= 12"),
        _size("size of what doorward brings", bare),
    ]
    for peer in _PEERS:
        python = _environment(folder / peer, peer)
        figures.append(_count(f"distributions that {peer} brings", python))
        figures.append(_size(f"size of what {peer} brings", python))
    return figures


def _count(what: str, python: Path, aim: str = "") -> dict:
    listed = json.loads(_run(_UV, "pip", "list", "--format", "json", "--python", python))
    names = sorted(distribution["name"] for distribution in listed)
    return {"what": what, "value": len(names), "unit": "", "aim": aim, "names": names}


def _size(what: str, python: Path) -> dict:
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
    mib = sum(path.stat().st_size for path in files) / (1 << 20)
    return {"what": what, "value": round(mib, 1), "unit": "MiB", "aim": ""}


def _imports(python: Path) -> list[dict]:
    statements = [_FASTAPI, _TOOLKIT, _FOR_FASTAPI]
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for number in range(ROUNDS + 1):
        first = number % len(statements)
        for statement in statements[first:] + statements[:first]:
            took = _seconds(python, statement)
            if number:  # the first round brings the files into memory
                times[statement].append(took * 1000)
    fastapi, toolkit, for_fastapi = times.values()
    return [
        figure("import fastapi", fastapi, "ms"),
        figure("import of the toolkit without FastAPI", toolkit, "ms"),
        figure("import of doorward.fastapi", for_fastapi, "ms"),
        ratio("import of the toolkit / import fastapi", toolkit, fastapi, "< 1.5"),
        ratio("import of doorward.fastapi / import fastapi", for_fastapi, fastapi, "< 1.5"),
    ]


def _seconds(python: Path, statement: str) -> float:
    # Isolated, so that neither this tree nor anything of the user's is imported instead.
    return float(_run(python, "-I", "-c", _TIMED.format(statement=statement)))


def _run(*words: object) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{shutil.which(str(words[0])) or words[0]}: {done.stderr.strip()}")
    return done.stdout
