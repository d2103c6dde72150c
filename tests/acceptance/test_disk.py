"""A disk that is full, fails, or lies: always told, never a file that is not there.

Where mounting or tracing is not allowed, or ``strace`` is not installed, these tests are skipped
and say so.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import contextmanager

import httpx2
import pytest

from support import ServerProcess

MIB = 1 << 20
BODY = bytes(range(256)) * (6 * MIB // 256) + b"the end"
ROOM = 16 * MIB


@contextmanager
def small_disk(path, size=ROOM):
    """A disk of its own, small enough to be filled."""
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("LOUD: a tmpfs can't be mounted here, so no disk was filled")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


class Disk:
    """Leaves so much room and no more."""

    def __init__(self, path):
        self.filler = path / "filler"
        self.path = path

    def leave(self, room):
        self.filler.unlink(missing_ok=True)
        free = shutil.disk_usage(self.path).free - room
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free))

    def empty(self):
        self.filler.unlink(missing_ok=True)


class Person:
    """Alice, at a server of its own."""

    def __init__(self, server):
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        self.http = httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)
        self.home = self.http.post("/workspaces", json={"name": "Mine"}).json()["id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def declare(self, size, name="a.bin"):
        body = {"name": name, "size": size}
        return self.http.post(f"/workspaces/{self.home}/uploads", json=body)

    def listed(self):
        return self.http.get(f"/workspaces/{self.home}/files").json()["data"]

    def status(self, upload):
        return self.http.get(f"/uploads/{upload['id']}").json()

    def content(self, file):
        return self.http.get(f"/files/{file['id']}/content").content


def send(upload, body=BODY):
    return httpx2.put(upload["url"], content=body, timeout=60)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory):
    """A server whose bytes go to a disk of their own, with room for what all tests send."""
    folder = tmp_path_factory.mktemp("cramped")
    with small_disk(folder / "disk", 4 * ROOM) as path:
        environ = {"DOORWARD_STORAGE_URL": f"file://{path}/blobs"}
        with ServerProcess(folder / "data", **environ) as server:
            yield Disk(path), server


@pytest.fixture
def full(cramped):
    disk, server = cramped
    with Person(server) as alice:
        yield disk, alice
    disk.empty()


@pytest.mark.parametrize(
    "room", [0, 4096, MIB - 4096, MIB, MIB + 4096, 3 * MIB + 4096, len(BODY) - 4096]
)
def test_a_disk_that_fills_at_any_offset_is_507_and_the_upload_goes_on_once_there_is_room(
    full, room
):
    disk, alice = full
    upload = alice.declare(len(BODY)).json()
    disk.leave(room)

    answer = send(upload)

    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert alice.listed() == []
    seen = alice.status(upload)
    assert seen["status"] == "pending"
    assert seen["received_bytes"] <= room
    disk.empty()
    sent = send(upload)
    assert sent.status_code == 201, sent.text
    assert alice.content(sent.json()) == BODY


def test_a_disk_that_is_full_for_the_rows_too_is_507_and_the_server_goes_on(tmp_path):
    with (
        small_disk(tmp_path / "disk") as path,
        ServerProcess(path / "data") as server,
        Person(server) as alice,
    ):
        disk = Disk(path)
        upload = alice.declare(len(BODY)).json()
        disk.leave(0)

        refused = [alice.declare(1 << 10, f"{number}") for number in range(60)][-1]
        cut = send(upload)

        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert (cut.status_code, cut.json()["code"]) == (507, "storage_full")
        assert alice.listed() == []
        disk.empty()
        assert alice.declare(1, "now").status_code == 201
        assert send(upload).status_code == 201


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    if shutil.which("strace") is None:
        pytest.skip("LOUD: strace is not installed, so no fault was injected")
    with ServerProcess(tmp_path_factory.mktemp("traced") / "data") as server:
        yield server


@pytest.fixture
def alice(served):
    with Person(served) as one:
        yield one


@contextmanager
def traced(server, out, *options):
    """Trace the running server; gives what reads the trace once it is over."""
    command = ["strace", "-f", "-o", str(out), "-p", str(server.process.pid), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if "attached" not in tracer.stderr.readline():
            pytest.skip("LOUD: strace may not attach here, so no fault was injected")
        yield out.read_text
    finally:
        tracer.terminate()
        tracer.communicate()


def blob_of(server, upload):
    with sqlite3.connect(server.data / "doorward.db") as database:
        query = "SELECT blob_key FROM uploads WHERE id = ?"
        ((key,),) = database.execute(query, (upload["id"],)).fetchall()
    return server.data / "blobs" / key


def where(server, upload, place):
    blob = blob_of(server, upload)
    wal = server.data / "doorward.db-wal"
    return {"blob": blob, "folder": blob.parent, "blobs": blob.parent.parent, "rows": wal}[place]


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize(
    ("call", "place"),
    [
        ("openat", "blob"),
        ("ftruncate", "blob"),
        ("writev", "blob"),
        ("fdatasync", "blob"),
        ("fsync", "folder"),
        ("pwrite64", "rows"),
        ("fdatasync", "rows"),
    ],
)
def test_a_call_that_fails_is_told_and_leaves_an_upload_that_can_be_finished(
    served, alice, tmp_path, call, place, error
):
    assert send(alice.declare(3).json(), b"abc").status_code == 201  # the folder of the day
    upload = alice.declare(len(BODY)).json()
    path = where(served, upload, place)
    inject = f"inject={call}:error={error}:when=1+"

    with traced(served, tmp_path / "trace", "-P", path, "-e", f"trace={call}", "-e", inject):
        answer = send(upload)

    assert "(INJECTED)" in (tmp_path / "trace").read_text()
    assert answer.status_code >= 500, answer.text
    assert [file["size"] for file in alice.listed()] == [3]
    assert alice.status(upload)["status"] in {"pending", "receiving"}
    sent = send(upload)
    assert sent.status_code == 201, sent.text
    assert alice.content(sent.json()) == BODY


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("call", ["writev", "fdatasync"])
def test_each_single_call_that_fails_is_told(served, alice, tmp_path, call, nth):
    upload = alice.declare(len(BODY)).json()
    blob = blob_of(served, upload)
    inject = f"inject={call}:error=EIO:when={nth}"

    with traced(served, tmp_path / "trace", "-P", blob, "-e", f"trace={call}", "-e", inject):
        answer = send(upload)

    failed = "(INJECTED)" in (tmp_path / "trace").read_text()
    assert (answer.status_code >= 500) == failed
    assert len(alice.listed()) == (0 if failed else 1)
    if failed:
        assert send(upload).status_code == 201


def test_after_a_sync_that_failed_nothing_more_counts_as_durable(served, alice, tmp_path):
    upload = alice.declare(len(BODY)).json()
    blob = blob_of(served, upload)
    once = ["-P", blob, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"]

    with traced(served, tmp_path / "trace", *once):
        assert send(upload).status_code == 502

    # The system tells of lost pages once, so a second sync that goes well says nothing.
    assert alice.status(upload)["received_bytes"] == 0


SYNC = r"(fdatasync|fsync)\((\d+)<([^>]*)>\) += 0"


def test_the_trace_shows_file_folder_and_row_on_the_disk_before_the_answer(served, alice, tmp_path):
    upload = alice.declare(len(BODY)).json()
    blob = blob_of(served, upload)
    calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,rename,renameat,renameat2"

    with traced(served, tmp_path / "trace", "-y", "-s", "32", "-e", calls):
        assert send(upload).status_code == 201

    # A call that another thread interrupts is shown in two lines; the second says how it ended.
    lines = joined((tmp_path / "trace").read_text().splitlines())
    wal = str(served.data / "doorward.db-wal")
    synced = {
        path: last(lines, lambda line, path=path: path in sync_of(line))
        for path in (str(blob), str(blob.parent), wal)
    }
    written = last(lines, lambda line: f"<{blob}>" in line and "write" in line)
    answered = last(lines, lambda line: "HTTP/1.1 201" in line)
    assert written < synced[str(blob)] < synced[wal] < answered
    assert synced[str(blob.parent)] < synced[wal]
    assert not any("rename" in line for line in lines)


def joined(lines):
    """Put calls that were shown in two halves together, where they ended."""
    begun, whole = {}, []
    for line in lines:
        pid = line.split()[0]
        if "<unfinished ...>" in line:
            begun[pid] = line.replace("<unfinished ...>", "")
        elif "resumed>" in line:
            whole.append(begun.pop(pid, pid) + re.sub(r".*resumed>", "", line))
        else:
            whole.append(line)
    return whole


def sync_of(line):
    match = re.search(SYNC, line)
    return {match[3]} if match else set()


def last(lines, wanted):
    return max(number for number, line in enumerate(lines) if wanted(line))
