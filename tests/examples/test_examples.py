"""The examples, as whoever tries them does: their own tests, and the commands they print."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = sorted(app.parent.name for app in EXAMPLES.glob("*/app.py"))
WEBSOCKETS = "LOUD: uvicorn can't serve WebSockets here, since the package websockets is missing"

# What the commands of each README answer, in this order.
ANSWERS = {
    "asgi": ['{"healthy": true}', "401 Unauthorized", '{"user": "user_alice"'],
    "fastapi-roles": [
        '"user":"user_alice","organization":"org_acme","role":"org:admin","may_write":true',
        "null",
        '["buy milk"]',
        "403 Forbidden",
        '"missing":["permission org:notes:read"]',
    ],
    "flask": ['{"menu":["bread","cake"]}', '"user":"user_alice"', "403 FORBIDDEN", "oven:use"],
    "graphql": ['{"openingHours":"9 to 5"}', '"user_alice"', '"FORBIDDEN"', "role org:admin"],
    "websocket": [],
}


@pytest.fixture(params=NAMES)
def example(request, tmp_path) -> Path:
    return copy_of(request.param, tmp_path)


def copy_of(name: str, tmp_path: Path) -> Path:
    """A copy to run in, so that what it writes is gone with the test."""
    return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))


def environment() -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": programs, "PYTHONUNBUFFERED": "1"}


def shell(commands: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(example: Path) -> list[str]:
    """The commands of the README, without those that install."""
    blocks = re.findall(r"```sh\n(.*?)```", (example / "README.md").read_text(), re.DOTALL)
    return [re.sub(r"^pip install.*\n", "", block) for block in blocks]


@contextmanager
def started(example: Path) -> Iterator[str]:
    """Start an application as its README says, on a port that is free; gives its address."""
    command = printed(example)[0].replace("8000", "0")
    command = re.sub(r"^(uvicorn|flask) ", r"exec \1 ", command, flags=re.MULTILINE)
    server = subprocess.Popen(
        ["bash", "-euc", command],
        cwd=example,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    reader = threading.Thread(target=lambda: [*server.stderr], daemon=True)
    try:
        yield address_of(server)
    finally:
        reader.start()
        server.terminate()
        server.wait(timeout=30)
        reader.join()
        server.stderr.close()


def address_of(server: subprocess.Popen) -> str:
    lines = []
    for line in server.stderr:
        lines.append(line)
        if found := re.search(r"running on (http://[\d.:]+)", line, re.IGNORECASE):
            return found[1]
    raise AssertionError("it did not start:\n" + "".join(lines))


def test_its_own_tests_pass(example):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)
    assert "skipped" not in done.stdout


def test_its_readme_runs_as_it_is_printed(example):
    with started(example) as url:
        commands = "\n".join(printed(example)[1:]).replace("127.0.0.1:8000", url)
        out = shell(commands, example)

    at = 0
    for answer in ANSWERS[example.name]:
        at = out.find(answer, at)
        assert at >= 0, f"{answer} is not in, or not in this place of:\n{out}"


def test_it_holds_placeholders_and_no_secret(example):
    for file in example.rglob("*"):
        if file.is_file():
            text = file.read_text()
            assert not re.search(r"sk_(test|live)_\w|whsec_[A-Za-z0-9+/]{16}|eyJ\w", text), file
    assert "CLERK_SECRET_KEY=your_clerk_secret_key_here" in (example / ".env.example").read_text()


def test_the_page_of_the_chat_is_served(tmp_path):
    with started(copy_of("websocket", tmp_path)) as url:
        assert "export function connect" in shell(f"curl -s {url}/live.js", tmp_path)
        assert "/live.js" in shell(f"curl -s {url}/", tmp_path)


class TestTheChatsClient:
    """What a page runs, in Node: first with a socket that says what we like, then with a server."""

    def run(self, script: str, *more: str) -> list[str]:
        if shutil.which("node") is None:
            pytest.skip("LOUD: node is not here")
        done = subprocess.run(
            ["node", *more, "--input-type=module", "-e", script],
            cwd=EXAMPLES / "websocket",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def closes(self, *closes: str, tokens: str = "'one', 'two', 'three'") -> list[str]:
        """What the client does about a row of closes; ``+`` says that the socket had opened."""
        return self.run(f"""
            import {{ connect }} from "./live.js";
            const closes = {list(closes)!r}, tokens = [{tokens}];
            class Socket {{
              constructor(url, [protocol, token]) {{
                console.log(`${{protocol}} ${{token}}`);
                const close = closes.shift();
                if (!close) return;
                queueMicrotask(() => {{
                  if (close.startsWith("+")) this.onopen();
                  this.onclose({{ code: Math.abs(Number(close)), reason: "why" }});
                }});
              }}
            }}
            connect({{
              url: "ws://x/live",
              getToken: async () => tokens.shift(),
              onText: () => {{}},
              onEnd: (why) => console.log(`end: ${{why}}`),
              pause: async (ms) => console.log(`pause ${{ms}}`),
              Socket,
            }});
        """)

    def test_comes_back_at_once_with_a_fresh_token_when_its_own_ended(self):
        assert self.closes("+4401") == ["doorward.bearer one", "doorward.bearer two"]

    def test_comes_back_later_where_the_handshake_was_refused(self):
        assert self.closes("1006", "1006") == [
            "doorward.bearer one",
            "pause 500",
            "doorward.bearer two",
            "pause 1000",
            "doorward.bearer three",
        ]

    def test_has_patience_with_a_server_that_can_not_judge(self):
        first, *rest = self.closes("+4503")

        assert first == "doorward.bearer one"
        assert rest == ["pause 500", "doorward.bearer two"]

    def test_does_not_hammer_a_server_that_ends_every_token(self):
        assert "pause 1000" in self.closes("4401", "4401")

    def test_ends_where_something_is_missing(self):
        assert self.closes("+4403") == ["doorward.bearer one", "end: why"]

    def test_ends_where_nobody_is_signed_in_any_more(self):
        assert self.closes("+4401", tokens="'one'") == ["doorward.bearer one", "end: signed out"]

    def test_comes_back_to_a_real_server_after_a_sign_out(self, tmp_path):
        pytest.importorskip("websockets", reason=WEBSOCKETS)
        example = copy_of("websocket", tmp_path)
        with started(example) as url:
            one, two = (shell("doorward dev token --user alice", example) for _ in range(2))
            heard = self.talk(url, [one.strip(), two.strip()])

        assert heard == [
            "1 user_alice: hello",
            "closed 4401 session-revoked",
            "2 user_alice: hello",
        ]

    def talk(self, url: str, tokens: list[str]) -> list[str]:
        """Say hello with each token, and end the session of all but the last when it is heard."""
        return self.run(
            f"""
            import {{ connect }} from "./live.js";
            const tokens = {tokens!r}, used = [];
            const client = connect({{
              url: "{url.replace("http", "ws")}/live",
              getToken: async () => {{
                used.push(tokens.shift());
                return used.at(-1);
              }},
              onText: async (text) => {{
                console.log(`${{used.length}} ${{text}}`);
                if (tokens.length === 0) return client.close();
                const headers = {{ Authorization: `Bearer ${{used.at(-1)}}` }};
                await fetch("{url}/sign-out", {{ method: "POST", headers }});
              }},
              Socket: class extends WebSocket {{
                constructor(...given) {{
                  super(...given);
                  this.addEventListener("open", () => this.send("hello"));
                  this.addEventListener("close", ({{ code, reason }}) => {{
                    if (code > 1005) console.log(`closed ${{code}} ${{reason}}`.trim());
                  }});
                }}
              }},
            }});
            """,
            "--experimental-websocket",
        )
