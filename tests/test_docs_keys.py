"""The page about keys: its code runs, and what it lists is all there is."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

from doorward.server.keys.format import PATTERN, mint_key
from doorward.server.permission.scopes import Scope
from support import ServerProcess

ROOT = Path(__file__).parents[1]
KEYS = (ROOT / "docs/how-to/keys.md").read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", KEYS, re.DOTALL)
    return found


def test_a_key_is_made_used_rotated_revoked_and_found_as_it_is_printed(tmp_path):
    blocks = re.findall(r"```sh run\n(.*?)```", KEYS, re.DOTALL)
    assert len(blocks) == 9
    with ServerProcess(tmp_path / "data") as server:
        out = subprocess.run(
            ["bash", "-c", "set -eu\n" + "\n".join(blocks)],
            cwd=tmp_path,
            env=os.environ
            | {
                "HOME": str(tmp_path),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
                "DOORWARD_URL": server.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert out.returncode == 0, out.stderr
    assert "1 uploaded" in out.stderr
    assert "by api_key key_" in out.stdout
    assert "by delegated_token tok_" in out.stdout
    assert "is revoked." in out.stderr
    assert re.search(
        r"^settings\.py:1:10: live key dw_live… in [0-9a-f]{40}$", out.stdout, re.MULTILINE
    )
    assert out.stdout.splitlines()[-1] == "status 1"
    assert not re.search(PATTERN, out.stdout + out.stderr)


def test_no_key_is_committed_where_the_hook_is(tmp_path):
    environ = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
        "GIT_CONFIG_NOSYSTEM": "1",
    }

    def git(*words):
        identity = ("-c", "user.name=alice", "-c", "user.email=alice@example.com")
        done = subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, env=environ, capture_output=True, check=False
        )
        return done.returncode

    git("init", "--quiet")
    hook = tmp_path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(block("sh hook"))
    hook.chmod(0o755)
    (tmp_path / "settings.py").write_text(mint_key("live").text)
    git("add", "settings.py")

    assert git("commit", "-m", "a key") == 1
    (tmp_path / "settings.py").write_text("clean")
    assert git("commit", "-m", "the key is staged still") == 1
    assert git("commit", "-a", "-m", "no key") == 0


def test_other_scanners_are_given_the_shape_that_keys_have():
    shape = block("regex").strip()
    (rule,) = tomllib.loads(block("toml"))["rules"]

    assert shape == rule["regex"] == re.sub(r"[()]", "", PATTERN.pattern)
    assert re.fullmatch(shape, mint_key("test").text)


def test_every_scope_is_listed():
    for scope in Scope:
        assert f"`{scope}`" in KEYS, scope
