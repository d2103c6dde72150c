"""``doorward keys scan``: what it finds in trees and in git, and that it never tells a key."""

import json
import os
import signal
import subprocess
import sys

import pytest

from doorward.cli import keys_scan
from doorward.cli.scan_sources import Bounds, files
from doorward.server.keys.format import mint_key
from support import hearing_interrupts

KEY = mint_key("live").text
SHAPED = "dw_live_" + "a" * 63
IDENTITY = ("-c", "user.name=alice", "-c", "user.email=alice@example.com")


@pytest.fixture
def scan(tmp_path):
    """Run the command where no server is, and make sure that it tells no key."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}

    def scan(*words, status=0, stdin=b"", **more):
        done = subprocess.run(
            [sys.executable, "-m", "doorward", "keys", "scan", *map(str, words)],
            capture_output=True,
            input=stdin,
            env=environ | more,
            cwd=tmp_path,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, out + err
        assert "Traceback" not in err
        assert KEY[8:16] not in out + err
        return out, err

    return scan


@pytest.fixture
def git(tmp_path):
    def git(*words):
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", *IDENTITY, *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    return git


def test_keys_are_found_in_files_of_every_kind_and_place(scan, tmp_path):
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("*.env\n")
    (tmp_path / "local.env").write_text(f"A=1\nTOKEN={KEY}\n")
    (tmp_path / "src/deep/a.bin").write_bytes(b"\0\xff" * 99 + b"x" + KEY.encode() + b"y")
    (tmp_path / "src/w.txt").write_text(f"key={KEY}", encoding="utf-16")
    (tmp_path / "src/clean.txt").write_text(SHAPED)

    out, err = scan(".", status=1)

    assert out.splitlines() == [
        "local.env:2:7: live key dw_live…",
        "src/w.txt:1:5: live key dw_live…",
        "src/deep/a.bin:1:200: live key dw_live…",
    ]
    assert "keys found: 3" in err
    assert "revoke" in err


def test_nothing_found_is_nothing_printed(scan, tmp_path):
    (tmp_path / "clean.txt").write_text(SHAPED)

    out, err = scan(".")

    assert out == ""
    assert "keys found: 0" in err
    assert json.loads(scan(".", "--json")[0])["findings"] == []


def test_a_key_is_found_across_pieces_of_a_large_file(scan, tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.seek((1 << 20) - 30)
        file.write(KEY.encode())
        file.seek((4 << 20) - 5)
        file.write(KEY.encode() + b"\n" + KEY.encode())

    out, _ = scan("large", status=1)

    assert out.count("live key") == 3
    assert "large:2:1:" in out


def test_a_large_file_costs_no_memory(scan, tmp_path):
    import resource

    (tmp_path / "small").write_bytes(b"x")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(300 << 20)
    scan("small")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    scan("large")

    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after - before < 50 << 10  # KiB


def test_what_is_excluded_or_too_large_is_left_out_and_the_latter_said(scan, tmp_path):
    (tmp_path / "vendor/deep").mkdir(parents=True)
    (tmp_path / "vendor/deep/a").write_text(KEY)
    (tmp_path / "b.iso").write_text(KEY)
    (tmp_path / "big").write_text(KEY + " " * 2000)

    out, err = scan(".", "--exclude", "vendor", "--exclude", "*.iso", "--max-size", "1K")
    assert out == ""
    assert "Left out, being larger than --max-size: big" in err
    assert json.loads(scan(".", "--max-size", "1K", "--json", status=1)[0])["skipped"] == ["big"]
    scan(".", "--max-size", "huge", status=2)


def test_links_are_followed_only_where_they_are_named(scan, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "secret").write_text(KEY)
    (tmp_path / "tree/link").symlink_to(tmp_path / "secret")
    (tmp_path / "tree/loop").symlink_to(tmp_path / "tree")
    os.mkfifo(tmp_path / "tree/pipe")

    scan("tree")
    assert "tree/link:1:1" in scan("tree/link", status=1)[0]


def test_a_pipe_is_read_where_it_is_named(scan, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["bash", "-c", f"echo {KEY} > pipe"], cwd=tmp_path)

    assert scan("pipe", status=1)[0].startswith("pipe:1:1:")
    writer.wait(timeout=60)


def test_a_name_that_the_output_can_not_write_ends_no_search(scan, tmp_path):
    (tmp_path / "日").write_text(KEY)

    out, _ = scan(".", status=1, PYTHONIOENCODING="latin-1")

    assert out == "\\u65e5:1:1: live key dw_live\\u2026\n"


def test_long_work_says_how_far_it_is(tmp_path, capsys):
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    bounds = Bounds()
    search = keys_scan._Search(bounds, show=None, _told=-1e9)

    search.run(files([str(tmp_path)], bounds))

    assert capsys.readouterr().err == "0 files, 1.0 MiB searched\n"


def test_a_name_can_not_steer_the_terminal_and_no_byte_of_it_is_lost(scan, tmp_path):
    (tmp_path / "a\x1b[2J\nb").write_text(KEY)
    (tmp_path / os.fsdecode(b"\xff")).write_text(KEY)

    out, _ = scan(".", status=1)
    assert out.splitlines() == [
        "a\\x1b[2J\\nb:1:1: live key dw_live…",
        "\\xff:1:1: live key dw_live…",
    ]
    found = json.loads(scan(".", "--json", status=1)[0])["findings"]
    assert [one["path"] for one in found] == ["a\\x1b[2J\\nb", "\\xff"]


@pytest.mark.skipif(os.geteuid() == 0, reason="LOUD: root reads every file")
def test_a_file_that_can_not_be_read_is_no_clean_bill(scan, tmp_path):
    (tmp_path / "closed").write_text(KEY)
    (tmp_path / "closed").chmod(0)

    assert "Not read: closed" in scan(".", status=5)[1]


def test_a_folder_that_can_not_be_listed_is_no_clean_bill(scan, tmp_path):
    """Deeper than a path may be long."""
    script = "for i in $(seq 20); do n=$(printf x%.0s {1..250}); mkdir $n; cd $n; done"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)

    _, err = scan(".", status=5)

    assert "File name too long" in err
    subprocess.run(["rm", "-rf", str(next(tmp_path.iterdir()))], check=True)


def test_standard_input_is_searched_too(scan):
    assert scan("-", stdin=b"x " + KEY.encode(), status=1)[0].startswith("standard input:1:3:")
    scan("-", stdin=b"nothing")


def test_a_path_that_is_not_there_is_wrong_usage(scan):
    assert "is not there" in scan("missing", status=2)[1]
    scan("--history", "--staged", status=2)


def test_what_was_removed_is_found_in_the_history(scan, git, tmp_path):
    (tmp_path / "a file.py").write_text(f"\nkey = '{KEY}'")
    git("add", "-A")
    git("commit", "--quiet", "-m", "one")
    blob = git("rev-parse", "HEAD:a file.py")
    git("rm", "--quiet", "a file.py")
    git("commit", "--quiet", "-m", "two")

    assert scan(".", "--exclude", ".git")[0] == ""
    out, err = scan("--history", status=1)
    assert out == f"a file.py:2:8: live key dw_live… in {blob}\n"
    assert "--find-object" in err
    assert scan("--history", "--exclude", "*.py")[0] == ""


def test_all_that_git_can_reach_is_searched(scan, git, tmp_path):
    """Branches, tags' and commits' messages, the stash, the reflog, the index, and packs."""
    (tmp_path / "a").write_text("a")
    git("add", "-A")
    git("commit", "--quiet", "-m", f"message {KEY}")
    git("tag", "-a", "v1", "-m", f"tag {KEY}")
    git("checkout", "--quiet", "-b", "side")
    for name in ("branch", "stashed", "reset", "staged"):
        (tmp_path / name).write_text(f"{name} {KEY}")
        git("add", name)
        if name == "stashed":
            git("stash", "--quiet")
        elif name != "staged":
            git("commit", "--quiet", "-m", name)
        if name == "reset":
            git("reset", "--quiet", "--hard", "HEAD^")

    def found():
        rows = json.loads(scan("--history", "--json", status=1)[0])["findings"]
        return {row["path"] for row in rows}

    assert found() == {"(commit)", "v1", "branch", "stashed", "reset", "staged"}
    git("gc", "--quiet")
    assert found() == {"(commit)", "v1", "branch", "stashed", "reset", "staged"}


def test_what_git_shows_another_thing_for_is_found(scan, git, tmp_path):
    (tmp_path / "a").write_text(KEY)
    git("add", "a")
    git("commit", "--quiet", "-m", "one")
    secret = git("rev-parse", "HEAD:a")
    (tmp_path / "a").write_text("clean")
    git("replace", secret, git("hash-object", "-w", "a"))

    assert scan("--history", status=1)[0] == f"a:1:1: live key dw_live… in {secret}\n"


def test_only_what_is_staged_is_searched_before_a_commit(scan, git, tmp_path):
    (tmp_path / "first").write_text("clean")
    git("add", "first")
    scan("--staged")
    (tmp_path / "first").write_text(KEY)
    scan("--staged")
    git("add", "first")
    (tmp_path / "first").write_text("clean")

    assert scan("--staged", status=1)[0].startswith("first:1:1: live key")


def test_a_history_of_large_and_binary_blobs_is_streamed(scan, git, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(3 << 20) + KEY.encode("utf-16-be"))
    git("add", "-A")
    git("commit", "--quiet", "-m", "one")

    assert scan("--history", status=1)[0].startswith("large:")
    assert "Left out" in scan("--history", "--max-size", "1M")[1]


def test_git_is_said_to_be_missing_where_it_is_and_no_repository_too(scan):
    assert "git is not installed" in scan("--history", status=5, PATH="/nonexistent")[1]
    assert "no repository" in scan("--history", status=2, GIT_CEILING_DIRECTORIES="/")[1]
    scan(".", PATH="/nonexistent")


def test_an_object_that_git_lost_is_no_clean_bill(scan, git, tmp_path):
    (tmp_path / "a").write_text("a")
    git("add", "-A")
    git("commit", "--quiet", "-m", "one")
    blob = git("rev-parse", "HEAD:a")
    (tmp_path / ".git/objects" / blob[:2] / blob[2:]).unlink()

    scan("--history", status=5)


def test_code_hosts_get_what_they_read(scan, tmp_path):
    (tmp_path / "a b.py").write_text(f"\n {KEY}")

    (run,) = json.loads(scan(".", "--format", "sarif", status=1)[0])["runs"]

    (result,) = run["results"]
    (location,) = result["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b.py"}
    assert place["region"] == {"startLine": 2, "startColumn": 2}
    assert result["ruleId"] == run["tool"]["driver"]["rules"][0]["id"]


def test_it_ends_quietly_when_it_is_interrupted(tmp_path):
    os.mkfifo(tmp_path / "input")
    process = subprocess.Popen(
        hearing_interrupts([sys.executable, "-m", "doorward", "keys", "scan", "-"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(KEY.encode() + bytes(1 << 20))
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"standard input:1:1:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert b"Traceback" not in err


def test_it_needs_nothing_that_a_server_needs():
    code = (
        "import sys; sys.argv = ['doorward', 'keys', 'scan', '/dev/null']\n"
        "from doorward.cli.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('fastapi', 'sqlalchemy', 'cryptography', 'rich', 'asyncpg', 'jwt')\n"
        "print([name for name in heavy if name in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.splitlines()[-1] == "[]"
