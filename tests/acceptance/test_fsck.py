"""``doorward fsck`` as operators run it: beside a server that works, cut, and gone on with."""

import json
import os
import subprocess
import sys
import threading
import time

import httpx2
import pytest

from support import ServerProcess

BUSY_SECONDS = float(os.environ.get("DOORWARD_TEST_FSCK_SECONDS", "12"))
WRITERS = 8
RUNS_MIN = 4


def fsck(data, *options):
    """Run it; gives its status, its findings and what it said."""
    command = [sys.executable, "-m", "doorward", "fsck", "--json", "--data", data, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode, json.loads(done.stdout)["findings"], done.stderr


def client(server):
    headers = {"Authorization": f"Bearer {server.token('alice')}"}
    return httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)


def upload(http, home, name, body):
    declared = http.post(f"/workspaces/{home}/uploads", json={"name": name, "size": len(body)})
    sent = httpx2.put(declared.json()["url"], content=body, timeout=60)
    assert sent.status_code == 201, sent.text
    return sent.json()["id"]


def work(server, home, number, enough, done):
    """Upload new and known content, cut uploads, give them up, delete, and delete for good."""
    with client(server) as http:
        count = 0
        while not enough.is_set():
            count += 1
            file = upload(http, home, f"{number} {count}", os.urandom(1 + count % 90_000))
            share(http, home, f"same {number} {count}", b"x" * (count % 7))
            begun = http.post(
                f"/workspaces/{home}/uploads", json={"name": "no", "size": 1 << 20}
            ).json()
            if count % 2:
                with pytest.raises(httpx2.HTTPError):
                    httpx2.put(begun["url"], content=cut(), headers={"Content-Length": "1048576"})
            if count % 3:
                http.delete(f"/uploads/{begun['id']}")
                http.delete(f"/files/{file}")
                http.delete(f"/files/{file}", params={"permanently": "true"})
        done.append(count)


def share(http, home, name, body):
    """Have and delete content that others have and delete at this very moment."""
    file = upload(http, home, name, body)
    assert http.get(f"/files/{file}/content").content == body
    http.delete(f"/files/{file}")
    http.delete(f"/files/{file}", params={"permanently": "true"})


def cut():
    yield b"x" * 300_000
    raise httpx2.WriteError("cut")


def test_beside_eight_writers_it_finds_nothing(tmp_path):
    data = tmp_path / "data"
    # Bytes go at once, so that the sweeper is as much in the way as it can be.
    environ = {"DOORWARD_BLOB_GRACE_SECONDS": "0"}
    with ServerProcess(data, "--workers", "2", **environ) as server:
        with client(server) as http:
            home = http.get("/workspaces").json()["data"][0]["id"]
        enough, done = threading.Event(), []
        writers = [
            threading.Thread(target=work, args=(server, home, number, enough, done))
            for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        found, until = [], time.monotonic() + BUSY_SECONDS
        while len(found) < RUNS_MIN or time.monotonic() < until:
            found.append(fsck(data, *(["--scrub"] if len(found) % 2 else []))[:2])
        enough.set()
        for writer in writers:
            writer.join()
    assert len(done) == WRITERS
    assert found == [(0, [])] * len(found)
    assert fsck(data, "--scrub", "--repair")[:2] == (0, [])


def test_a_fault_is_named_mended_and_told_by_the_exit_status(tmp_path):
    data = tmp_path / "data"
    with ServerProcess(data) as server, client(server) as http:
        home = http.get("/workspaces").json()["data"][0]["id"]
        file = upload(http, home, "a.txt", b"precious")
        (path,) = [one for one in (data / "blobs").rglob("*") if one.is_file()]
        path.write_bytes(b"PRECIOUS")

        assert fsck(data)[:2] == (0, [])
        status, (found,), _ = fsck(data, "--scrub")
        assert (status, found["fault"], found["repaired"]) == (1, "flipped_bits", None)
        assert fsck(data, "--scrub", "--repair")[0] == 1
        assert http.get(f"/files/{file}/content").status_code == 502

        upload(http, home, "b.txt", b"precious")
        assert http.get(f"/files/{file}/content").content == b"precious"
    assert fsck(data, "--scrub")[:2] == (0, [])


def test_a_scrub_that_was_killed_goes_on_where_it_was(tmp_path):
    data = tmp_path / "data"
    with ServerProcess(data) as server, client(server) as http:
        home = http.get("/workspaces").json()["data"][0]["id"]
        for number in range(6):
            upload(http, home, f"{number}", bytes([number]) * (1 << 20))
    command = [sys.executable, "-m", "doorward", "fsck", "--scrub", "--rate", "1", "--data", data]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "blobs" in run.stderr.readline()
    run.kill()
    run.communicate()

    _, _, said = fsck(data, "--scrub", "--resume")

    left = int(said.split()[0])
    assert 0 < left < 6
    assert not (data / "fsck.position").exists()


def test_a_folder_without_a_database_is_said_to_be_one(tmp_path):
    command = [sys.executable, "-m", "doorward", "fsck", "--data", tmp_path / "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 5
    assert "There is no database" in done.stderr
    assert not (tmp_path / "nothing").exists()
