"""Bytes kept in a real S3 store: whole, checked, and never lost on a bad road."""

import json
import logging
import os
import random
import sqlite3
import subprocess
import sys

import pytest

from s3_server import ACCESS_KEY, SECRET_KEY, BadRoad, wait_for
from support import problem

MIB = 1 << 20


@pytest.fixture
def road(s3_server):
    with BadRoad(s3_server.url) as road:
        yield road


@pytest.fixture
def far(house_with, bucket):
    """A house whose bytes are kept on S3."""
    return house_with(**bucket.settings())


@pytest.fixture
def shaky(house_with, bucket, road):
    """A house whose road to S3 can be made bad."""
    return house_with(**bucket.settings(road.url, timeout=1, retries=1))


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", [0, 5, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_a_file_is_kept_in_the_bucket_and_comes_back(far, bucket, size):
    alice = far.person("alice")
    content = content_of(size)

    file = alice.upload(alice.home(), "a.bin", content)
    far.sweep()

    assert far.stored_files() == []
    [(key, stored)] = bucket.objects().items()
    assert (key.startswith("some/where/"), stored) == (True, size)
    assert alice.get(f"files/{file['id']}/content").content == content


def test_a_range_is_read_from_the_bucket(far):
    alice = far.person("alice")
    content = content_of(10 * MIB)
    file = alice.upload(alice.home(), "a.bin", content)
    far.sweep()

    part = alice.call(
        "GET", f"files/{file['id']}/content", headers={"Range": "bytes=4194300-9000000"}
    )

    assert (part.status_code, part.content) == (206, content[4194300:9000001])


def test_bytes_that_were_given_up_are_gone_from_the_disk_and_the_bucket(far, bucket):
    alice = far.person("alice")
    home = alice.home()
    declared = alice.declare(home, "a.txt", 5, on_conflict="error").json()
    alice.upload(home, "a.txt", b"first")

    # The bytes are in the bucket when the name turns out to be taken.
    assert problem(far.send(declared["url"], b"other")) == (409, "name_taken")
    assert len(bucket.objects()) == 2
    alice.delete(f"uploads/{declared['id']}")
    far.sweep()

    assert len(bucket.objects()) == 1
    assert far.stored_files() == []


@pytest.mark.parametrize("mood", ["500", "reset", "hang"])
@pytest.mark.parametrize("size", [1000, 9 * MIB])
def test_a_store_that_fails_is_502_and_the_same_upload_finishes_later(
    shaky, bucket, road, mood, size
):
    alice = shaky.person("alice")
    home = alice.home()
    content = content_of(size)
    declared = alice.declare(home, "a.bin", size).json()
    road.be(mood)

    failed = shaky.send(declared["url"], content)

    assert problem(failed) == (502, "storage_failed")
    assert alice.get(f"workspaces/{home}/files").json()["data"] == []
    still = alice.get(f"uploads/{declared['id']}").json()
    assert (still["status"], still["received_bytes"]) == ("pending", size)
    road.be("pass")
    sent = shaky.send(declared["url"], content)
    assert sent.status_code == 201, sent.text
    shaky.sweep()
    assert alice.get(f"files/{sent.json()['id']}/content").content == content
    assert (len(bucket.objects()), bucket.begun(), shaky.stored_files()) == (1, [], [])


@pytest.mark.parametrize("mood", ["500", "reset", "hang"])
def test_a_store_that_fails_a_download_is_502_and_says_nothing_of_itself(shaky, bucket, road, mood):
    alice = shaky.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"hello")
    shaky.sweep()
    road.be(mood)

    answer = alice.get(f"files/{file['id']}/content")

    assert problem(answer) == (502, "storage_failed")
    assert bucket.name not in answer.text
    road.be("pass")
    assert alice.get(f"files/{file['id']}/content").content == b"hello"


def test_a_delete_that_fails_is_tried_again(shaky, bucket, road):
    alice = shaky.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5, on_conflict="error").json()
    alice.upload(alice.home(), "a.txt", b"first")
    shaky.send(declared["url"], b"other")
    alice.delete(f"uploads/{declared['id']}")
    road.be("500")

    shaky.sweep()

    assert len(bucket.objects()) == 2
    road.be("pass")
    shaky.sweep()
    assert len(bucket.objects()) == 1


def test_bytes_that_change_on_their_way_are_refused(shaky, bucket, road):
    alice = shaky.person("alice")
    content = b"right" * 1000
    declared = alice.declare(alice.home(), "a.txt", len(content)).json()
    road.be(lambda data: data.replace(b"right", b"wrong"))

    failed = shaky.send(declared["url"], content)

    assert problem(failed) == (502, "storage_failed")
    assert bucket.objects() == {}


