"""The commands as a person types them, against a real server."""

import filecmp
import json
import os
import re
import subprocess
import sys

import httpx2
import pytest

from origins import Origin, page


def same(left, right) -> bool:
    compared = filecmp.dircmp(left, right)
    if compared.left_only or compared.right_only or compared.funny_files:
        return False
    _, different, errors = filecmp.cmpfiles(left, right, compared.common_files, shallow=False)
    if different or errors:
        return False
    return all(same(left / name, right / name) for name in compared.common_dirs)


def test_a_tree_goes_in_and_comes_out_the_same(alice, tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "empty folder").mkdir()
    (tree / "empty").write_bytes(b"")
    (tree / "deep/er/ünï-日本.txt").write_text("hello")
    (tree / "deep/big.bin").write_bytes(os.urandom(3_000_000))
    (tree / "README").write_text("a")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/e\u0301.txt").write_text("spelt otherwise")
    (tree / "readme").write_text("b")

    assert "5 uploaded" in alice("put", "tree").stderr
    assert "0 uploaded (0 B), 5 unchanged" in alice("put", "tree").stderr
    assert "5 downloaded" in alice("get", ":/tree", "back").stderr
    assert same(tree, tmp_path / "back")
    assert "5 unchanged" in alice("get", ":/tree", "back").stderr
    alice("get", ":/tree", "into/")
    assert same(tree, tmp_path / "into/tree")
    alice("put", "other")
    assert "1 unchanged" in alice("put", "other").stderr


