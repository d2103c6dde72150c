"""Bytes relayed to Fast.io: checked there, its errors told as ours, its key told to nobody."""

import logging
import random

import pytest

from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.store.blobs.fastio_api import _wanted_wait
from doorward.server.uploads.receiving import hold_upload, release_upload
from fastio_server import KEY, FastioServer, Refusal, until
from s3_server import BadRoad
from support import problem

MIB = 1 << 20


@pytest.fixture
def fastio():
    with FastioServer() as server:
        yield server


@pytest.fixture
def far(house_with, fastio):
    return house_with(**fastio.settings(retries=2, timeout=5))


@pytest.fixture
def alice(far):
    return far.person("alice")


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("size", [0, 5, 4 * MIB, 4 * MIB + 1, 20 * MIB])
def test_a_file_is_kept_in_the_workspace_and_comes_back(far, alice, fastio, size, hashed):
    fastio.shows_hash = hashed
    content = content_of(size)

    file = alice.upload(alice.home(), "a.bin", content)
    far.sweep()

    assert far.stored_files() == []
    assert [node.content for node in fastio.files()] == [content]
    assert fastio.sessions == {}
    assert alice.get(f"files/{file['id']}/content").content == content


def test_a_small_plan_gets_chunks_that_it_takes(alice, fastio):
    fastio.chunk_size = 2 * MIB

    alice.upload(alice.home(), "a.bin", content_of(9 * MIB))

    assert len([call for call in fastio.calls if call.endswith("/chunk/")]) == 5


def test_a_range_is_read_from_the_workspace(far, alice):
    content = content_of(6 * MIB)
    file = alice.upload(alice.home(), "a.bin", content)
    far.sweep()

    part = alice.call("GET", f"files/{file['id']}/content", headers={"Range": "bytes=100-5000000"})

    assert (part.status_code, part.content) == (206, content[100:5000001])


def test_what_was_given_up_is_removed_for_good(far, alice, fastio):
    home = alice.home()
    declared = alice.declare(home, "a.txt", 5, on_conflict="error").json()
    alice.upload(home, "a.txt", b"first")
    # It is stored there when the name turns out to be taken, and no row knows its node.
    assert problem(far.send(declared["url"], b"other")) == (409, "name_taken")
    assert len(fastio.files()) == 2

    alice.delete(f"uploads/{declared['id']}")
    far.sweep()

    assert [node.content for node in fastio.files()] == [b"first"]


@pytest.mark.parametrize("size", [5, 9 * MIB])
@pytest.mark.parametrize("where", ["POST /upload/", "/chunk/", "/complete/", "/details/"])
def test_a_call_that_fails_once_is_made_again(alice, fastio, where, size):
    fastio.faults = [(where, Refusal(503, 0)), (where, Refusal(502, 0))]
    content = content_of(size)

    file = alice.upload(alice.home(), "a.bin", content)

    assert [node.content for node in fastio.files()] == [content]
    assert file["size"] == size


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (Refusal(402, 1696, "credit limit exceeded"), (507, "storage_full")),
        (Refusal(403, 1685, "count limit"), (507, "storage_full")),
        (Refusal(403, 1680, "access denied to 4123"), (502, "storage_failed")),
        (Refusal(401, 1650, "credentials invalid"), (502, "storage_failed")),
        (Refusal(404, 1609, "no such folder"), (502, "storage_failed")),
    ],
)
def test_a_refusal_is_told_as_ours_and_the_same_upload_finishes_later(
    far, alice, fastio, refusal, told
):
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    fastio.faults = [("POST /upload/", refusal)]

    failed = far.send(declared["url"], b"hello")

    assert problem(failed) == told
    assert refusal.text not in failed.text
    assert far.send(declared["url"], b"hello").status_code == 201


def test_chunks_that_do_not_make_the_file_end_the_session_and_not_the_upload(far, alice, fastio):
    content = content_of(9 * MIB)
    declared = alice.declare(alice.home(), "a.bin", len(content)).json()
    fastio.faults = [("/complete/", Refusal(400, 10522, "sum of chunks"))]

    assert problem(far.send(declared["url"], content)) == (502, "storage_failed")
    assert fastio.sessions == {}
    assert far.send(declared["url"], content).status_code == 201


