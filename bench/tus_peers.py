"""Other servers of tus: installed once into a cache outside this tree, then started like ours.

The versions are pinned here. What the peers in Python run on (uvicorn, Starlette, FastAPI and what
makes them quick) is of the same versions as what Doorward runs on.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench.servers import free_port, running

TUSD = "2.9.1"
IN_PYTHON = {"tuspyserver": "4.4.3", "tussi": "3.1.0"}
_BENEATH = ["fastapi", "httptools", "starlette", "uvicorn", "uvloop"]
_TREE = Path(__file__).parents[1]
_INSTALL_SECONDS = 900


def cache() -> Path:
    """Where peers are kept between runs: ``BENCH_CACHE``, or a folder of the user's."""
    named = os.environ.get("BENCH_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else home / "doorward-bench"


def tusd_program() -> Path | None:
    """Give tusd, built here if need be; None, and loudly, where it can't be."""
    program = cache() / f"tusd-{TUSD}" / "tusd"
    if program.exists():
        return program
    if shutil.which("go") is None:
        print("LOUD: there is no Go toolchain, so nothing is measured against tusd.")
        return None
    source = f"github.com/tus/tusd/v2/cmd/tusd@v{TUSD}"
    if _installed("tusd", ["go", "install", source], GOBIN=str(program.parent)):
        return program
    return None


def python_with(peer: str) -> Path | None:
    """Give the Python of an environment with a peer; None, and loudly, where it can't be made."""
    wanted = [f"{peer}=={IN_PYTHON[peer]}", *(f"{name}=={version(name)}" for name in _BENEATH)]
    folder = cache() / "-".join(wanted).replace("==", "-")
    python = folder / "bin/python"
    if (folder / "whole").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)  # one that was not finished
    uv = Path(sys.executable).with_name("uv")
    made = [uv, "venv", "--quiet", "--python", sys.executable, folder]
    filled = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *wanted]
    if _installed(peer, made) and _installed(peer, filled):
        (folder / "whole").touch()
        return python
    return None


def _installed(peer: str, command: list[object], **environ: str) -> bool:
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=os.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
        reason = done.stderr.strip()[-500:] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as exc:
        reason = str(exc)
    if reason is not None:
        print(f"LOUD: {peer} can't be installed, so nothing is measured against it: {reason}")
    return reason is None


@contextmanager
def tusd(program: Path, folder: Path) -> Iterator[str]:
    """Run tusd on as many cores as there are; give where uploads are created."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [program, "-host", "127.0.0.1", "-port", port, "-upload-dir", folder]
    quiet = ["-base-path", "/files/", "-show-greeting=false", "-verbose=false"]
    with running([*command, *quiet], port):
        yield f"http://127.0.0.1:{port}/files/"


@contextmanager
def in_python(python: Path, app: str, folder: Path, workers: int) -> Iterator[str]:
    """Run a peer of ``bench.tus_app`` under uvicorn; give where uploads are created."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [python, "-m", "uvicorn", "--factory", f"bench.tus_app:{app}", "--port", port]
    command += ["--workers", workers, "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning"]
    told = {"BENCH_FOLDER": str(folder), "PYTHONPATH": str(_TREE)}
    with running(command, port, **told):
        yield f"http://127.0.0.1:{port}/files"
