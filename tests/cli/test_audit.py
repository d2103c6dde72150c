"""``doorward audit`` as a person types it, against a real server and its folder."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from support import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server") / "data"
    with ServerProcess(data, DOORWARD_AUDIT_HEADS_SECONDS="1") as server:
        yield server


@pytest.fixture
def run(server, tmp_path):
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DOORWARD_URL": server.url,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }

    def run(*words, status=0, **more):
        done = subprocess.run(
            [sys.executable, "-m", "doorward", *map(str, words)],
            capture_output=True,
            text=True,
            env=environ | more,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    run("login", "--user", "alice", "--org", "acme", "--role", "org:admin")
    run("ws", "create", "Plans")
    return run


def test_the_tail_shows_the_newest_last_and_narrows(run):
    shown = run("audit", "tail", "--action", "workspace:create").stdout.splitlines()
    found = json.loads(run("audit", "tail", "-n", "3", "--json").stdout)["data"]

    assert "Plans" in shown[-1]
    assert "allowed" in shown[-1]
    assert len(found) <= 3
    assert [row["position"] for row in found] == sorted(row["position"] for row in found)
    assert all(len(row["hash"]) == 64 for row in found)


def test_the_tail_is_for_those_who_may_see_it(run):
    run("login", "--user", "bob", "--org", "acme", "--role", "org:member")
    denied = run("audit", "tail", status=4)
    assert "role admin" in denied.stderr
    run("audit", "tail", "--workspace", "nowhere", status=1)
    run("audit", "tail", status=3, XDG_CONFIG_HOME="/nonexistent")
    run("audit", "tail", "--url", "http://127.0.0.1:9", status=5)


def test_an_export_verifies_without_the_server_and_a_changed_one_does_not(run, server, tmp_path):
    run("audit", "export", "-o", "trail.jsonl")
    key = server.data / "audit-public.pem"

    fine = run("audit", "verify", "--file", "trail.jsonl", "--key", key, "--json")
    assert json.loads(fine.stdout)["sound"] is True
    assert run("audit", "export").stdout.startswith('{"chain":"organization:org_acme"')

    content = (tmp_path / "trail.jsonl").read_text()
    (tmp_path / "forged.jsonl").write_text(content.replace('"allowed"', '"denied"', 1))
    wrong = run("audit", "verify", "--file", "forged.jsonl", "--key", key, status=1)
    assert "altered" in wrong.stdout
    run("audit", "export", "-o", "trail.jsonl", status=2)  # never over what is there


def test_a_folder_verifies_beside_its_server_and_a_changed_copy_does_not(run, server, tmp_path):
    fine = run("audit", "verify", "--data", server.data)
    assert "nothing found" in fine.stderr
    assert "ed25519:" in fine.stderr

    copy = tmp_path / "copy"
    copy.mkdir()
    for path in server.data.glob("audit-*.pem"):
        (copy / path.name).write_bytes(path.read_bytes())
    with (
        closing(sqlite3.connect(server.data / "doorward.db")) as database,
        closing(sqlite3.connect(copy / "doorward.db")) as other,
    ):
        database.backup(other)
        other.execute("DROP TRIGGER audit_update")
        other.execute("UPDATE audit SET actor_id = 'user_mallory' WHERE sequence = 2")
        other.commit()

    wrong = run("audit", "verify", "--data", copy, "--json", status=1)
    (found,) = json.loads(wrong.stdout)["findings"]
    assert found["fault"] == "altered"
    assert found["position"] is not None


def test_what_can_not_be_verified_is_told_as_that(run, server, tmp_path):
    run("audit", "verify", "--data", tmp_path / "nowhere", status=2)
    run("audit", "verify", "--file", "nowhere.jsonl", status=2)
    (tmp_path / "key.pem").write_text("x")
    run("audit", "verify", "--data", server.data, "--key", "key.pem", status=2)
    (tmp_path / "broken").mkdir()
    for path in server.data.glob("audit-*.pem"):
        (tmp_path / "broken" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken" / "doorward.db").write_bytes(b"no database" * 1000)
    run("audit", "verify", "--data", tmp_path / "broken", status=5)


@pytest.mark.parametrize("command", ["tail", "verify", "export"])
def test_help_has_examples(run, command):
    assert "Examples:" in run("audit", command, "--help").stdout


def test_the_verifier_needs_nothing_of_the_server_but_cryptography(server):
    code = (
        "import sys; from pathlib import Path\n"
        "for name in ('sqlalchemy', 'fastapi', 'starlette', 'msgspec', 'httpx2', 'typer'):\n"
        "    sys.modules[name] = None\n"
        "from doorward.server.audit.verifying import Report, check_database\n"
        "from doorward.server.audit.signing import Witness\n"
        f"folder = Path({str(server.data)!r})\n"
        "report = Report()\n"
        "witness = Witness.read((folder / 'audit-public.pem').read_text())\n"
        "check_database(folder / 'doorward.db', {}, witness, report)\n"
        "assert report.sound and report.rows, report\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