@pytest.mark.parametrize("hashed", [True, False])
def test_bytes_that_changed_there_are_refused(far, alice, fastio, hashed):
    fastio.shows_hash, fastio.damages = hashed, True
    declared = alice.declare(alice.home(), "a.txt", 5).json()

    assert problem(far.send(declared["url"], b"right")) == (502, "storage_failed")
    assert alice.get(f"workspaces/{alice.home()}/files").json()["data"] == []
    fastio.damages = False
    assert far.send(declared["url"], b"right").status_code == 201


@pytest.mark.parametrize("mood", ["500", "reset", "hang"])
def test_a_bad_road_is_502_and_the_same_upload_finishes_later(house_with, fastio, mood):
    with BadRoad(fastio.url) as road:
        house = house_with(**fastio.settings(f"{road.url}/current", retries=0, timeout=1))
        alice = house.person("alice")
        declared = alice.declare(alice.home(), "a.txt", 5).json()
        road.be(mood)

        assert problem(house.send(declared["url"], b"hello")) == (502, "storage_failed")
        road.be("pass")
        sent = house.send(declared["url"], b"hello")
        house.sweep()
        assert alice.get(f"files/{sent.json()['id']}/content").content == b"hello"


def test_a_service_that_is_busy_is_asked_again_when_it_says(alice, fastio):
    fastio.faults = [
        ("POST /upload/", Refusal(429, 1671, **{"x-ve-limit-expires": until(0, "epoch")})),
        ("POST /upload/", Refusal(429, 1671, **{"x-ve-limit-expires": until(0, "text")})),
    ]

    assert alice.upload(alice.home(), "a.txt", b"hello")["size"] == 5


def test_the_time_to_wait_is_read_in_each_of_its_forms():
    assert _wanted_wait({"retry-after": "7"}) == 7
    assert 8 < _wanted_wait({"x-ve-limit-expires": until(10, "epoch")}) <= 10
    assert 8 < _wanted_wait({"x-ve-limit-expires": until(10, "text")}) <= 10
    assert _wanted_wait({"x-ve-limit-expires": "soon"}) == 60
    assert _wanted_wait({"retry-after": "86400"}) == 60


@pytest.mark.parametrize(
    ("scopes", "reached"),
    [
        ([], True),
        (["workspace:*:rw"], True),
        (["org:1234567890123456789:rwa"], True),
        (["workspace:4123456789012345678:r"], False),
        (["workspace:9999999999999999999:rw"], False),
    ],
)
def test_a_look_at_the_store_says_whether_the_key_may_write_there(far, fastio, scopes, reached):
    from doorward.server.problems import StorageFailed

    fastio.scopes = scopes
    blobs = far.client.app._app._blobs

    try:
        far.client.portal.call(blobs.check)
    except StorageFailed:
        assert not reached
    else:
        assert reached


def test_the_key_is_in_no_log_answer_or_representation(house_with, fastio, caplog):
    house = house_with(**(fastio.settings(retries=0) | {"FASTIO_API_KEY": "fio_the-wrong-one"}))
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    caplog.set_level(logging.DEBUG)

    answer = house.send(declared["url"], b"hello")

    assert problem(answer) == (502, "storage_failed")
    assert "401 code 1650" in caplog.text
    blobs = house.client.app._app._blobs
    shown = f"{caplog.text} {vars(blobs.objects)!r} {vars(blobs.objects._api)!r} {answer.text}"
    assert "fio_the-wrong-one" not in shown
    assert KEY not in shown


def test_a_request_that_lets_go_after_the_end_leaves_the_file_there(far, alice):
    """It may have waited for its turn while a newer one brought the last byte."""
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    [link] = alice.get(f"links?workspace={alice.home()}").json()["data"]
    from_ = Caller("", Credential("signed_link", link["id"]), Origin("req_late"))
    run = far.client.portal.call
    late = run(far.store().write, lambda tx: hold_upload(tx, declared["id"], from_))
    file = far.send(declared["url"], b"hello").json()

    assert run(far.store().write, lambda tx: release_upload(tx, late, None))
    far.sweep()

    assert alice.get(f"files/{file['id']}/content").content == b"hello"
