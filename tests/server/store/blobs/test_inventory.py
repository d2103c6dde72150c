"""Of a real S3 store only what is ours, old and known to no row is called an orphan, and goes."""

import os
import sqlite3
import time

import pytest

from doorward.server.fsck import Fsck, Plan
from doorward.server.integrity.model import StoredBlob
from doorward.server.problems import StorageFailed
from doorward.server.store.blobs.remote import RemoteBlobs
from s3_server import BadRoad

LONG_AGO = 1_700_000_000
BELOW = "some/where/"
LOST = f"20260101/blob_{'a' * 26}"
LOOK, REPAIR = Plan(), Plan(repair=True, remote=True)


@pytest.fixture
def far(house_with, bucket):
    """A house whose bytes are kept on S3."""
    return house_with(**bucket.settings())


def run_fsck(house, plan=LOOK):
    life = house.client.app._app

    async def run():
        return [one async for one in Fsck(life._store, life._blobs, plan, lambda _: None).run()]

    return house.client.portal.call(run)


def found(house, plan=LOOK) -> list[tuple[str, str]]:
    return [(one.fault.value, one.subject) for one in run_fsck(house, plan)]


def inventory(house) -> list[list[StoredBlob]]:
    async def listed():
        return [page async for page in house.client.app._app._blobs.inventory()]

    return house.client.portal.call(listed)


def sql(house, statement, *values):
    with sqlite3.connect(house.data / "doorward.db", timeout=30) as database:
        return database.execute(statement, values).fetchall()


def plant(bucket, name, *, modified_at=LONG_AGO) -> str:
    """Put an object there that nobody tells a row of."""
    bucket.client().put_object(Bucket=bucket.name, Key=name, Body=b"nobody's")
    os.utime(bucket.folder / name, (modified_at, modified_at))
    return name


def age(bucket) -> None:
    """Let everything in the bucket be from long ago, what was begun in parts too."""
    for path in [*bucket.folder.rglob("*")]:
        os.utime(path, (LONG_AGO, LONG_AGO))


def begin(bucket, name) -> None:
    client = bucket.client()
    upload = client.create_multipart_upload(Bucket=bucket.name, Key=name)["UploadId"]
    client.upload_part(
        Bucket=bucket.name, Key=name, UploadId=upload, PartNumber=1, Body=b"nobody's"
    )


def stage(house, key, *, modified_at=LONG_AGO):
    path = house.data / "blobs" / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nobody's")
    os.utime(path, (modified_at, modified_at))
    return path


def over(house) -> None:
    """Let the grace of what was noted pass."""
    house.clock.advance(seconds=3600)
    house.sweep()


def test_an_orphan_in_the_bucket_is_found_and_goes_after_the_grace(far, bucket):
    plant(bucket, BELOW + LOST)

    assert found(far) == [("orphan_blob", LOST)]
    far.sweep()
    (mended,) = run_fsck(far, REPAIR)
    assert mended.repaired == "goes once the grace is over"
    far.sweep()
    assert bucket.objects() == {BELOW + LOST: 8}
    over(far)

    assert (bucket.objects(), found(far)) == ({}, [])


def test_a_repair_that_was_not_told_whose_prefix_it_is_leaves_the_bucket_alone(far, bucket):
    plant(bucket, BELOW + LOST)

    (found_,) = run_fsck(far, Plan(repair=True))
    over(far)

    assert found_.repaired is None
    assert bucket.objects() == {BELOW + LOST: 8}


def test_bytes_whose_row_was_lost_are_an_orphan_and_those_of_a_row_are_not(far, bucket):
    alice = far.person("alice")
    home = alice.home()
    alice.upload(home, "kept.txt", b"kept")
    lost = alice.upload(home, "lost.txt", b"lost")["id"]
    far.sweep()
    age(bucket)
    [(key,)] = sql(far, "SELECT blob_key FROM nodes WHERE id = ?", lost)
    assert found(far) == []
    sql(far, "DELETE FROM versions WHERE blob_key = ?", key)

    assert ("orphan_blob", key) in found(far)
    assert [subject for fault, subject in found(far) if fault == "orphan_blob"] == [key]


