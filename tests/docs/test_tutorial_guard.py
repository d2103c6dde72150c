"""The tutorial, done as it is printed: its files, its commands, and what they answer."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial-guard.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
MARK = "----- the next block"


@pytest.fixture
def folder(tmp_path) -> Path:
    """The reader's folder, with the files that the page tells to write."""
    for _, name, text in BLOCKS:
        if "." in name:
            (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def bash(folder):
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}

    def start(script: str, **pipes) -> subprocess.Popen:
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.Popen(
            command, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, **pipes
        )

    return start


@pytest.fixture
def port(bash):
    """The port of the application, started in a terminal of its own."""
    (command,) = [text for _, name, text in BLOCKS if name == "server"]
    command = command.replace("--port 8000", "--port 0").replace("\nuvicorn", "\nexec uvicorn")
    server = bash(command, stderr=subprocess.STDOUT)
    lines = []
    for line in server.stdout:
        lines.append(line)
        if found := re.search(r"running on http://127.0.0.1:(\d+)", line):
            break
    else:
        raise AssertionError("it did not start:\n" + "".join(lines))
    reader = threading.Thread(target=lambda: [*server.stdout])
    reader.start()
    yield found[1]
    server.terminate()
    server.wait(timeout=30)
    reader.join()
    server.stdout.close()


def test_every_command_answers_what_the_page_says(port, bash):
    steps = [(kind, text) for kind, name, text in BLOCKS if not name and kind in {"sh", "text"}]
    commands = [text for kind, text in steps if kind == "sh"]
    answers = [text for kind, text in steps if kind == "text"]
    assert [kind for kind, _ in steps] == ["sh", "text"] * len(commands)
    assert len(commands) >= 5

    script = f"\necho; echo '{MARK}'\n".join(commands).replace(":8000", f":{port}")
    reader = bash(script, stderr=subprocess.PIPE)
    out, errors = reader.communicate(timeout=120)

    assert reader.returncode == 0, out + errors
    seen = re.sub(r" in [\d.]+s", "", out.replace("\r", "")).split(MARK)
    for printed, real in zip(answers, seen, strict=True):
        assert real.strip() == printed.strip()