def test_a_symbolic_link_is_left_out_and_said_to_be(alice, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to("/etc/passwd")
    (tmp_path / "tree/a").write_text("a")

    report = json.loads(alice("put", "tree", "--json").stdout)

    assert [file["name"] for file in report["data"]] == ["a"]
    assert "link (not a plain file)" in report["skipped"][0]


def test_a_file_takes_a_new_name_or_a_place(alice, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    alice("put", "a.txt", ":/b.txt")
    alice("put", "a.txt", ":/docs/2026/")
    alice("put", "a.txt", ":/docs")

    listed = json.loads(alice("ls", ":/docs", "--json").stdout)["data"]
    assert [node["name"] for node in listed] == ["2026", "a.txt"]
    assert "b.txt" in alice("ls").stdout
    assert "a.txt" in alice("ls", ":/docs/2026").stdout


def test_conflicts_are_settled_as_asked(alice, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    alice("put", "a.txt")
    (tmp_path / "a.txt").write_text("two")

    assert "already" in alice("put", "a.txt", "--on-conflict", "error", status=1).stderr
    alice("put", "a.txt", "--on-conflict", "rename")
    alice("put", "a.txt")

    names = [node["name"] for node in json.loads(alice("ls", "--json").stdout)["data"]]
    assert names == ["a (2).txt", "a.txt"]


def test_a_file_here_is_not_overwritten_without_force(alice, tmp_path):
    (tmp_path / "a.txt").write_text("there")
    alice("put", "a.txt")
    (tmp_path / "a.txt").write_text("here")

    assert "--force" in alice("get", ":/a.txt", status=1).stderr
    assert (tmp_path / "a.txt").read_text() == "here"
    alice("get", ":/a.txt", "--force")
    assert (tmp_path / "a.txt").read_text() == "there"


def test_one_file_that_fails_does_not_stop_the_others(alice, tmp_path):
    (tmp_path / "a.txt").write_text("a")

    done = alice("put", "missing.txt", "a.txt", status=1)

    assert "missing.txt: not there" in done.stderr
    assert "1 uploaded" in done.stderr


def test_a_url_is_fetched_by_the_server_under_its_own_name_or_another(alice, tmp_path):
    (tmp_path / "here.txt").write_text("here")
    pages = {"/there.txt": page(b"there"), "/other.txt": page(b"other")}
    with Origin(pages, host="127.0.0.2") as origin:
        one, two = f"{origin.url}/there.txt", f"{origin.url}/other.txt"
        assert "1 uploaded (5 B)" in alice("put", one).stderr
        alice("put", one, ":/as.txt")
        assert "3 uploaded" in alice("put", "here.txt", one, two, ":/all").stderr
        failed = alice("put", f"http://127.0.0.1:{origin.port}/there.txt", two, status=1)

    assert "public network only" in failed.stderr
    assert "1 uploaded (5 B), 1 failed" in failed.stderr
    alice("get", ":/", "copy")
    here = {path.relative_to(tmp_path / "copy"): path for path in (tmp_path / "copy").rglob("*.*")}
    assert sorted(map(str, here)) == [
        "all/here.txt",
        "all/other.txt",
        "all/there.txt",
        "as.txt",
        "other.txt",
        "there.txt",
    ]
    assert (tmp_path / "copy/as.txt").read_text() == "there"


def test_removed_goes_to_the_bin_and_says_how_to_get_it_back(alice, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    alice("put", "a.txt")

    assert "restore" in alice("rm", ":/a.txt").stderr
    assert "is not there" in alice("get", ":/a.txt", status=1).stderr
    assert "ws rm" in alice("rm", ":/", status=2).stderr


def test_workspaces_are_made_named_and_used_by_name(alice, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    made = alice("ws", "create", "Plans").stdout.strip()
    assert made.startswith("ws_")
    alice("put", "a.txt", "Plans:/")
    alice("ws", "rename", "Plans", "Plans 2")
    assert "a.txt" in alice("ls", "Plans 2:/").stdout
    assert {w["name"] for w in json.loads(alice("ws", "--json").stdout)["data"]} == {
        "Personal",
        "Plans 2",
    }
    alice("ws", "create", "Plans 2")
    assert "use an id" in alice("ls", "Plans 2:/", status=1).stderr
    alice("ws", "rm", made)
    assert "no workspace named" in alice("ls", "Nowhere:/", status=1).stderr


def test_exit_statuses_tell_what_kind_of_no_it_is(run, alice):
    assert "doorward login" in run("whoami", status=3, XDG_CONFIG_HOME="/nonexistent").stderr
    run("whoami", status=3, DOORWARD_TOKEN="garbage")
    assert "Is the server running" in run("ws", status=5, DOORWARD_URL="http://127.0.0.1:9").stderr
    assert "names nothing on a server" in alice("ls", "nowhere", status=2).stderr
    alice("put", status=2)
    alice("ls", "--no-such-option", status=2)
    assert "Did you mean 'serve'" in run("sevre", status=2).stderr


def test_usage_shows_storage_credits_and_limits(alice, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a" * 2048)
    before = json.loads(alice("usage", "--json").stdout)
    alice("put", tmp_path / "a.txt")

    after = json.loads(alice("usage", "--json").stdout)
    shown = alice("usage").stdout

    assert after["storage"]["used_bytes"] - before["storage"]["used_bytes"] == 2048
    assert {row["name"] for row in after["limits"]} >= {"principal", "uploads"}
    assert re.search(r"^user +user_alice\S*$", shown, re.MULTILINE)
    assert re.search(r"^storage +.* of 50.* promised to uploads$", shown, re.MULTILINE)
    assert re.search(r"^credits +[0-9.e-]+ of 5000, until [0-9-]{10}$", shown, re.MULTILINE)
    assert re.search(r"^principal +[0-9]+ left of 12000 in 60 s$", shown, re.MULTILINE)


@pytest.mark.usefixtures("alice")
def test_what_was_remembered_is_private_and_goes_to_its_server_only(run, tmp_path):
    kept = tmp_path / "config/doorward/credentials.json"

    assert kept.stat().st_mode & 0o077 == 0
    assert "jwt" not in kept.read_text()
    run("whoami", status=5, DOORWARD_URL="http://127.0.0.1:9")


def test_a_credential_is_taken_from_standard_input(run, server):
    done = run("login", stdin=server.token("carol") + "\n")

    assert "as user_carol" in done.stderr
    assert json.loads(run("whoami", "--json").stdout)["user_id"] == "user_carol"
    assert "user_carol" in run("whoami").stdout
    run("login", stdin="", status=2)
    run("login", stdin="garbage", status=3)


def test_version_and_overview_load_next_to_nothing():
    code = (
        "import sys; sys.argv = ['doorward', {0!r}]\n"
        "from doorward.cli.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('typer', 'fastapi', 'sqlalchemy', 'httpx2', 'cryptography', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )

    def loaded(option):
        out = subprocess.run(
            [sys.executable, "-c", code.format(option)], capture_output=True, text=True, check=True
        )
        return out.stdout.splitlines()[-1]

    assert loaded("--version") == "[]"
    assert loaded("--help") == "['typer']"


@pytest.mark.parametrize(
    "command",
    ["serve", "doctor", "dev", "login", "whoami", "ws", "ls", "put", "get", "rm", "usage"],
)
def test_every_command_helps_with_an_example(run, command):
    assert "doorward" in run(command, "--help").stdout.partition("Example")[2] or (
        command in {"ws", "dev"} and "Commands:" in run(command, "--help").stdout
    )


def test_dev_prints_one_token_and_nothing_else(run, tmp_path):
    done = run(
        "dev", "token", "--user", "alice", "--org", "acme", "--role", "org:admin",
        "--permission", "org:a:b", "--claim", "can_upload=true", "--claim", "note=plain",
        "--data", tmp_path / "dev",
    )  # fmt: skip

    assert done.stdout.count("\n") == 1
    assert done.stdout.count(".") == 2
    assert done.stderr == ""
    run("dev", "token", "--user", "a", "--claim", "odd", "--data", tmp_path / "dev", status=2)


def test_dev_env_makes_the_toolkit_trust_the_stand_in(run, tmp_path):
    data = tmp_path / "dev"
    token = run("dev", "token", "--user", "alice", "--data", data).stdout.strip()
    variables = json.loads(run("dev", "env", "--json", "--data", data).stdout)
    code = "import sys, doorward; print(doorward.verify_token(sys.argv[1]).user_id)"

    out = subprocess.run(
        [sys.executable, "-c", code, token],
        env={"PATH": os.environ["PATH"]} | {"CLERK_JWT_KEY": variables["CLERK_JWT_KEY"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert out.stdout.strip() == "user_alice"
    sourced = run("dev", "env", "--data", data).stdout.splitlines()
    assert {line.partition("=")[0] for line in sourced} == set(variables)
    assert "http://127.0.0.1:8040" in variables["CLERK_AUTHORIZED_PARTIES"]


def test_dev_revokes_what_it_knows_and_refuses_the_world(run, tmp_path):
    assert "no session" in run("dev", "revoke", "sess_x", "--data", tmp_path, status=1).stderr
    refused = run("dev", "--host", "0.0.0.0", "--data", tmp_path, status=2)  # noqa: S104
    assert "sign in as anyone" in refused.stderr


def test_doctor_says_when_nobody_tells_what_ends_at_clerk(run, tmp_path):
    secret = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"
    environ = {"CLERK_SECRET_KEY": "sk_test_your_key_here", "DOORWARD_DATA": str(tmp_path)}

    def told(**more):
        checks = json.loads(run("doctor", "--json", **environ, **more).stdout)["checks"]
        return next(check["status"] for check in checks if check["name"] == "revocation")

    assert (told(), told(CLERK_WEBHOOK_SIGNING_SECRET=secret)) == ("warning", "ok")


def test_doctor_says_what_is_well_and_what_is_not(run, tmp_path):
    checks = json.loads(run("doctor", "--data", tmp_path / "x", "--json").stdout)["checks"]
    assert {check["name"] for check in checks} >= {"settings", "sign-in", "space", "sqlite"}
    assert all(check["status"] in {"ok", "warning"} for check in checks)

    bad = run("doctor", status=1, DOORWARD_DURABILITY="maybe")
    assert "failed   settings" in bad.stdout
    assert "fast" in run("doctor", DOORWARD_DURABILITY="fast", DOORWARD_DATA=str(tmp_path)).stdout


def test_json_says_what_was_moved_and_what_was_left(alice, tmp_path):
    (tmp_path / "ä.txt").write_text("four")

    first = json.loads(alice("put", "ä.txt", "--json").stdout)
    second = json.loads(alice("put", "ä.txt", "--json").stdout)
    back = json.loads(alice("get", ":/ä.txt", "back.txt", "--json").stdout)

    members = {"data", "unchanged", "skipped", "failed", "moved_bytes"}
    assert first.keys() == second.keys() == back.keys() == members
    assert [(file["name"], file["size"]) for file in first["data"]] == [("ä.txt", 4)]
    assert (first["unchanged"], first["moved_bytes"]) == ([], 4)
    assert (second["data"], second["unchanged"], second["moved_bytes"]) == ([], ["ä.txt"], 0)
    assert back["data"][0]["digest"] == first["data"][0]["digest"]
    assert (first["skipped"], first["failed"]) == ([], [])


def test_json_shows_what_the_server_knows_of_a_workspace_and_a_person(alice, server):
    alice("ws", "create", "Plans")

    (plans,) = (
        row for row in json.loads(alice("ws", "--json").stdout)["data"] if row["name"] == "Plans"
    )
    me = json.loads(alice("whoami", "--json").stdout)

    assert {"id", "name", "role", "used_bytes", "quota_bytes"} <= plans.keys()
    assert plans["role"] == "owner"
    assert json.loads(alice("ls", "Plans:/", "--json").stdout) == {"data": []}
    assert {"user_id", "credential", "scopes"} <= me.keys()
    assert me["url"] == server.url


def test_data_goes_to_standard_output_and_all_else_beside_it(alice, tmp_path):
    (tmp_path / "a.txt").write_text("a")

    put = alice("put", "a.txt")
    missing = alice("ls", ":/missing", "--json", status=1)

    assert (put.stdout, missing.stdout) == ("", "")
    assert len(missing.stderr.splitlines()) == 1


@pytest.mark.usefixtures("alice")
def test_a_sign_in_is_kept_for_this_user_alone(tmp_path):
    kept = tmp_path / "config/doorward/credentials.json"

    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_sign_in_that_fails_leaves_the_one_before(alice, tmp_path):
    kept = tmp_path / "config/doorward/credentials.json"
    before = kept.read_bytes()

    alice("login", stdin="garbage", status=3)
    alice("login", "--user", "bob", "--url", "http://127.0.0.1:9", status=5)

    assert kept.read_bytes() == before


def test_a_file_is_shared_by_a_link_that_can_be_seen_and_killed(alice, tmp_path):
    (tmp_path / "plan.txt").write_text("plan")
    alice("put", "plan.txt")

    url = alice("share", ":/plan.txt", "--uses", "2", "--expires", "2h").stdout.strip()

    assert httpx2.get(url).text == "plan"
    (row,) = [
        row
        for row in json.loads(alice("links", "list", "--json").stdout)["data"]
        if row["direction"] == "download"
    ]
    assert (row["uses"], row["limits"]["uses"], row["resource"]["name"]) == (1, 2, "plan.txt")
    assert row["id"] in alice("links", "list").stdout
    assert "plan.txt" in alice("links", "show", row["id"]).stdout
    assert "is dead" in alice("links", "kill", row["id"]).stderr
    assert httpx2.get(url).status_code == 410
    assert row["id"] not in alice("links", "list").stdout
    assert row["id"] in alice("links", "list", "--all").stdout


def test_a_link_is_for_no_more_than_was_asked(alice, tmp_path):
    (tmp_path / "plan.txt").write_text("plan")
    alice("put", "plan.txt")

    made = json.loads(alice("share", ":/plan.txt", "--json").stdout)

    assert set(made) == {"id", "url", "expires_at"}
    assert "not a life" in alice("share", ":/plan.txt", "--expires", "soon", status=2).stderr
    assert "at most" in alice("share", ":/plan.txt", "--expires", "400d", status=1).stderr
    assert "whole workspace" in alice("share", ":/", status=2).stderr
    alice("share", ":/missing", status=1)
    alice("links", "kill", "link_none", status=1)
