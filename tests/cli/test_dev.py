"""The stand-in's commands as a person types them, over one folder."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import jwt
import pytest

from doorward.standin import Standin


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def dev(folder):
    """Run ``doorward dev`` with some words; gives what it printed."""

    def run(*words, status=0):
        command = [sys.executable, "-m", "doorward", "dev", *words, "--data", str(folder)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout.strip() if status == 0 else done.stderr

    return run


@pytest.fixture
def standin(folder):
    return Standin.open(folder / "standin")


def header_and_claims(token):
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def test_a_token_is_of_a_template_pending_or_of_the_older_form(dev):
    header, claims = header_and_claims(dev("token", "--user", "alice", "--template", "mobile"))
    assert header["cat"] == "cl_B7d4PD222AAA"
    assert "sid" not in claims
    assert header_and_claims(dev("token", "--user", "alice", "--pending"))[1]["sts"] == "pending"
    older = header_and_claims(dev("token", "--user", "alice", "--org", "acme", "--v1"))[1]
    assert (older["org_role"], older.get("v")) == ("org:member", None)


def test_users_are_listed_banned_and_deleted(dev, standin):
    dev("token", "--user", "alice")
    assert dev("users") == "user_alice\tAlice\talice@example.com"

    dev("users", "ban", "alice")

    assert json.loads(dev("users", "--query", "ali", "--json"))[0]["banned"]
    assert dev("users").endswith("\tbanned")
    assert "banned" in dev("token", "--user", "alice", status=2)
    dev("users", "unban", "alice")
    assert standin.sign_in("alice")
    dev("users", "delete", "alice")
    assert "not found" in dev("users", "ban", "alice", status=1)
    assert dev("users") == ""


def test_the_clock_is_moved_for_everybody_and_put_back(dev, standin):
    assert dev("clock", "+2h").endswith("\t+7200 s")
    assert dev("clock", "-30m").endswith("\t+5400 s")

    assert standin.clock_offset == 5400
    assert json.loads(dev("clock", "--json"))["offset_seconds"] == 5400
    dev("clock", "reset")
    assert standin.clock_offset == 0
    for odd in ("2h", "+x", "+1y", "+999999999w"):
        assert "no move of a clock" in dev("clock", odd, status=2)


def test_an_api_key_is_printed_and_nothing_else(dev, standin):
    words = ("--user", "alice", "--scope", "files:read", "--claim", "a=1", "--ttl", "60")
    printed = dev("api-key", *words)
    shown = json.loads(dev("api-key", *words, "--json"))

    assert printed.startswith("ak_")
    assert "\n" not in printed
    assert (shown["subject"], shown["scopes"]) == ("user_alice", ["files:read"])
    assert shown["claims"] == {"a": 1}
    assert standin.users()[0]["id"] == "user_alice"
    assert "name" in dev("api-key", "--user", "alice", "--name", "x", status=2)


def test_a_machine_token_is_printed_opaque_or_as_a_jwt(dev):
    words = ("machine-token", "--machine", "worker", "--to", "billing")
    opaque, shown = dev(*words), json.loads(dev(*words, "--json"))

    assert opaque.startswith("mt_")
    assert shown["scopes"] == [one["id"] for one in shown["machine"]["scoped_machines"]]
    assert shown["machine"]["secret_key"].startswith("ak_")
    header, claims = header_and_claims(dev(*words, "--jwt"))
    assert header["cat"] == "cl_B7d4PD333AAA"
    assert claims["sub"] == shown["machine"]["id"]


def test_webhooks_are_added_listed_logged_replayed_and_removed(dev, standin):
    printed = dev("webhooks", "add", "http://127.0.0.1:9/hook", "--event", "user.*")
    assert printed.startswith("CLERK_WEBHOOK_SIGNING_SECRET=whsec_")
    dev("token", "--user", "alice")

    (endpoint,) = json.loads(dev("webhooks", "list", "--json"))
    assert (endpoint["events"], endpoint["waiting"]) == (["user.*"], 1)
    assert dev("webhooks", "list").endswith("user.*\t1 waiting")
    standin.deliver()
    (sent,) = json.loads(dev("webhooks", "log", "--json"))
    assert sent["last_outcome"] == "ConnectError"
    assert dev("webhooks", "log").endswith("waiting\tConnectError")
    dev("webhooks", "replay", sent["id"])
    assert json.loads(dev("webhooks", "log", "--json"))[0]["attempts"] == 0
    assert "not found" in dev("webhooks", "replay", "msg_none", status=1)
    dev("webhooks", "remove", endpoint["id"])
    assert dev("webhooks", "list") == ""
    elsewhere = dev("webhooks", "add", "https://example.com/", status=2)
    assert "this machine" in elsewhere
    assert json.loads(dev("webhooks", "add", "http://localhost/", "--json"))["events"] == []


@contextmanager
def running(folder):
    """A stand-in of its own on a free port; gives its address."""
    command = [sys.executable, "-m", "doorward", "dev", "--port", "0", "--data", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if "answers at" in line)
            yield line.split("answers at ")[1].split(",")[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def test_the_stand_in_runs_on_a_free_port_and_knows_its_name(dev, folder):
    with running(folder) as url:
        made = httpx2.post(f"{url}/dev/sessions", json={"user": "alice"}, trust_env=False)
        secret = Standin.open(folder / "standin").secret_key
        known = {"Authorization": f"Bearer {secret}"}
        user = httpx2.get(f"{url}/v1/users/user_alice", headers=known, trust_env=False)

    assert header_and_claims(made.json()["jwt"])[1]["iss"] == url
    assert user.json()["first_name"] == "Alice"
    assert dev("users").startswith("user_alice")


def test_a_port_that_is_taken_is_said(dev, folder):
    with running(folder) as url:
        port = url.rpartition(":")[2]
        assert f"Port {port}" in dev("--port", port, status=5)
