"""``doorward keys`` as a person, a script and a scheduled job use it, against a real server."""

import json
import os
import pty
import stat
import subprocess
import sys

import pytest

from doorward.client import Doorward
from doorward.server.keys.format import read_key

READ = "files:read,workspaces:read"
COMMANDS = ["create", "ls", "show", "rename", "change", "rotate", "revoke", "delegate", "scan"]


def made(run, *words):
    """Make a key and give what JSON tells of it."""
    return json.loads(run("keys", "create", *words, "--json").stdout)


def test_what_a_key_may_not_put_ends_with_not_allowed(run, alice, tmp_path):
    key = alice("keys", "create", "reader", "--scope", "files:read", "--scope", "workspaces:read")
    (tmp_path / "a.txt").write_text("a")

    refused = run("put", tmp_path / "a.txt", status=4, DOORWARD_TOKEN=key.stdout.strip())
    run(
        "put",
        tmp_path / "a.txt",
        tmp_path / "none.txt",
        status=1,
        DOORWARD_TOKEN=key.stdout.strip(),
    )

    assert "scope files:write" in refused.stderr


def test_create_prints_the_secret_alone_and_all_else_beside_it(alice, run):
    done = alice("keys", "create", "ci", "--scope", READ, "--expires", "90d")

    secret = done.stdout.removesuffix("\n")
    assert read_key(secret)
    assert secret not in done.stderr
    assert "keys revoke key_" in done.stderr
    me = json.loads(run("whoami", "--json", DOORWARD_TOKEN=secret).stdout)
    assert me["credential"]["type"] == "api_key"
    assert me["scopes"] == ["files:read", "workspaces:read"]


def test_every_bound_is_taken(alice):
    alice("ws", "create", "Plans")
    key = made(
        alice, "agent", "--scope", "files:read", "--scope", "files:write", "--workspace", "Plans",
        "--network", "127.0.0.0/8", "--expires", "8h", "--environment", "test",
        "--rotate-every", "30d",
    )  # fmt: skip

    assert key["secret"].startswith("dw_test_")
    assert key["scopes"] == ["files:read", "files:write"]
    assert (key["networks"], key["rotate_every"]) == (["127.0.0.0/8"], 30 * 86_400)
    (workspace,) = key["workspaces"]
    assert workspace.startswith("ws_")
    assert key["expires_at"] is not None


