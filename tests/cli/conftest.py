"""The commands as a person types them, against a real server."""

import os
import subprocess
import sys

import pytest

from support import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server") / "data"
    with ServerProcess(data, DOORWARD_OUTBOUND_ALLOW="127.0.0.2/32") as server:
        yield server


@pytest.fixture
def run(server, tmp_path):
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DOORWARD_URL": server.url,
    }

    def run(*words, status=0, stdin=None, **more):
        done = subprocess.run(
            [sys.executable, "-m", "doorward", *map(str, words)],
            capture_output=True,
            text=True,
            input=stdin,
            env=environ | more,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def alice(run, request):
    """Somebody new for each test, signed in."""
    run("login", "--user", f"alice_{abs(hash(request.node.name))}")
    return run
