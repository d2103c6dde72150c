"""Every fault that is planted is found, none is invented, and what can be mended is."""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from doorward.server.fsck import Fsck, Plan
from doorward.server.integrity.mending import is_broken, mend, safe_name
from doorward.server.integrity.model import Fault, Finding
from doorward.server.problems import StorageFailed
from doorward.server.store.blobs.cloud import CloudObjects
from doorward.server.store.blobs.local import LocalBlobs
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.store import SqlStore
from support import problem

FAULTS = int(os.environ.get("DOORWARD_TEST_FAULTS", "1000"))
LONG_AGO = 1_700_000_000
NOW = datetime(2026, 9, 22, tzinfo=UTC)
PATIENT = Plan(scrub=True)
REPAIR = Plan(repair=True)


@pytest.fixture
def house(house_with):
    return house_with(DOORWARD_DURABILITY="fast")


@pytest.fixture
def home(alice):
    return alice.home()


def fsck(house, plan=PATIENT) -> list[Finding]:
    life = house.client.app._app

    async def run():
        return [one async for one in Fsck(life._store, life._blobs, plan, lambda _: None).run()]

    return house.client.portal.call(run)


def found(house, plan=PATIENT) -> set[tuple[str, str]]:
    findings = fsck(house, plan)
    assert len({(one.fault, one.subject) for one in findings}) == len(findings)
    return {(one.fault.value, one.subject) for one in findings}


def sql(house, statement, *values):
    with closing(sqlite3.connect(house.data / "doorward.db", timeout=30)) as database, database:
        return database.execute(statement, values).fetchall()


def key_of(house, file) -> str:
    return sql(house, "SELECT blob_key FROM nodes WHERE id = ?", file["id"])[0][0]


def path_of(house, file):
    return house.data / "blobs" / key_of(house, file)


def orphan(house, name="lost"):
    path = house.data / "blobs" / "20260101" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nobody's")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return f"20260101/{name}"