def test_a_secret_that_goes_into_a_file_is_not_printed(alice, tmp_path):
    done = alice("keys", "create", "ci", "--scope", READ, "--out", "ci.key")
    as_json = alice("keys", "create", "ci", "--scope", READ, "--out", "other.key", "--json")
    kept = (tmp_path / "ci.key").read_text().strip()

    assert read_key(kept)
    assert kept not in done.stdout + done.stderr
    assert done.stdout.startswith("key_")
    assert "secret" not in json.loads(as_json.stdout)
    assert json.loads(as_json.stdout)["out"] == "other.key"
    assert stat.S_IMODE((tmp_path / "ci.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ci.key", "config", "other.key"]


def test_no_key_is_made_whose_secret_can_not_be_kept(alice, tmp_path):
    (tmp_path / "there").write_text("precious")

    taken = alice("keys", "create", "a", "--scope", READ, "--out", "there", status=2)
    alice("keys", "create", "b", "--scope", READ, "--out", "nowhere/key", status=5)

    assert "there already" in taken.stderr
    assert (tmp_path / "there").read_text() == "precious"
    assert json.loads(alice("keys", "ls", "--all", "--json").stdout) == {"data": []}


def test_keys_are_listed_shown_renamed_changed_and_revoked(alice, run):
    key = made(alice, "ci", "--scope", READ)
    row = alice("keys", "ls").stdout
    assert (key["id"] in row, "active" in row, row.strip().endswith("ci")) == (True, True, True)

    alice("keys", "rename", key["id"], "nightly")
    changed = alice("keys", "change", key["id"], "--scope", "files:read", "--expires", "1h")
    assert "nightly" in changed.stdout
    shown = json.loads(alice("keys", "show", key["id"], "--json").stdout)
    assert (shown["name"], shown["scopes"]) == ("nightly", ["files:read"])
    assert "secret" not in shown
    assert key["secret"] not in alice("keys", "show", key["id"]).stdout

    assert "is revoked" in alice("keys", "revoke", key["id"], "--yes").stderr
    run("whoami", status=3, DOORWARD_TOKEN=key["secret"])
    assert alice("keys", "ls").stdout == ""
    assert "revoked" in alice("keys", "ls", "--all").stdout
    assert json.loads(alice("keys", "ls", "--environment", "test", "--json").stdout) == {"data": []}
    again = json.loads(alice("keys", "revoke", key["id"], "-y", "--json").stdout)
    assert again == {"revoked": [key["id"]]}


def test_revoking_asks_and_goes_on_only_when_somebody_agrees(alice, tmp_path, server):
    key = made(alice, "ci", "--scope", READ)
    assert "--yes" in alice("keys", "revoke", key["id"], status=2).stderr

    assert answered(tmp_path, server, key["id"], "n") == 1
    assert json.loads(alice("keys", "show", key["id"], "--json").stdout)["status"] == "active"
    assert answered(tmp_path, server, key["id"], "y") == 0
    assert json.loads(alice("keys", "show", key["id"], "--json").stdout)["status"] == "revoked"


def answered(home, server, key_id, answer):
    """Give the status of a revocation at a terminal where somebody answers so."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "doorward", "keys", "revoke", key_id],
        stdin=theirs,
        capture_output=True,
        env=os.environ | {"XDG_CONFIG_HOME": str(home / "config"), "DOORWARD_URL": server.url},
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert b"for good?" in done.stderr
    return done.returncode


def test_both_secrets_count_for_the_overlap_and_one_without(alice, run):
    key = made(alice, "ci", "--scope", READ)
    new = alice("keys", "rotate", key["id"], "--overlap", "1h").stdout.strip()
    assert new != key["secret"]
    for secret in (key["secret"], new):
        run("whoami", DOORWARD_TOKEN=secret)

    alice("keys", "rotate", key["id"], "--overlap", "0")
    for secret in (key["secret"], new):
        run("whoami", status=3, DOORWARD_TOKEN=secret)


def test_a_key_in_a_file_rotates_itself_there_whole(alice, run, tmp_path):
    """What cron or a systemd timer runs: the file holds one good key at every moment."""
    folder = tmp_path / "agent"
    folder.mkdir()
    kept = folder / "key"
    alice("keys", "create", "agent", "--scope", f"{READ},keys:manage", "--out", kept)
    (folder / "link").symlink_to("key")
    old = kept.read_text().strip()
    job = {"DOORWARD_TOKEN_FILE": str(kept)}

    done = run("keys", "rotate", "--overlap", "0", "--out", folder / "link", **job)

    new = kept.read_text().strip()
    assert read_key(new)
    assert new not in done.stdout + done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (folder / "link").is_symlink()
    assert sorted(path.name for path in folder.iterdir()) == ["key", "link"]
    run("whoami", **job)
    run("whoami", status=3, DOORWARD_TOKEN=old)


def test_a_rotation_that_can_not_be_kept_is_not_asked_for(alice, run, tmp_path):
    key = made(alice, "agent", "--scope", f"{READ},keys:manage")

    job = {"DOORWARD_TOKEN": key["secret"]}
    for place in ("no/key", tmp_path, "/dev/null"):
        refused = run("keys", "rotate", "--overlap", "0", "--out", place, status=5, **job)
        assert "can't be written" in refused.stderr
    run("whoami", **job)


def test_jobs_that_rotate_one_file_at_once_leave_a_key_that_counts(alice, run, tmp_path):
    kept = tmp_path / "key"
    alice("keys", "create", "agent", "--scope", f"{READ},keys:manage", "--out", kept)
    environ = {"DOORWARD_TOKEN_FILE": str(kept), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    command = [sys.executable, "-m", "doorward", "keys", "rotate", "--overlap", "0", "--out", kept]
    url = json.loads(run("whoami", "--json", **environ).stdout)["url"]
    jobs = [
        subprocess.Popen(command, env=os.environ | environ | {"DOORWARD_URL": url},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]  # fmt: skip
    ends = [(job.communicate(timeout=60), job.returncode)[1] for job in jobs]

    assert ends == [0, 0, 0]
    run("whoami", **environ)


def test_exit_statuses_tell_what_kind_of_no_it_is(alice, run):
    key = made(alice, "reader", "--scope", "files:read")["secret"]

    assert "Name the key" in alice("keys", "rotate", status=2).stderr
    alice("keys", "create", "x", status=2)
    alice("keys", "change", "key_x", status=2)
    assert "not a life" in alice("keys", "create", "x", "--scope", READ, "--expires", "soon",
                                 status=2).stderr  # fmt: skip
    assert "files:read" in alice("keys", "create", "x", "--scope", "files:raed", status=1).stderr
    alice("keys", "show", "key_none", status=1)
    run("keys", "ls", status=3, DOORWARD_TOKEN="garbage")
    run("keys", "ls", status=4, DOORWARD_TOKEN=key)
    run("keys", "create", "x", "--scope", READ, status=4, DOORWARD_TOKEN=key)
    run("keys", "ls", status=5, DOORWARD_URL="http://127.0.0.1:9", DOORWARD_TOKEN=key)


def test_a_sign_in_that_is_long_past_makes_no_key(run, server):
    token = server.token("alice", claims={"fva": [600, -1]})

    done = run("keys", "create", "x", "--scope", READ, status=4, DOORWARD_TOKEN=token)

    assert done.stdout == ""
    assert "Sign in again" in done.stderr


def test_a_person_lets_an_agent_act_for_them_and_an_agent_takes_a_session(alice, run, server):
    alice("keys", "create", "agent", "--scope", READ, "--out", "agent.key")
    bob = server.token("bob")
    by_person = run(
        "keys", "delegate", "agent.key", "--scope", "files:read", DOORWARD_TOKEN=bob
    ).stdout.strip()
    by_agent = json.loads(
        run("keys", "delegate", "-", "--json", stdin=bob, DOORWARD_TOKEN_FILE="agent.key").stdout
    )

    assert by_agent["scope"] == "files:read workspaces:read"
    assert 0 < by_agent["expires_in"] <= 600
    for token in (by_person, by_agent["access_token"]):
        me = json.loads(run("whoami", "--json", DOORWARD_TOKEN=token).stdout)
        assert (me["user_id"], me["credential"]["type"]) == ("user_bob", "delegated_token")
    run("keys", "delegate", "missing", status=2)
    run("keys", "delegate", "-", stdin="", status=2)
    refused = run("keys", "delegate", "-", stdin="garbage", status=1, DOORWARD_TOKEN=bob)
    assert "subject_token is not valid" in refused.stderr


def test_everything_works_by_a_key_as_by_a_session(alice, run, tmp_path):
    scopes = "files:read,files:write,files:delete,workspaces:read,workspaces:create"
    alice("keys", "create", "agent", "--scope", scopes, "--out", "agent.key")
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/big").write_bytes(os.urandom(2_000_000))

    def agent(*words):
        return run(*words, DOORWARD_TOKEN_FILE="agent.key")

    assert "1 uploaded" in agent("put", "tree").stderr
    assert "1 unchanged" in agent("put", "tree").stderr
    assert "big" in agent("ls", ":/tree/deep").stdout
    agent("get", ":/tree", "back")
    same = (tmp_path / "tree/deep/big").read_bytes()
    assert (tmp_path / "back/deep/big").read_bytes() == same
    url = agent("share", ":/tree/deep/big").stdout.strip()
    assert url.startswith("http")
    (link,) = [row for row in json.loads(agent("links", "list", "--json").stdout)["data"]
               if row["direction"] == "download"]  # fmt: skip
    agent("links", "kill", link["id"])
    agent("ws", "create", "Made by an agent")
    assert "in the bin" in agent("rm", ":/tree").stderr


def test_a_key_can_be_remembered_by_login(alice, run, server):
    secret = alice("keys", "create", "ci", "--scope", READ).stdout
    run("login", stdin=secret)

    with Doorward(server.url, secret.strip()) as client:
        assert client.me().credential.id in run("whoami").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(run, command):
    help_text = run("keys", command, "--help").stdout

    assert "doorward keys" in help_text.partition("Example")[2]
    assert "--json" in help_text
