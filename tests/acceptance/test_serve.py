"""The server as a process: started, shared, stopped, and misused, as people do."""

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from support import ServerProcess


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def client(server, user="alice", **sign_in):
    headers = {"Authorization": f"Bearer {server.token(user, **sign_in)}"}
    return httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)


def home(http):
    return http.get("/workspaces").json()["data"][0]["id"]


def test_eight_writers_over_four_processes_never_meet_a_locked_database(data):
    with ServerProcess(data, "--workers", "4") as server, client(server) as first:
        workspace = home(first)

        def write(number):
            with client(server) as http:
                for count in range(25):
                    body = {"name": f"folder {number} {count}"}
                    answer = http.post(f"/workspaces/{workspace}/folders", json=body)
                    assert answer.status_code == 201, answer.text
            return True

        with ThreadPoolExecutor(8) as writers:
            assert all(writers.map(write, range(8)))
        listed = first.get(f"/workspaces/{workspace}/files", params={"limit": 500}).json()["data"]
        assert len(listed) == 200
        assert not any("locked" in line for line in server.errors)


def test_two_servers_share_a_folder_and_a_revocation_in_one_is_seen_in_the_other(data):
    with ServerProcess(data) as one, ServerProcess(data) as two:
        token = one.token("alice")
        headers = {"Authorization": f"Bearer {token}"}
        me = [httpx2.get(f"{s.url}/api/v1/me", headers=headers) for s in (one, two)]
        assert [answer.status_code for answer in me] == [200, 200]
        session_id = me[0].json()["credential"]["id"]

        subprocess.run(
            [sys.executable, "-m", "doorward", "dev", "revoke", session_id, "--data", data],
            check=True,
            capture_output=True,
        )

        for server in (one, two):
            assert httpx2.get(f"{server.url}/api/v1/me", headers=headers).status_code == 401


def test_a_stop_finishes_what_is_under_way_and_loses_nothing(data):
    stopping = threading.Event()

    def body():
        yield b"x" * 100_000
        server.process.terminate()
        stopping.set()
        for _ in range(5):
            yield b"x" * 100_000

    server = ServerProcess(data)
    with client(server) as http:
        declared = http.post(
            f"/workspaces/{home(http)}/uploads", json={"name": "a", "size": 600_000}
        ).json()
        sent = httpx2.put(declared["url"], content=body(), timeout=60)
    assert stopping.is_set()
    assert sent.status_code == 201
    assert server.stop() == 0

    with ServerProcess(data) as again, client(again) as http:
        got = http.get(f"/files/{sent.json()['id']}/content")
        assert got.content == b"x" * 600_000


def test_a_port_that_is_taken_is_told_in_one_sentence(data, tmp_path):
    with ServerProcess(data) as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "doorward", "serve", "--port", port, "--data", tmp_path]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert refused.returncode == 5
    assert f"Port {port} on 127.0.0.1" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_wrong_settings_stop_the_start_with_one_message_that_names_them_all(data, tmp_path):
    environ = {
        "DOORWARD_DURABILITY": "maybe",
        "DOORWARD_PORT": "many",
        "CLERK_SECRET_KEY_FILE": str(tmp_path / "missing"),
        "DOORWARD_STANDIN": "on",
    }
    with pytest.raises(AssertionError) as refusal:
        ServerProcess(data, **{k: v for k, v in environ.items() if k != "DOORWARD_PORT"})

    for word in ("DOORWARD_DURABILITY", "CLERK_SECRET_KEY_FILE", "exclude each other"):
        assert word in str(refusal.value)
    assert not data.exists()


def test_what_is_stored_is_for_this_user_alone(data):
    with ServerProcess(data) as server, client(server) as http:
        http.post("/workspaces", json={"name": "x"})
    for path in [data, *data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_credential_and_no_signature_is_ever_in_the_log(data):
    server = ServerProcess(data, "--verbose")
    with client(server) as http:
        token = http.headers["authorization"].split()[1]
        declared = http.post(
            f"/workspaces/{home(http)}/uploads", json={"name": "a", "size": 1}
        ).json()
        httpx2.put(declared["url"], content=b"1")
        http.get("/me", headers={"Authorization": f"Bearer {token[:-4]}AAAA"})
    server.stop()

    log = "".join(server.errors)
    assert "/transfer/up_" in log
    signature = declared["url"].rpartition("=")[2]
    for secret in (token, signature, (data / "secret").read_text().strip()):
        assert not any(secret[i : i + 8] in log for i in range(len(secret) - 7))


def test_a_large_body_in_chunks_is_cut_off_and_the_answer_arrives(data):
    with ServerProcess(data) as server, client(server) as http:
        declared = http.post(
            f"/workspaces/{home(http)}/uploads", json={"name": "a", "size": 10}
        ).json()

        answer = httpx2.put(declared["url"], content=iter([b"x" * (1 << 20)] * 8), timeout=60)

        assert answer.status_code == 413
        assert answer.json()["code"] == "upload_too_large"
        assert [p for p in (data / "blobs").rglob("*") if p.is_file()] == []


def test_health_readiness_and_pages_are_there_for_everybody(data):
    with ServerProcess(data) as server:
        assert httpx2.get(f"{server.url}/healthz").json() == {"status": "ok"}
        assert httpx2.get(f"{server.url}/readyz").json() == {"status": "ok"}
        page = httpx2.get(f"{server.url}/docs")
        assert "swagger" in page.text
        assert "//cdn" not in page.text
        assert httpx2.get(f"{server.url}/docs/static/swagger-ui.css").status_code == 200
        described = json.loads(httpx2.get(f"{server.url}/openapi.json").text)
        assert "/api/v1/files/{file_id}/content" in described["paths"]
        problems = httpx2.get(f"{server.url}/docs/problems")
        assert "upload_url_expired" in problems.text


def test_headers_without_end_are_cut_off_and_ordinary_ones_are_not(data):
    with ServerProcess(data) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as flood:
            flood.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Flood: ")
            sent = 0
            with suppress(ConnectionError):
                while sent < 64 << 20:
                    flood.sendall(b"a" * (1 << 20))
                    sent += 1 << 20
            assert sent < 16 << 20
        big = {"X-Big": "a" * 30_000}
        with httpx2.Client(base_url=server.url) as http:
            for _ in range(5):  # each request of a connection is counted by itself
                assert http.get("/healthz", headers=big).status_code == 200


def test_a_download_that_nobody_reads_any_more_is_not_read_on(data):
    size = 200 << 20
    with ServerProcess(data) as server, client(server) as http:
        declared = http.post(
            f"/workspaces/{home(http)}/uploads", json={"name": "a", "size": size}
        ).json()
        file = httpx2.put(declared["url"], content=iter([b"x" * (1 << 20)] * 200)).json()
        before = bytes_read_by(server.process.pid)
        for _ in range(3):
            with http.stream("GET", f"/files/{file['id']}/content") as answer:
                next(answer.iter_raw())
        httpx2.get(f"{server.url}/readyz")  # the server has had its turn since
        assert bytes_read_by(server.process.pid) - before < size


def bytes_read_by(pid) -> int:
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar"):
            return int(line.split()[1])
    raise AssertionError("the system does not tell what is read")