def flip(path, at=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_house_in_order_has_nothing_to_find(alice, house, home):
    docs = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    first = alice.upload(home, "a.txt", b"one", parent_id=docs)
    alice.upload(home, "a.txt", b"two", parent_id=docs, on_conflict="replace")
    alice.post(f"files/{first['id']}/restore", version_id=first["version_id"])
    alice.upload(home, "same.txt", b"one")
    alice.delete(f"files/{docs}")
    alice.purge(alice.upload(home, "gone.txt", b"gone")["id"])
    alice.purge(alice.upload(home, "shared.txt", b"one")["id"])
    alice.upload(home, "back.txt", b"gone")
    alice.declare(home, "begun.txt", 10)
    alice.delete(f"uploads/{alice.declare(home, 'no.txt', 10).json()['id']}")

    assert found(house) == set()


def plant_orphan(alice, house, home, number):
    del alice, home
    return orphan(house, f"lost{number}")


def plant_missing(alice, house, home, number):
    file = alice.upload(home, f"missing {number}", f"m{number}".encode())
    path_of(house, file).unlink()
    return key_of(house, file)


def plant_size(alice, house, home, number):
    file = alice.upload(home, f"size {number}", f"size {number}".encode())
    os.truncate(path_of(house, file), number % 5)
    return key_of(house, file)


def plant_flip(alice, house, home, number):
    file = alice.upload(home, f"flip {number}", f"flip {number}".encode())
    flip(path_of(house, file), number % 6)
    return key_of(house, file)


def plant_versions(alice, house, home, number):
    file = alice.upload(home, f"versions {number}", f"v {number}".encode())
    change = random.Random(number).choice(
        ["version = 2", "version_id = 'ver_x'", "digest = 'blake3:0'", "size = 99"]
    )
    sql(house, f"UPDATE nodes SET {change} WHERE id = ?", file["id"])  # noqa: S608 - our own
    return file["id"]


def plant_upload(alice, house, home, number):
    upload = alice.declare(home, "never", 10).json()["id"]
    change = random.Random(number).choice(
        ["status = 'odd'", "blob_key = NULL", "received_bytes = 11", "holder = 'hold_x'"]
    )
    sql(house, f"UPDATE uploads SET {change} WHERE id = ?", upload)  # noqa: S608 - our own
    return upload


def plant_name(alice, house, home, number):
    file = alice.upload(home, f"name {number}", f"n {number}".encode())["id"]
    trick = random.Random(number).choice(["../{}", "a\u202e{}", " {}", "{}.", "e\u0301{}"])
    sql(house, "UPDATE nodes SET name = ? WHERE id = ?", trick.format(number), file)
    return file


def plant_doom(alice, house, home, number):
    key = key_of(house, alice.upload(home, f"doom {number}", f"d {number}".encode()))
    sql(house, "INSERT INTO doomed_blobs (key, due_at) VALUES (?, ?)", key, 1 << 60)
    return key


PLANTS = {
    Fault.ORPHAN_BLOB: plant_orphan,
    Fault.MISSING_BLOB: plant_missing,
    Fault.WRONG_SIZE: plant_size,
    Fault.FLIPPED_BITS: plant_flip,
    Fault.VERSION_NUMBERS: plant_versions,
    Fault.UPLOAD_STATE: plant_upload,
    Fault.NAME_BROKEN: plant_name,
    Fault.DOOMED_BUT_NAMED: plant_doom,
}
BYTES_LOST = {Fault.MISSING_BLOB, Fault.WRONG_SIZE, Fault.FLIPPED_BITS}


@pytest.mark.timeout(600)
def test_a_thousand_faults_of_eight_kinds_are_found_and_none_is_invented(alice, house, home):
    planted = set()
    for number in range(FAULTS):
        fault = list(PLANTS)[number % len(PLANTS)]
        planted.add((fault.value, PLANTS[fault](alice, house, home, number)))
        alice.upload(home, f"innocent {number}", b"innocent %d" % number)
    # An upload whose state can't be no longer counts as open, or counts where it was not.
    derived = {(Fault.RESERVED_BYTES.value, home)}

    assert found(house) - derived == planted

    mended = fsck(house, replace(PATIENT, repair=True))
    lost = {(Fault.DAMAGED_BLOB.value, s) for f, s in planted if Fault(f) in BYTES_LOST}
    assert Counter(one.repaired is None for one in mended)[True] == len(lost)
    assert found(house) == lost
    assert found(house, replace(PATIENT, repair=True)) == lost


def test_bytes_that_went_since_they_were_listed_are_no_orphans(house):
    key = orphan(house)
    life = house.client.app._app

    class Swept(LocalBlobs):
        """A folder in which a sweep ends between the listing and the look at the rows."""

        async def inventory(self):
            async for page in super().inventory():
                self.path(key).unlink(missing_ok=True)
                yield page

    async def run():
        blobs = Swept(house.data / "blobs", durable=False)
        try:
            return [one async for one in Fsck(life._store, blobs, PATIENT, lambda _: None).run()]
        finally:
            blobs.close()

    assert house.client.portal.call(run) == []


def test_bytes_that_lost_their_last_name_since_it_was_read_are_not_missing(alice, house, home):
    file = alice.upload(home, "a.txt", b"going")
    path = path_of(house, file)
    life = house.client.app._app

    class Purged(LocalBlobs):
        """A folder whose bytes go, as they may, between the look at the rows and at them."""

        async def size(self, key):
            if path.exists():
                await asyncio.to_thread(alice.purge, file["id"])
                path.unlink()
            return await super().size(key)

    async def run():
        blobs = Purged(house.data / "blobs", durable=False)
        try:
            return [one async for one in Fsck(life._store, blobs, PATIENT, lambda _: None).run()]
        finally:
            blobs.close()

    assert house.client.portal.call(run) == []


@pytest.mark.parametrize("fault", list(PLANTS))
def test_without_repair_nothing_is_changed(alice, house, home, fault):
    PLANTS[fault](alice, house, home, 1)
    before = sql(house, "SELECT * FROM nodes"), sql(house, "SELECT * FROM uploads")

    first = found(house)

    assert found(house) == first
    assert (sql(house, "SELECT * FROM nodes"), sql(house, "SELECT * FROM uploads")) == before


@pytest.mark.parametrize("column", ["used_bytes", "reserved_bytes"])
def test_a_counter_that_drifted_is_counted_anew(alice, house, home, column):
    alice.upload(home, "a.txt", b"12345")
    alice.declare(home, "b.txt", 7)
    sql(house, f"UPDATE workspaces SET {column} = {column} + 1")  # noqa: S608 - our own

    assert found(house) == {(column, home)}
    fsck(house, Plan(repair=True))

    assert found(house) == set()
    assert alice.get(f"workspaces/{home}").json()["used_bytes"] == 5


def test_acknowledged_bytes_of_an_open_upload_that_are_gone_end_it(alice, house, home):
    upload = alice.declare(home, "a.txt", 10).json()["id"]
    sql(house, "UPDATE uploads SET received_bytes = 5 WHERE id = ?", upload)

    assert found(house) == {("upload_bytes", upload)}
    fsck(house, Plan(repair=True))

    assert found(house) == set()
    assert alice.get(f"uploads/{upload}").json()["status"] == "failed"


@pytest.mark.parametrize(
    ("harm", "since"),
    [
        ("status = 'receiving'", "holder = 'hold_x'"),
        ("holder = 'hold_x'", "status = 'receiving'"),
        ("received_bytes = 5", "received_bytes = 0"),
        ("received_bytes = 5", "status = 'receiving', holder = 'hold_x'"),
    ],
)
def test_an_upload_that_went_on_since_it_was_found_is_not_ended(alice, house, home, harm, since):
    upload = alice.declare(home, "a.txt", 10).json()["id"]
    sql(house, f"UPDATE uploads SET {harm} WHERE id = ?", upload)  # noqa: S608 - our own
    blobs = house.client.app._app._blobs

    class Late(SqlStore):
        """A store to which somebody else's change comes before ours."""

        async def write(self, command):
            sql(house, f"UPDATE uploads SET {since} WHERE id = ?", upload)  # noqa: S608 - our own
            return await super().write(command)

    async def run():
        store = Late(open_engine(house.data / "doorward.db", durable=False), lambda: NOW)
        try:
            return [one async for one in Fsck(store, blobs, REPAIR, lambda _: None).run()]
        finally:
            store.close()

    (mended,) = house.client.portal.call(run)

    assert mended.repaired == "changed meanwhile"
    assert alice.get(f"uploads/{upload}").json()["status"] in {"pending", "receiving"}


def folder(alice, home, name, parent=None):
    return alice.post(f"workspaces/{home}/folders", name=name, parent_id=parent).json()["id"]


@pytest.mark.parametrize("ring", [False, True])
def test_what_no_way_leads_to_is_put_at_the_root_with_all_under_it(alice, house, home, ring):
    outer = folder(alice, home, "outer")
    inner = folder(alice, home, "inner", outer)
    file = alice.upload(home, "a.txt", b"kept", parent_id=inner)
    parent = inner if ring else "file_gone"
    sql(house, "UPDATE nodes SET parent_id = ? WHERE id = ?", parent, outer)

    top = min(outer, inner) if ring else outer
    assert found(house) == {("tree_broken", top)}
    fsck(house, Plan(repair=True))

    assert found(house) == set()
    assert alice.get(f"files/{top}").json()["parent_id"] is None
    assert alice.get(f"files/{file['id']}/content").content == b"kept"


def twin(house, file, name):
    """Give a file a blob of its own for the same bytes, as before they were shared."""
    old = path_of(house, file)
    old.with_name(name).write_bytes(old.read_bytes())
    key = f"{old.parent.name}/{name}"
    for table, column in (("nodes", "id"), ("versions", "file_id")):
        statement = f"UPDATE {table} SET blob_key = ? WHERE {column} = ?"  # noqa: S608 - our own
        sql(house, statement, key, file["id"])
    return house.data / "blobs" / key


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: os.truncate(p, 2), flip])
def test_bad_bytes_are_restored_from_an_identical_copy(alice, house, home, harm):
    alice.upload(home, "a.txt", b"the same")
    file = alice.upload(home, "b.txt", b"the same")
    harm(twin(house, file, "twin"))

    (mended,) = fsck(house, replace(PATIENT, repair=True))
    house.sweep()

    assert mended.repaired == "restored from an identical copy"
    assert alice.get(f"files/{file['id']}/content").content == b"the same"
    assert found(house) == set()
    assert len(house.stored_files()) == 1