def test_what_others_keep_in_the_bucket_is_neither_called_an_orphan_nor_touched(far, bucket):
    day, name = LOST.split("/")
    foreign = [
        LOST,
        f"some/{LOST}",
        f"{BELOW[:-1]}ever/{LOST}",
        f"{BELOW}{name}",
        f"{BELOW}{day}/{name}x",
        f"{BELOW}{day}/{name[:-1]}",
        f"{BELOW}{day}/{name[:-1]}1",
        f"{BELOW}{day}/{name[:-1]}A",
        f"{BELOW}{day}0/{name}",
        f"{BELOW}2026-1-1/{name}",
        f"{BELOW}deep/{LOST}",
        f"{BELOW}{day}/x/{name}",
        f"{BELOW}{day}/photo one.jpg",
        f"{BELOW}{day}/lost",
    ]
    for one in foreign:
        plant(bucket, one)
        begin(bucket, f"{one}-begun")
    begin(bucket, LOST)
    age(bucket)
    stage(far, f"{day}/lost")  # the disk's is ours alone, and takes nothing along that it is not
    plant(bucket, BELOW + LOST)

    assert found(far, REPAIR) == [
        ("orphan_blob", f"staged:{day}/lost"),
        ("orphan_blob", LOST),
    ]
    over(far)

    assert bucket.objects().keys() == set(foreign)
    assert set(bucket.begun()) == {LOST, *(f"{one}-begun" for one in foreign)}
    assert far.stored_files() == []


def test_an_object_that_is_being_kept_is_no_orphan(far, bucket):
    plant(bucket, BELOW + LOST)
    begin(bucket, BELOW + LOST)
    stage(far, LOST)
    age(bucket)
    keep = far.client.app._app._store.write

    far.client.portal.call(keep, lambda tx: tx.blobs.keep("hold_now", LOST))
    assert found(far) == []
    far.client.portal.call(keep, lambda tx: tx.blobs.kept("hold_now"))

    assert len(found(far)) == 3


def test_what_clients_send_straight_to_the_bucket_is_no_orphan(far, bucket):
    alice = far.person("alice")
    declared = alice.declare(alice.home(), "a.bin", 9 << 20, direct=True).json()
    assert len(bucket.begun()) == 1
    age(bucket)

    assert found(far) == []
    [(key,)] = sql(far, "SELECT blob_key FROM uploads WHERE id = ?", declared["id"])
    sql(far, "UPDATE uploads SET blob_key = 'elsewhere' WHERE id = ?", declared["id"])

    assert found(far) == [("orphan_parts", key)]


@pytest.mark.parametrize(("younger", "orphans"), [(60, 0), (-60, 1)])
def test_age_is_judged_by_the_stores_clock_however_far_ours_may_be_off(
    far, bucket, younger, orphans
):
    """The grace is an hour, and clocks that are a quarter of an hour apart are refused."""
    plant(bucket, BELOW + LOST, modified_at=time.time() - 3600 - 900 + younger)

    assert len(found(far)) == orphans


def test_young_parts_are_no_orphans(far, bucket):
    begin(bucket, BELOW + LOST)

    assert found(far) == []


def test_parts_that_no_row_knows_are_found_and_ended(far, bucket):
    begin(bucket, BELOW + LOST)
    begin(bucket, BELOW + LOST)
    age(bucket)

    assert found(far, REPAIR) == [("orphan_parts", LOST)]
    over(far)

    assert (bucket.begun(), found(far)) == ([], [])


def test_a_row_that_was_made_meanwhile_keeps_the_object_and_its_staged_copy(far, bucket):
    plant(bucket, BELOW + LOST)
    staged = stage(far, LOST)
    alice = far.person("alice")
    assert found(far, REPAIR) == [("orphan_blob", f"staged:{LOST}"), ("orphan_blob", LOST)]

    upload = alice.declare(alice.home(), "a.txt", 8).json()["id"]
    sql(far, "UPDATE uploads SET blob_key = ? WHERE id = ?", LOST, upload)
    over(far)

    assert bucket.objects() == {BELOW + LOST: 8}
    assert staged.exists()
    assert found(far) == []


