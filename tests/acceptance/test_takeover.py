"""What only a real connection shows: who takes over from whom, and what is said before the end."""

import socket
import time

import httpx2
import pytest

from support import ServerProcess

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def workspace_of(server, token) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    listed = httpx2.get(f"{server.url}/api/v1/workspaces", headers=headers).json()
    return listed["data"][0]["id"]


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)


def head_of(method: str, target: str, headers: dict) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_second_process_takes_over_at_once_from_a_connection_that_died_silently(data):
    content = bytes(range(256)) * 4096
    half = len(content) // 2
    with ServerProcess(data) as one, ServerProcess(data) as two:
        token = one.token("alice")
        created = httpx2.post(
            f"{one.url}/transfer/workspaces/{workspace_of(one, token)}",
            headers=TUS | {"Authorization": f"Bearer {token}", "Upload-Length": str(len(content))},
        )
        target = created.headers["location"].removeprefix(one.url)
        headers = TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(content)),
            "Upload-Offset": "0",
        }
        with connect(one) as dead:
            dead.sendall(head_of("PATCH", target, headers) + content[:half])
            # It holds the upload once its name is in the row; nothing more ever comes from it.
            upload_id = target.split("/")[2].partition("?")[0]
            mine = {"Authorization": f"Bearer {token}"}
            for _ in range(2000):
                found = httpx2.get(f"{one.url}/api/v1/uploads/{upload_id}", headers=mine).json()
                if found["status"] == "receiving":
                    break

            began = time.monotonic()
            offset = int(
                httpx2.head(two.url + target, headers=TUS, timeout=30).headers["upload-offset"]
            )
            took = time.monotonic() - began
            done = httpx2.patch(
                two.url + target,
                content=content[offset:],
                headers=headers
                | {"Upload-Offset": str(offset), "Content-Length": str(len(content) - offset)},
                timeout=30,
            )
            assert done.status_code == 204
        file = done.headers["content-location"]
        stored = httpx2.get(f"{two.url}{file}/content", headers=mine)
    assert stored.content == content
    assert took < 5  # a dead connection would be noticed after minutes


@pytest.mark.parametrize("version", ["8", "7", None])
def test_the_upload_resource_is_told_before_the_bytes_to_whoever_speaks_this_version(data, version):
    with ServerProcess(data) as server:
        token = server.token("alice")
        headers = {
            "Authorization": f"Bearer {token}",
            "Upload-Complete": "?1",
            "Content-Length": "5",
        }
        if version:
            headers["Upload-Draft-Interop-Version"] = version
        target = f"/transfer/workspaces/{workspace_of(server, token)}"
        with connect(server) as connection:
            connection.sendall(head_of("POST", target, headers))
            if version == "8":
                interim = connection.recv(65536).decode()
                assert interim.startswith("HTTP/1.1 104 ")
                assert interim.endswith("\r\n\r\n")
                told = dict(line.split(": ", 1) for line in interim.strip().split("\r\n")[1:])
                assert told["Upload-Draft-Interop-Version"] == "8"
                assert told["Upload-Limit"].startswith("max-size=")
                answer = httpx2.head(told["Location"])
                assert answer.headers["upload-offset"] == "0"
                # Asking took the upload over, as it should: the creation goes on by a new request.
                return
            connection.sendall(b"hello")
            final = connection.recv(65536).decode()
    assert final.startswith("HTTP/1.1 201 ")


def test_a_client_that_waits_for_a_word_to_go_on_gets_one_beside_the_104(data):
    with ServerProcess(data) as server:
        token = server.token("alice")
        headers = {
            "Authorization": f"Bearer {token}",
            "Upload-Complete": "?1",
            "Upload-Draft-Interop-Version": "8",
            "Content-Length": "5",
            "Expect": "100-continue",
        }
        target = f"/transfer/workspaces/{workspace_of(server, token)}"
        with connect(server) as connection:
            connection.sendall(head_of("POST", target, headers))
            said = b""
            while b"HTTP/1.1 100 " not in said:
                said += connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 104 ")
            connection.sendall(b"hello")
            final = connection.recv(65536).decode()
    assert final.startswith("HTTP/1.1 201 ")
    assert "upload-complete: ?1" in final.lower()
