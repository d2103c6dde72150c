"""The public names have the types that people's own checkers will see."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYRIGHT = ROOT / "tests/node/node_modules/.bin/pyright"
FILES = sorted(HERE.glob("typed_*.py"))


def test_mypy_sees_the_types_that_are_stated_and_the_mistakes_that_are_made():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *FILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert f"in {len(FILES)} source files" in done.stdout


@pytest.mark.parametrize(("project", "files_min"), [(HERE, len(FILES)), (HERE / "toolkit", 50)])
def test_pyright_sees_the_same_and_finds_no_error_in_the_toolkit(project, files_min):
    if shutil.which("node") is None or not PYRIGHT.exists():
        pytest.skip("LOUD: pyright is not in tests/node, or node is not here; run 'make test'")
    done = subprocess.run(
        [PYRIGHT, "-p", project, "--outputjson"], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)

    assert [one for one in found["generalDiagnostics"] if one["severity"] != "information"] == []
    assert found["summary"]["filesAnalyzed"] >= files_min