def test_a_copy_that_is_bad_itself_restores_nothing(alice, house, home):
    one = alice.upload(home, "a.txt", b"the same")
    two = alice.upload(home, "b.txt", b"the same")
    flip(twin(house, two, "twin"))
    flip(path_of(house, one))

    fsck(house, replace(PATIENT, repair=True))

    assert {fault for fault, _ in found(house)} == {"damaged_blob"}


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: os.truncate(p, 2), flip])
def test_a_damaged_file_says_so_and_never_gives_wrong_bytes(alice, house, home, harm):
    file = alice.upload(home, "a.txt", b"the only one")
    harm(path_of(house, file))
    fsck(house, replace(PATIENT, repair=True))

    answer = alice.get(f"files/{file['id']}/content")

    assert problem(answer) == (502, "storage_failed")
    assert "damaged" in answer.json()["detail"]


def test_a_damaged_file_is_whole_again_once_the_same_content_is_uploaded(alice, house, home):
    file = alice.upload(home, "a.txt", b"the only one")
    flip(path_of(house, file))
    fsck(house, replace(PATIENT, repair=True))

    alice.upload(home, "b.txt", b"the only one")
    house.sweep()

    assert alice.get(f"files/{file['id']}/content").content == b"the only one"
    assert found(house) == set()
    assert len(house.stored_files()) == 1