def test_a_staged_copy_that_no_row_knows_goes_and_the_object_of_another_row_stays(far, bucket):
    alice = far.person("alice")
    home = alice.home()
    alice.upload(home, "a.txt", b"nobody's")
    far.sweep()
    kept = bucket.objects()
    [(known,)] = sql(far, "SELECT blob_key FROM versions")
    stage(far, known)  # as whatever was stored before the store was chosen
    stage(far, LOST)
    stage(far, f"{LOST[:-1]}b", modified_at=time.time())
    alice.declare(home, "begun.txt", 10)

    assert found(far, REPAIR) == [("orphan_blob", f"staged:{LOST}")]
    over(far)

    left = {path.relative_to(far.data / "blobs").as_posix() for path in far.stored_files()}
    assert left == {known, f"{LOST[:-1]}b"}
    assert bucket.objects() == kept


def test_a_staged_copy_that_a_note_knows_is_no_orphan(far):
    """Of a service that names a file itself, no row has the key that its copy came under."""
    stage(far, LOST)
    sql(far, "INSERT INTO doomed_blobs (key, due_at) VALUES (?, ?)", f"staged:{LOST}", 1 << 60)

    assert found(far) == []


def test_an_object_that_went_since_it_was_listed_is_no_orphan(far, bucket):
    plant(bucket, BELOW + LOST)
    begin(bucket, BELOW + LOST)
    age(bucket)
    life = far.client.app._app

    class Swept(RemoteBlobs):
        """The store, of which a sweep ends between the listing and the look at the rows."""

        async def inventory(self):
            pages = [page async for page in super().inventory()]
            await self.delete(LOST)
            for page in pages:
                yield page

    async def run():
        blobs = Swept(life._blobs.staging, life._blobs.objects)
        assert len([blob async for page in life._blobs.inventory() for blob in page]) == 2
        return [one async for one in Fsck(life._store, blobs, LOOK, lambda _: None).run()]

    assert far.client.portal.call(run) == []


def test_thousands_of_objects_are_listed_by_pages_and_each_is_judged(far, bucket):
    client = bucket.client()
    client.put_object(Bucket=bucket.name, Key=BELOW + LOST, Body=b"")
    folder = (bucket.folder / BELOW / LOST).parent
    letters = "abcdefghijklmnopqrstuvwxyz"
    keys = {f"{LOST[:-3]}{a}{b}{c}" for a in letters[:4] for b in letters for c in letters}
    for key in keys:
        path = folder / key.split("/")[1]
        path.write_bytes(b"nobody's")
        os.utime(path, (LONG_AGO, LONG_AGO))

    pages = inventory(far)

    assert {blob.key for page in pages for blob in page} == keys
    assert max(map(len, pages)) == 1000
    assert {subject for _, subject in found(far)} == keys


def test_more_uploads_in_parts_than_a_page_holds_are_all_found(far, bucket):
    client = bucket.client()
    keys = [f"{LOST[:-2]}{a}{b}" for a in "abcdefghijk" for b in "abcdefghijk"]
    for key in keys:
        client.create_multipart_upload(Bucket=bucket.name, Key=BELOW + key)
    begun = [blob for page in inventory(far) for blob in page if not blob.whole]

    assert sorted(blob.key for blob in begun) == sorted(keys)


def test_a_listing_that_does_not_end_is_a_store_that_fails(house_with, bucket, s3_server):
    with BadRoad(s3_server.url) as road:
        house = house_with(**bucket.settings(road.url, timeout=5, retries=0))
        begin(bucket, BELOW + LOST)
        road.answers = lambda data: data.replace(
            b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated> "
        )
        with pytest.raises(StorageFailed):
            inventory(house)


def test_a_bucket_that_is_not_there_is_a_store_that_fails(house_with, bucket):
    settings = bucket.settings(retries=0)
    url = settings["DOORWARD_STORAGE_URL"].replace(bucket.name, "nowhere")
    house = house_with(**settings | {"DOORWARD_STORAGE_URL": url})

    with pytest.raises(StorageFailed):
        found(house)
