"""What tests are written with: a clock, a house, people with real credentials."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx2
from starlette.testclient import TestClient

NOON = 1_790_000_000.0


_HEARING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def hearing_interrupts(command: list) -> list:
    """Have a command hear Ctrl-C: what is started in the background of a shell is told not to."""
    return [sys.executable, "-c", _HEARING, *command]


@dataclass
class Clock:
    """Time that only moves when a test says so."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def advance(self, *, seconds: float) -> None:
        self.now += seconds


@dataclass
class Person:
    """Somebody signed in, with a fresh token for every request."""

    house: "House"
    name: str
    sign_in: dict[str, object]

    @property
    def user_id(self) -> str:
        return f"user_{self.name}"

    def token(self, **more: object) -> str:
        return self.house.standin.mint(self.name, **(self.sign_in | more))

    def call(self, method: str, path: str, **request: object):
        url = path if path.startswith("/") else f"/api/v1/{path}"
        headers = {"Authorization": f"Bearer {self.token()}"} | request.pop("headers", {})
        return self.house.client.request(method, url, headers=headers, **request)

    def get(self, path: str, **request: object):
        return self.call("GET", path, **request)

    def post(self, path: str, **body: object):
        return self.call("POST", path, **_json(body))

    def patch(self, path: str, **body: object):
        return self.call("PATCH", path, **_json(body))

    def delete(self, path: str, **request: object):
        return self.call("DELETE", path, **request)

    def purge(self, file_id: str):
        """Put something in the bin, and delete it there for good."""
        assert self.delete(f"files/{file_id}").status_code == 204
        return self.delete(f"files/{file_id}", params={"permanently": True})

    def home(self) -> str:
        """The person's own workspace."""
        rows = self.get("workspaces").json()["data"]
        return next(row["id"] for row in rows if row["home"] and row["organization_id"] is None)

    def office(self) -> str:
        """The home workspace of the organization."""
        rows = self.get("workspaces").json()["data"]
        return next(row["id"] for row in rows if row["home"] and row["organization_id"])

    def declare(self, workspace: str, name: str, size: int, **more: object):
        return self.post(f"workspaces/{workspace}/uploads", name=name, size=size, **more)

    def upload(self, workspace: str, name: str, content: bytes, **more: object) -> dict:
        declared = self.declare(workspace, name, len(content), **more)
        assert declared.status_code == 201, declared.text
        sent = self.house.send(declared.json()["url"], content)
        assert sent.status_code == 201, sent.text
        return sent.json()

    def key(self, *scopes: str, **more: object) -> "Holder":
        """Somebody who holds a new key of this person's."""
        made = self.post("keys", name="CI", scopes=scopes or ["files:read"], **more)
        assert made.status_code == 201, made.text
        return Holder(self.house, self.name, self.sign_in, made.json()["id"], made.json()["secret"])

    def lend(self, agent: "Holder", **more: object) -> "Holder":
        """Whoever acts for this person by a token that the agent was given."""
        made = agent.exchange(self.token(), **more)
        assert made.status_code == 200, made.text
        return Holder(self.house, self.name, self.sign_in, agent.id, made.json()["access_token"])


@dataclass
class Holder(Person):
    """Somebody who holds a key, or a token that stands on one."""

    id: str = ""
    secret: str = ""

    def token(self, **_: object) -> str:
        return self.secret

    def exchange(self, session: str, **more: object):
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": session,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
        return self.call("POST", "token", data=form | more)


def _json(body: object) -> dict[str, object]:
    """A JSON body in ASCII: even half a character can be written so."""
    return {
        "content": json.dumps(body).encode(),
        "headers": {"Content-Type": "application/json"},
    }


