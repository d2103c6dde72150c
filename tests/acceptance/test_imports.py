"""Imports of a real server that is stopped or killed in the middle of them."""

import threading

import httpx2
import pytest

from origins import Origin, head
from support import ServerProcess

MIB = 1 << 20


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_an_import_whose_server_ended_has_failed_and_leaves_no_bytes(tmp_path, ends):
    data, allowed = tmp_path / "data", {"DOORWARD_OUTBOUND_ALLOW": "127.0.0.2/32"}
    never = threading.Event()
    page = {"/a": lambda _: [head(Content_Length=2 * MIB), b"x" * MIB, never]}
    with Origin(page, host="127.0.0.2") as origin:
        server = ServerProcess(data, **allowed)
        with client(server) as http:
            home = http.get("/workspaces").json()["data"][0]["id"]
            begun = http.post(f"/workspaces/{home}/imports", json={"url": f"{origin.url}/a"}).json()
        getattr(server, ends)()
        never.set()

    with ServerProcess(data, **allowed) as again, client(again) as http:
        upload = http.get(f"/uploads/{begun['id']}").json()
        assert http.get(f"/workspaces/{home}").json()["used_bytes"] == 0
    assert (upload["status"], upload["failure"]) == ("failed", "server_stopped")
    assert [path for path in (data / "blobs").rglob("*") if path.is_file()] == []


def client(server: ServerProcess) -> httpx2.Client:
    token = server.token("alice")
    return httpx2.Client(
        base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
