"""A server that is killed while it gives bytes to a store leaves nothing half done in either."""

import os
import random
import sqlite3
import threading

import httpx2
from blake3 import blake3

from s3_server import wait_for
from support import ServerProcess

KILLS = int(os.environ.get("DOORWARD_TEST_KILLS", "50")) // 5
WRITERS = 3
SIZES = [0, 1000, 1 << 20, (8 << 20) + 1, 20 << 20]


class Writer(threading.Thread):
    """Sends files until the server is gone: through it, straight to the store, or giving up."""

    def __init__(self, server: ServerProcess, workspace: str, seed: int, done: dict) -> None:
        super().__init__()
        self.server, self.workspace, self.done = server, workspace, done
        self.random = random.Random(seed)

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.server.token('alice')}"}
        with httpx2.Client(
            base_url=f"{self.server.url}/api/v1", headers=headers, timeout=60
        ) as http:
            try:
                while True:
                    self.one(http)
            except httpx2.TransportError:
                return

    def one(self, http: httpx2.Client) -> None:
        content = self.random.randbytes(self.random.choice(SIZES))
        name, direct = f"{self.random.getrandbits(64):x}", self.random.random() < 0.4
        declared = http.post(
            f"/workspaces/{self.workspace}/uploads",
            json={"name": name, "size": len(content), "direct": direct},
        ).json()
        if self.random.random() < 0.2:
            # Given up while the bytes are on their way, or a moment later.
            threading.Timer(0.02, self.give_up, (dict(http.headers), declared["id"])).start()
        sent = (
            self.straight(http, declared, content)
            if direct
            else http.put(declared["url"], content=content)
        )
        if sent.status_code == 201:
            self.done[sent.json()["id"]] = blake3(content).hexdigest()
        else:
            assert sent.json()["code"] in {"upload_closed", "storage_failed"}, sent.text

    def straight(self, http: httpx2.Client, declared: dict, content: bytes) -> httpx2.Response:
        parts, start = [], 0
        for part in declared["parts"]:
            sent = httpx2.put(part["url"], content=content[start : start + part["size"]])
            parts.append({"number": part["number"], "etag": sent.headers.get("etag", "gone")})
            start += part["size"]
        return http.post(f"/uploads/{declared['id']}/complete", json={"parts": parts})

    def give_up(self, headers: dict, upload_id: str) -> None:
        try:
            httpx2.delete(f"{self.server.url}/api/v1/uploads/{upload_id}", headers=headers)
        except httpx2.TransportError:
            return


def ask(server: ServerProcess, method: str, path: str, **request):
    headers = {"Authorization": f"Bearer {server.token('alice')}"}
    url = f"{server.url}/api/v1/{path}"
    return httpx2.request(method, url, headers=headers, timeout=60, **request)


def rows(data, query: str) -> set[str]:
    with sqlite3.connect(data / "doorward.db") as database:
        return {value for (value,) in database.execute(query)}


def check(server: ServerProcess, workspace: str, done: dict) -> None:
    """Every file that is visible is whole, and every one that was acknowledged is visible."""
    page = ask(server, "GET", f"workspaces/{workspace}/files", params={"limit": 500}).json()
    seen = {row["id"]: row["digest"] for row in page["data"]}
    for file_id, digest in done.items():
        assert seen[file_id] == f"blake3:{digest}"
    for file_id, digest in seen.items():
        got = ask(server, "GET", f"files/{file_id}/content")
        assert got.status_code == 200, got.text
        assert f"blake3:{blake3(got.content).hexdigest()}" == digest
        done[file_id] = digest.removeprefix("blake3:")


def test_no_kill_leaves_a_partial_file_or_an_orphan_in_the_store(tmp_path, bucket):
    seeds = random.Random(20261125)
    data, settings, done, workspace = tmp_path / "data", bucket.settings(), {}, ""
    for _ in range(KILLS):
        server = ServerProcess(data, **settings)
        workspace = workspace or ask(server, "GET", "workspaces").json()["data"][0]["id"]
        writers = [Writer(server, workspace, seeds.getrandbits(32), done) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        kill = threading.Timer(seeds.uniform(0.1, 1.5), server.kill)
        kill.start()
        for thread in [*writers, kill]:
            thread.join()
    with ServerProcess(data, **settings) as server:
        check(server, workspace, done)
        for upload in rows(data, "SELECT id FROM uploads WHERE status IN ('pending', 'receiving')"):
            assert ask(server, "DELETE", f"uploads/{upload}").status_code == 204
        wait_for(lambda: not rows(data, "SELECT key FROM doomed_blobs"), seconds=60)
        kept = {f"some/where/{key}" for key in rows(data, "SELECT blob_key FROM versions")}
        assert bucket.objects().keys() == kept
        assert bucket.begun() == []
        assert [path for path in (data / "blobs").rglob("*") if path.is_file()] == []
        assert rows(data, "SELECT holder FROM keeping_blobs") == set()
        check(server, workspace, done)
    assert len(done) > KILLS