@dataclass
class House:
    """A whole server in this process, over a real folder and real SQLite."""

    data: Path
    clock: Clock
    client: TestClient
    standin: object
    people: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str, **sign_in: object) -> Person:
        return Person(self, name, sign_in)

    def send(self, url: str, content: object, **headers: str):
        return self.client.put(url, content=content, headers=headers)

    def send_in_two(
        self, url: str, first: bytes, between: Callable[[], object], rest: bytes
    ) -> httpx2.Response:
        """Send a body of which the second half comes only after ``between`` has happened."""

        async def receive():
            nonlocal first
            if first:
                part, first = first, b""
                return {"type": "http.request", "body": part, "more_body": True}
            await asyncio.to_thread(between)
            return {"type": "http.request", "body": rest, "more_body": False}

        return asyncio.run(self._drive("PUT", url, receive))

    def send_and_stall(
        self, url: str, first: bytes, between: Callable[[], object]
    ) -> httpx2.Response:
        """Send a beginning, let ``between`` happen once, and send nothing more."""
        happened = False

        async def receive():
            nonlocal first, happened
            if first:
                part, first = first, b""
                return {"type": "http.request", "body": part, "more_body": True}
            if not happened:  # the rest is asked for again where the request is refused
                happened = True
                await asyncio.to_thread(between)
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
            return None

        return asyncio.run(self._drive("PUT", url, receive))

    def ask(self, method: str, url: str, *, client=("127.0.0.1", 1), **headers: str):
        """Ask without a body, from an address."""

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return asyncio.run(self._drive(method, url, _once(receive), client=client, headers=pairs))

    def cut_after_first(
        self,
        url: str,
        between: Callable[[], object],
        *,
        headers=(),
        wait_seconds: float = 5.0,
    ) -> tuple[int, float]:
        """Take a first chunk, let ``between`` happen, and read nothing more for so long.

        Gives how many bytes were taken in all, and how long it was from there to the end.
        """
        parts = urlsplit(url)
        taken, began = 0, 0.0

        async def send(message):
            nonlocal taken, began
            if taken and not began:
                await asyncio.to_thread(between)
                began = time.monotonic()
                await asyncio.sleep(wait_seconds)
            taken += len(message.get("body", b""))

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = _scope("GET", parts, ("127.0.0.1", 1), list(headers))
        asyncio.run(self.client.app(scope, _once(receive), send))
        return taken, time.monotonic() - began

    async def drive(self, method: str, url: str, content: bytes) -> httpx2.Response:
        """Send a body in one piece, in the event loop that is running."""

        async def receive():
            return {"type": "http.request", "body": content, "more_body": False}

        return await self._drive(method, url, _once(receive))

    def send_and_never_be_asked_again(
        self, method: str, url: str, *parts: bytes, **headers: str
    ) -> httpx2.Response:
        """Send a body in parts; whoever asks for more after its end fails."""
        messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]

        async def receive():
            assert messages, "the body had ended"
            return messages.pop(0)

        raw = [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
        pairs = [(name.encode(), value.encode()) for name, value in raw]
        return asyncio.run(self._drive(method, url, receive, headers=pairs))

    async def _drive(
        self, method: str, url: str, receive, client=("127.0.0.1", 1), headers=()
    ) -> httpx2.Response:
        scope = _scope(method, urlsplit(url), client, list(headers))
        sent = []

        async def send(message):
            sent.append(message)

        await self.client.app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)

    def sweep(self) -> None:
        """Sweep now, as the server does every few seconds."""
        from doorward.server.sweeper import sweep, sweep_bin, sweep_rows, sweep_trail

        life = self.client.app._app
        self.client.portal.call(sweep_bin, life._store, self.inside().limits)
        self.client.portal.call(sweep, life._store, life._blobs)
        self.client.portal.call(sweep_rows, life._store, self.inside().limits)
        attesting = life._attesting
        self.client.portal.call(sweep_trail, life._store, attesting._signer, attesting._days)

    def inside(self):
        """What the doors reach of the house."""
        return self.client.app._app._doors._house

    def attest(self) -> None:
        """Write heads of the audit trail now, as the server does every minute."""
        self.client.portal.call(self.client.app._app._attesting.attest)

    def store(self):
        """The store of rows that the house runs on."""
        return self.client.app._app._store

    def importer(self):
        """What fetches, in this house, from addresses that people name."""
        return self.client.app._app._importer

    def stored_files(self) -> list[Path]:
        """Every blob that lies on the disk."""
        return [path for path in (self.data / "blobs").rglob("*") if path.is_file()]


def _scope(method: str, parts, client, headers: list) -> dict[str, object]:
    return {
        "type": "http",
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": headers,
        "client": client,
    }


def _once(receive):
    """The empty body, then the silence of a client that stays."""
    asked = False

    async def once():
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return await receive()

    return once


def problem(response) -> tuple[int, str]:
    """Status and code of a problem, which every refusal must be."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = json.loads(response.content)
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["x-request-id"]
    return response.status_code, body["code"]


def without_request_id(response) -> dict:
    """A problem without the one member that must differ."""
    return {k: v for k, v in response.json().items() if k != "request_id"}


class ServerProcess:
    """A server of its own, started as a person starts it, to be stopped or killed."""

    def __init__(self, data: Path, *options: str, **environ: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "doorward", "serve", "--port", "0", "--data", data, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environ,
        )
        self.errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self.url = self._ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def token(self, user: str, **sign_in: object) -> str:
        from doorward.standin import Standin

        return Standin.open(self.data / "standin").mint(user, ttl=3600, **sign_in)

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in [str(self.process.pid), *children]:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """Ask it to stop, and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=60)
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def _ready(self) -> str:
        for line in self.process.stdout:
            if "Doorward serves " in line:
                return line.split()[-1]
        self._ended()
        raise AssertionError("the server did not start:\n" + "".join(self.errors))

    def _read_errors(self) -> None:
        for line in self.process.stderr:
            self.errors.append(line)


@contextmanager
def no_room():
    """Have the system refuse every write to a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