def test_bytes_brought_back_from_a_backup_count_again_after_a_repair(alice, house, home):
    file = alice.upload(home, "a.txt", b"the only one")
    path_of(house, file).write_bytes(b"the wrong one")
    fsck(house, replace(PATIENT, repair=True))
    path_of(house, file).write_bytes(b"the only one")

    fsck(house, Plan(repair=True))

    assert found(house) == set()
    assert alice.get(f"files/{file['id']}/content").content == b"the only one"


def test_an_orphan_goes_after_the_grace_and_a_young_one_is_no_finding(house):
    old = orphan(house)
    (house.data / "blobs" / "20260101" / "young").write_bytes(b"perhaps in progress")

    assert found(house) == {("orphan_blob", old)}
    fsck(house, Plan(repair=True))
    house.sweep()
    assert (house.data / "blobs" / old).exists()
    house.clock.advance(seconds=3600)
    house.sweep()

    assert not (house.data / "blobs" / old).exists()
    assert found(house) == set()


def test_a_scrub_reads_no_faster_than_it_may_and_goes_on_where_it_was_cut(alice, house, home):
    files = [alice.upload(home, f"{n}", bytes([n]) * 100_000) for n in range(4)]
    keys = sorted(key_of(house, file) for file in files)
    for file in files:
        flip(path_of(house, file))
    told = []
    life = house.client.app._app

    async def run(plan):
        run_ = Fsck(life._store, life._blobs, plan, lambda p: told.append(p.position))
        return [one.subject async for one in run_.run()]

    rest = house.client.portal.call(run, replace(PATIENT, after=keys[1], rate_bytes=400_000))

    assert rest == told == keys[2:]


@pytest.mark.parametrize(
    "name", ["../x", "a\u202eb", " x ", "x.", "nul", "\ud800", "", "...", "x" * 400, "\u00a0"]
)
def test_a_mended_name_breaks_no_rule(name):
    assert is_broken(name)
    assert not is_broken(safe_name(name))


def test_what_went_between_the_finding_and_the_mending_is_left_alone(house):
    gone = Finding(Fault.NAME_BROKEN, "file_gone", "", "ws_gone")

    assert house.client.portal.call(house.store().write, lambda tx: mend(tx, gone)) == (
        "gone meanwhile"
    )


def test_a_store_that_can_not_be_read_for_a_moment_damages_nothing(house_with, bucket, monkeypatch):
    far = house_with(**bucket.settings())
    alice = far.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"content")
    far.sweep()

    async def unreachable(*_):
        raise StorageFailed

    with monkeypatch.context() as outage:
        outage.setattr(CloudObjects, "get", unreachable)
        with pytest.raises(StorageFailed):
            fsck(far, replace(PATIENT, repair=True))

    assert alice.get(f"files/{file['id']}/content").content == b"content"