@pytest.mark.parametrize("damage", [b"wrong", b"righ"])
def test_an_object_that_is_not_what_was_sent_is_refused(far, bucket, damage):
    from doorward.server.problems import StorageFailed
    from doorward.server.uploads.ports import Stored

    blobs = far.client.app._app._blobs
    path = blobs.staging.path("20260921/blob_x")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"right")
    stored = Stored(5, "blake3:of-right", None)

    async def keep():
        put = blobs.objects.api

        async def checksum(key):
            # What a store without checksums says, after it changed what it was given.
            bucket.client().put_object(Bucket=bucket.name, Key=f"some/where/{key}", Body=damage)

        put.checksum = checksum
        await blobs.keep("20260921/blob_x", stored)

    with pytest.raises(StorageFailed):
        far.client.portal.call(keep)


def test_no_credential_is_in_a_log_or_a_representation(house_with, bucket, caplog):
    house = house_with(**(bucket.settings() | {"AWS_SECRET_ACCESS_KEY": "not-the-right-one"}))
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    caplog.set_level(logging.DEBUG)

    answer = house.send(declared["url"], b"hello")

    assert problem(answer) == (502, "storage_failed")
    assert "403" in caplog.text
    blobs = house.client.app._app._blobs
    shown = f"{caplog.text} {blobs!r} {blobs.objects!r} {vars(blobs.objects)!r} {answer.text}"
    for secret in (ACCESS_KEY, SECRET_KEY, "not-the-right-one"):
        assert secret not in shown


def test_what_was_stored_on_the_disk_before_is_read_from_there(house_with, bucket):
    house = house_with(**bucket.settings())
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"hello")

    bucket.client().delete_object(Bucket=bucket.name, Key=next(iter(bucket.objects())))

    assert alice.get(f"files/{file['id']}/content").content == b"hello"


def test_doctor_says_whether_the_store_can_be_reached(bucket, tmp_path):
    good = doctor(tmp_path, bucket.settings())
    wrong = doctor(tmp_path, bucket.settings() | {"AWS_SECRET_ACCESS_KEY": "not-the-right-one"})
    away = doctor(tmp_path, bucket.settings("http://127.0.0.1:1", retries=0, timeout=1))

    assert (good["status"], wrong["status"], away["status"]) == ("ok", "failed", "failed")
    assert "not-the-right-one" not in str(wrong)


def doctor(data, environ):
    program = [sys.executable, "-m", "doorward", "doctor", "--json", "--data", data]
    ended = subprocess.run(
        program, capture_output=True, text=True, check=False, env=os.environ | environ
    )
    assert "not-the-right-one" not in ended.stderr
    checks = json.loads(ended.stdout)["checks"]
    return next(check for check in checks if check["name"] == "storage")


def test_a_start_during_an_outage_says_so_and_serves(house_with, bucket, caplog):
    caplog.set_level(logging.WARNING)

    house = house_with(**bucket.settings("http://127.0.0.1:1", retries=0, timeout=1))

    assert house.person("alice").get("workspaces").status_code == 200
    wait_for(lambda: "can't be reached" in caplog.text)


def test_a_staged_copy_that_is_swept_while_it_is_read_is_read_to_its_end(far):
    alice = far.person("alice")
    content = content_of(5 * MIB)
    file = alice.upload(alice.home(), "a.bin", content)
    node = far.client.portal.call(
        far.store().read, lambda tx: tx.files.get(file["workspace_id"], file["id"])
    )
    blobs = far.client.app._app._blobs

    async def read() -> bytes:
        fd = await blobs.staging.open(node.content.blob_key)
        await blobs.delete(f"staged:{node.content.blob_key}")
        chunks = blobs.staging.read(node.content.blob_key, 0, len(content), fd=fd)
        return b"".join([chunk async for chunk in chunks])

    assert far.client.portal.call(read) == content
    assert far.stored_files() == []


@pytest.mark.parametrize("size", [5, 9 * MIB])
def test_a_store_without_room_is_507_and_the_same_upload_finishes_later(shaky, road, size):
    alice = shaky.person("alice")
    declared = alice.declare(alice.home(), "a.txt", size).json()
    road.be("507")

    assert problem(shaky.send(declared["url"], content_of(size))) == (507, "storage_full")
    road.be("pass")
    assert shaky.send(declared["url"], content_of(size)).status_code == 201


def test_an_upload_that_is_given_up_while_the_store_gets_it_is_not_forgotten(shaky, bucket, road):
    """Guards against orphans: its object may arrive after a sweep looked for it."""
    alice = shaky.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    noted = []

    def meanwhile(data):
        if b"PUT " in data and not noted:
            alice.delete(f"uploads/{declared['id']}")
            shaky.sweep()
            with sqlite3.connect(shaky.data / "doorward.db") as database:
                noted.extend(database.execute("SELECT key FROM doomed_blobs").fetchall())
        return data

    road.be(meanwhile)

    assert problem(shaky.send(declared["url"], b"hello")) == (410, "upload_closed")
    assert len(noted) == 1  # a process killed here leaves this note, and the next start acts on it
    road.be("pass")
    shaky.sweep()
    assert (bucket.objects(), shaky.stored_files()) == ({}, [])
