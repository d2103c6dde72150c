"""Acknowledged means on disk: whatever moment the server is killed at."""

import os
import random
import sqlite3
import threading

import httpx2
import pytest
from blake3 import blake3

from support import ServerProcess

KILLS = int(os.environ.get("DOORWARD_TEST_KILLS", "50"))
WRITERS = 4


class Ledger:
    """What the server acknowledged, and what it may or may not have done."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.contents: dict[str, bytes] = {}
        self.names: dict[str, set[str]] = {}
        self.read: set[str] = set()
        self.acknowledged = 0

    def content(self) -> bytes:
        size = self.random.choice([0, 10, 1000, 70_000, 1 << 20, (1 << 20) + 5, 3 << 20])
        return self.random.randbytes(16) * (size // 16)


def write_until_killed(server: ServerProcess, ledger: Ledger, workspace: str, stop_after: int):
    """Upload and rename until the connection is gone; after so many answers, kill."""
    token = server.token("alice")
    with httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        while True:
            with ledger.lock:
                content = ledger.content()
                name = f"{ledger.random.getrandbits(64):x}"
                rename = ledger.random.random() < 0.3 and bool(ledger.contents)
                victim = ledger.random.choice(list(ledger.contents)) if rename else None
            try:
                if victim is None:
                    upload(http, server, ledger, workspace, name, content)
                else:
                    change_name(http, server, ledger, victim, name)
            except httpx2.TransportError:
                return
            with ledger.lock:
                ledger.acknowledged += 1
                if ledger.acknowledged >= stop_after:
                    server.process.kill()


def upload(http, server, ledger, workspace, name, content):
    declared = http.post(
        f"{server.url}/api/v1/workspaces/{workspace}/uploads",
        json={"name": name, "size": len(content)},
    )
    sent = http.put(declared.json()["url"], content=content)
    assert sent.status_code == 201, sent.text
    with ledger.lock:
        ledger.contents[sent.json()["id"]] = content
        ledger.names[sent.json()["id"]] = {name}


def change_name(http, server, ledger, file_id, name):
    # Whether it is done when the server dies is open, so both names are possible from here on.
    with ledger.lock:
        ledger.names[file_id].add(name)
    answer = http.patch(f"{server.url}/api/v1/files/{file_id}", json={"name": name})
    assert answer.status_code == 200, answer.text


def check(server: ServerProcess, ledger: Ledger, workspace: str) -> None:
    """Compare all that is listed, and read what was not read before."""
    token = server.token("alice")
    with httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        seen = {}
        cursor = {}
        while cursor is not None:
            page = http.get(
                f"{server.url}/api/v1/workspaces/{workspace}/files", params={"limit": 500} | cursor
            ).json()
            seen |= {row["id"]: row for row in page["data"]}
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        for file_id, content in ledger.contents.items():
            assert seen[file_id]["digest"] == f"blake3:{blake3(content).hexdigest()}"
            assert seen[file_id]["name"] in ledger.names[file_id]
        for file_id, row in seen.items():
            ledger.names[file_id] = {row["name"]}  # settled now
            if file_id in ledger.read:
                continue
            ledger.read.add(file_id)
            got = http.get(f"{server.url}/api/v1/files/{file_id}/content")
            assert f"blake3:{blake3(got.content).hexdigest()}" == row["digest"]
            ledger.contents.setdefault(file_id, got.content)


OPEN = "SELECT blob_key, received_bytes FROM uploads WHERE status IN ('pending', 'receiving')"


def referenced_and_stored(data) -> tuple[set[str], set[str]]:
    with sqlite3.connect(data / "doorward.db") as database:
        referenced = {key for (key,) in database.execute("SELECT blob_key FROM versions")}
        begun = dict(database.execute(OPEN).fetchall())
    blobs = data / "blobs"
    stored = {str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()}
    for key, received in begun.items():
        assert not received or (blobs / key).stat().st_size >= received
    return referenced, stored - begun.keys()


@pytest.mark.timeout(1200)
def test_after_every_kill_what_was_acknowledged_is_whole_and_nothing_else_is_left(tmp_path):
    ledger = Ledger(seed=20261124)
    data = tmp_path / "data"
    workspace = None
    for _ in range(KILLS):
        server = ServerProcess(data)
        if workspace is None:
            headers = {"Authorization": f"Bearer {server.token('alice')}"}
            listed = httpx2.get(f"{server.url}/api/v1/workspaces", headers=headers).json()
            workspace = listed["data"][0]["id"]
        # The start has swept what the last kill left behind.
        referenced, stored = referenced_and_stored(data)
        assert stored == referenced
        check(server, ledger, workspace)
        ledger.acknowledged = 0
        stop_after = ledger.random.randint(1, 25)
        writers = [
            threading.Thread(
                target=write_until_killed, args=(server, ledger, workspace, stop_after)
            )
            for _ in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        server.kill()
    ledger.read.clear()  # once more, every byte
    with ServerProcess(data) as server:
        check(server, ledger, workspace)
    referenced, stored = referenced_and_stored(data)
    assert stored == referenced
    assert len(ledger.contents) > KILLS
