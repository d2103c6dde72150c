"""Uploads of unknown size over real connections: an end is told from a cut, and nothing is lost."""

import json
import shutil
import socket
import subprocess
import time
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from support import ServerProcess

NODE = Path(__file__).parents[1] / "node"
TUS = {"Tus-Resumable": "1.0.0"}
MIB = 1 << 20


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


class Person:
    """Somebody at a server, who declares uploads and asks for them."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url
        self.token = server.token("alice")
        self.home = self.get("/api/v1/workspaces").json()["data"][0]["id"]

    def call(self, method: str, path: str, **request: object) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx2.request(method, f"{self.url}{path}", headers=headers, **request)

    def get(self, path: str) -> httpx2.Response:
        return self.call("GET", path)

    def post(self, path: str, **body: object) -> httpx2.Response:
        return self.call("POST", path, json=body)

    def declare(self, **more: object) -> dict:
        path = f"/api/v1/workspaces/{self.home}/uploads"
        answer = self.post(path, name="a.bin", **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def read(self, upload: dict) -> dict:
        return self.get(f"/api/v1/uploads/{upload['id']}").json()

    def until(self, upload: dict, holds) -> dict:
        give_up = time.monotonic() + 20
        while not holds(found := self.read(upload)):
            assert time.monotonic() < give_up, found
        return found


def send_raw(url: str, lines: list[str], body: bytes) -> socket.socket:
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = "\r\n".join([f"PUT /{path} HTTP/1.1", f"Host: {address}", *lines, "", ""])
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize(
    "cut",
    [b"400\r\n" + b"x" * 0x400 + b"\r\n", b"400\r\n" + b"x" * 100, b"400\r\n", b"4", b"0\r\n"],
    ids=["after a chunk", "in a chunk", "in a head", "in a number", "before the last line"],
)
def test_a_connection_that_ends_before_the_last_chunk_makes_no_file(data, cut):
    with ServerProcess(data) as server:
        alice = Person(server)
        upload = alice.declare()
        with send_raw(upload["url"], ["Transfer-Encoding: chunked"], b"5\r\n12345\r\n" + cut):
            alice.until(upload, lambda found: found["status"] == "receiving")

        found = alice.until(upload, lambda found: found["status"] == "pending")

        assert (found["size"], found["file"]) == (None, None)
        assert found["received_bytes"] >= 5
        whole = b"12345" + b"x" * 2000
        assert httpx2.put(upload["url"], content=iter([whole])).status_code == 201


def test_killed_in_the_middle_the_server_goes_on_where_it_acknowledged(data):
    content = bytes(range(256)) * 40_000
    with ServerProcess(data) as server:
        alice = Person(server)
        upload = alice.declare()
        body = b"%x\r\n" % (4 * MIB) + content[: 4 * MIB] + b"\r\n"
        with send_raw(upload["url"], ["Transfer-Encoding: chunked"], body) as connection:
            alice.until(upload, lambda found: found["status"] == "receiving")
            connection.sendall(b"%x\r\n" % MIB + content[4 * MIB : 5 * MIB])
            server.kill()
    with ServerProcess(data) as server:
        alice = Person(server)
        known = alice.read(upload)
        assert known["size"] is None
        url = alice.post(f"/api/v1/uploads/{upload['id']}/renew").json()["url"]
        offset = int(httpx2.head(url, headers=TUS).headers["upload-offset"])
        sent = httpx2.patch(
            url,
            content=content[offset:],
            headers=TUS
            | {
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(offset),
                "Upload-Length": str(len(content)),
            },
            timeout=60,
        )
        assert sent.status_code == 204, sent.text
        got = alice.get(f"{sent.headers['content-location']}/content").content
        workspace = alice.get(f"/api/v1/workspaces/{alice.home}").json()

    assert sha256(got).digest() == sha256(content).digest()
    assert workspace["used_bytes"] == len(content)


def test_a_ticket_takes_a_form_of_many_mebibytes_over_a_real_connection(data, tmp_path):
    content = bytes(range(256)) * 100_000
    (tmp_path / "a.bin").write_bytes(content)
    with ServerProcess(data) as server:
        alice = Person(server)
        path = f"/current/upload/workspace/{alice.home}/add"
        ticket = alice.post(path, name="a.bin").json()
        curl = ["curl", "-s", "-F", f"file=@{tmp_path / 'a.bin'}", ticket["upload_url"]]

        done = [
            json.loads(subprocess.run(curl, capture_output=True, check=True).stdout)
            for _ in range(2)
        ]
        got = alice.get(f"/api/v1/files/{done[0]['new_file_id']}/content").content

    assert got == content
    assert (done[0]["result"], done[1]["result"]) == (True, False)
    assert done[1]["error"]["code"] == 1609


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules/tus-js-client").exists(),
    reason="LOUD: tus-js-client is not installed",
)
def test_tus_js_client_defers_a_length(data, tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "a.bin").write_bytes(content)
    with ServerProcess(data) as server:
        alice = Person(server)
        endpoint = f"{server.url}/transfer/workspaces/{alice.home}"
        done = subprocess.run(
            ["node", NODE / "tus-deferred.mjs", endpoint, alice.token, tmp_path / "a.bin"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        location = json.loads(done.stdout)["location"]
        got = alice.get(f"{location}/content").content

    assert got == content
