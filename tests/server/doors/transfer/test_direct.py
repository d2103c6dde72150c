"""Bytes that go straight to a real S3 store: never visible before the server has read them."""

import asyncio
import random
from hashlib import sha256

import httpx2
import pytest
from blake3 import blake3

from doorward.server.doors.rest.operations import Operations
from doorward.server.store.blobs.cloud import S3Parts
from doorward.server.uploads.direct import PARTS_MAX, part_sizes
from s3_server import ACCESS_KEY, SECRET_KEY, BadRoad
from support import problem

MIB = 1 << 20
CONTENT = random.Random(7).randbytes(17 * MIB)
DIGEST = f"sha256:{sha256(CONTENT).hexdigest()}"


@pytest.fixture
def far(house_with, bucket):
    return house_with(**bucket.settings())


@pytest.fixture
def alice(far):
    return far.person("alice")


@pytest.fixture
def home(alice):
    return alice.home()


def declared(alice, home, content=CONTENT, **more):
    answer = alice.declare(home, "a.bin", len(content), direct=True, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send_parts(upload, content=CONTENT):
    """Send each part to its URL, as any HTTP client can; gives what names them."""
    tags, start = [], 0
    for part in upload["parts"]:
        sent = httpx2.put(part["url"], content=content[start : start + part["size"]], timeout=30)
        assert sent.status_code == 200, sent.text
        tags.append({"number": part["number"], "etag": sent.headers["etag"]})
        start += part["size"]
    return tags


def complete(alice, upload, tags):
    return alice.post(f"uploads/{upload['id']}/complete", parts=tags)


def files(alice, home):
    return alice.get(f"workspaces/{home}/files").json()["data"]


def test_parts_that_a_client_sent_to_the_store_become_a_file(far, alice, home, bucket):
    upload = declared(alice, home, checksum=DIGEST)

    assert (upload["url"], upload["protocols"]) == (None, ["s3-multipart"])
    assert [part["size"] for part in upload["parts"]] == [8 * MIB, 8 * MIB, MIB]
    tags = send_parts(upload)
    assert files(alice, home) == []
    answer = complete(alice, upload, tags)

    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["sha256"], file["digest"]) == (DIGEST, f"blake3:{blake3(CONTENT).hexdigest()}")
    assert alice.get(f"files/{file['id']}/content").content == CONTENT
    assert far.stored_files() == []
    assert list(bucket.objects().values()) == [len(CONTENT)]
    assert alice.get(f"uploads/{upload['id']}").json()["file"]["id"] == file["id"]


def test_what_boto3_sees_of_the_parts_is_what_was_sent(alice, home, bucket):
    upload = declared(alice, home)
    tags = send_parts(upload)
    s3 = bucket.client()

    [begun] = s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    parts = s3.list_parts(Bucket=bucket.name, Key=begun["Key"], UploadId=begun["UploadId"])["Parts"]

    assert [part["Size"] for part in parts] == [part["size"] for part in upload["parts"]]
    assert [part["ETag"] for part in parts] == [tag["etag"] for tag in tags]


def test_an_empty_file_and_one_of_a_single_part_can_be_sent_too(alice, home):
    for content in (b"", b"hello"):
        upload = declared(alice, home, content)

        answer = complete(alice, upload, send_parts(upload, content))

        assert answer.status_code == 201, answer.text
        assert alice.get(f"files/{answer.json()['id']}/content").content == content


def test_no_credential_of_the_store_reaches_the_client(alice, home):
    upload = alice.declare(home, "a.bin", 5, direct=True)

    assert SECRET_KEY not in upload.text
    assert ACCESS_KEY in upload.text  # the name of the key, as every such URL has it


def test_other_bytes_than_declared_are_refused_and_go(far, alice, home, bucket):
    upload = declared(alice, home, checksum=f"sha256:{'0' * 64}")

    answer = complete(alice, upload, send_parts(upload))

    assert problem(answer) == (422, "checksum_mismatch")
    assert files(alice, home) == []
    assert alice.get(f"uploads/{upload['id']}").json()["status"] == "failed"
    far.sweep()
    assert (bucket.objects(), bucket.begun()) == ({}, [])


def test_fewer_bytes_than_declared_are_refused_and_go(far, alice, home, bucket):
    """The URLs take none but what was declared, so these come by the store's own keys."""
    upload = declared(alice, home, b"hello")
    s3 = bucket.client()
    [begun] = s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    this = {"Bucket": bucket.name, "Key": begun["Key"], "UploadId": begun["UploadId"]}

    stored = s3.upload_part(**this, PartNumber=1, Body=b"hell")
    answer = complete(alice, upload, [{"number": 1, "etag": stored["ETag"]}])

    assert problem(answer) == (422, "size_mismatch")
    far.sweep()
    assert (bucket.objects(), bucket.begun()) == ({}, [])


@pytest.mark.parametrize(
    ("policy", "refusal"),
    [
        ({"allowed_types": ["image/*"]}, (415, "media_type_refused")),
        ({"denied_extensions": ["bin"]}, (422, "policy_refused")),
        ({"max_files": 0}, (422, "policy_refused")),
        ({"max_upload_bytes": 1}, (413, "upload_too_large")),
    ],
)
def test_a_policy_that_became_stricter_refuses_parts_in_a_way_that_is_declared(
    alice, home, policy, refusal
):
    upload = declared(alice, home, b"some")
    tags = send_parts(upload, b"some")
    alice.patch(f"workspaces/{home}", policy=policy)

    assert problem(complete(alice, upload, tags)) == refusal
    assert files(alice, home) == []
    (operation,) = [one for one in Operations.all if one.path == "/uploads/{upload_id}/complete"]
    assert refusal in {(one.status, one.code) for one in operation.raises}


@pytest.mark.parametrize("how", ["missing", "twice", "other-tag"])
def test_parts_that_are_not_all_there_are_refused_and_can_be_named_again(alice, home, how):
    upload = declared(alice, home)
    tags = send_parts(upload)
    other = {"number": 2, "etag": f'"{"0" * 32}"'}
    wrong = {"missing": tags[:2], "twice": [tags[0], *tags], "other-tag": [tags[0], other, tags[2]]}

    assert problem(complete(alice, upload, wrong[how])) == (422, "parts_invalid")
    assert complete(alice, upload, tags).status_code == 201


def test_an_answer_that_was_lost_is_not_the_end_of_an_upload(far, alice, home):
    upload = declared(alice, home)
    tags = send_parts(upload)
    api = far.client.app._app._blobs.objects.api
    key = far.client.portal.call(
        far.store().read,
        lambda tx: (tx.uploads.get(upload["id"]).blob_key, tx.direct.get(upload["id"])),
    )
    pairs = [(tag["number"], tag["etag"]) for tag in tags]
    assert far.client.portal.call(api.complete, *key, pairs)  # and the process dies here

    assert complete(alice, upload, tags).status_code == 201
    assert problem(complete(alice, upload, tags)) == (410, "upload_closed")


@pytest.mark.parametrize("end", ["aborted", "expired"])
def test_an_upload_that_came_to_nothing_leaves_nothing_in_the_store(far, alice, home, bucket, end):
    upload = declared(alice, home)
    tags = send_parts(upload)
    assert len(bucket.begun()) == 1

    if end == "aborted":
        alice.delete(f"uploads/{upload['id']}")
    else:
        far.clock.advance(seconds=86_400)
    far.sweep()

    assert (bucket.objects(), bucket.begun()) == ({}, [])
    assert problem(complete(alice, upload, tags)) == (410, "upload_closed")


def test_urls_are_renewed_and_parts_that_were_sent_stay(alice, home):
    upload = declared(alice, home)
    first = send_parts(upload)[:1]

    renewed = alice.post(f"uploads/{upload['id']}/renew").json()

    assert [part["size"] for part in renewed["parts"]] == [part["size"] for part in upload["parts"]]
    rest = send_parts({"parts": renewed["parts"][1:]}, CONTENT[8 * MIB :])
    assert complete(alice, upload, first + rest).status_code == 201


def test_a_part_url_takes_nothing_else_than_its_part(alice, home):
    [part, *_] = declared(alice, home)["parts"]

    for url in (part["url"].replace("partNumber=1", "partNumber=2"), part["url"].split("&X-")[0]):
        assert httpx2.put(url, content=b"x").status_code in {400, 403}
    assert httpx2.get(part["url"]).status_code == 403


def test_only_whoever_declared_a_direct_upload_can_end_it(far, alice, home):
    bob = far.person("bob")
    upload = declared(alice, home)
    tags = send_parts(upload)

    assert problem(complete(bob, upload, tags)) == (404, "upload_not_found")
    alice.post(f"workspaces/{home}/members", user_id="user_bob", role="editor")
    assert problem(complete(bob, upload, tags)) == (403, "permission_denied")


def test_a_store_that_takes_no_parts_says_so(house):
    alice = house.person("alice")

    assert problem(alice.declare(alice.home(), "a", 5, direct=True)) == (409, "direct_unavailable")
    upload = alice.declare(alice.home(), "a", 5).json()
    answer = complete(alice, upload, [{"number": 1, "etag": '"x"'}])
    assert problem(answer) == (409, "direct_unavailable")


def test_a_store_that_fails_at_the_beginning_leaves_no_promise(house_with, bucket, s3_server):
    with BadRoad(s3_server.url) as road:
        house = house_with(**bucket.settings(road.url, timeout=1, retries=0))
        alice = house.person("alice")
        home = alice.home()
        road.be("500")

        answer = alice.declare(home, "a", 5, direct=True)

        assert problem(answer) == (502, "storage_failed")
        workspace = house.client.portal.call(house.store().read, lambda tx: tx.workspaces.get(home))
        assert workspace.reserved_bytes == 0


@pytest.mark.parametrize("mood", ["500", "reset", "hang"])
def test_a_store_that_fails_at_the_end_is_502_and_the_upload_goes_on_later(
    house_with, bucket, s3_server, mood
):
    with BadRoad(s3_server.url) as road:
        house = house_with(**bucket.settings(road.url, timeout=1, retries=0))
        alice = house.person("alice")
        upload = declared(alice, alice.home())
        tags = send_parts(upload)
        road.be(mood)

        assert problem(complete(alice, upload, tags)) == (502, "storage_failed")
        assert files(alice, alice.home()) == []
        road.be("pass")
        assert complete(alice, upload, tags).status_code == 201


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 5 << 30, 50 << 30, 1 << 40])
def test_parts_are_few_and_add_up(size):
    sizes = part_sizes(size)

    assert sum(sizes) == size
    assert len(sizes) <= PARTS_MAX
    assert all(8 * MIB <= part <= 5 << 30 for part in sizes[:-1])


def test_an_upload_that_is_given_up_while_the_store_begins_it_frees_its_quota_once(
    far, alice, home, monkeypatch
):
    begin = S3Parts.begin

    async def begin_late(parts, key):
        begun = await begin(parts, key)
        await asyncio.to_thread(give_up)
        return begun

    def give_up():
        [event] = alice.get(f"events?workspace={home}").json()["data"]
        assert alice.delete(f"uploads/{event['subject_id']}").status_code == 204

    monkeypatch.setattr(S3Parts, "begin", begin_late)
    answer = alice.declare(home, "a.bin", 1000, direct=True)

    assert problem(answer) == (410, "upload_closed")
    workspace = far.client.portal.call(far.store().read, lambda tx: tx.workspaces.get(home))
    assert workspace.reserved_bytes == 0


def test_a_parts_url_takes_no_more_and_no_less_than_the_part(alice, home, bucket):
    upload = declared(alice, home, b"hello")
    [part] = upload["parts"]

    for content in (b"hell", b"hello!", b"x" * MIB):
        assert httpx2.put(part["url"], content=content).status_code == 403

    assert complete(alice, upload, send_parts(upload, b"hello")).status_code == 201
    assert list(bucket.objects().values()) == [5]


def test_a_killed_link_ends_a_direct_upload_until_it_is_renewed(alice, home):
    upload = declared(alice, home, b"hello")
    tags = send_parts(upload, b"hello")
    [link] = alice.get(f"links?workspace={home}").json()["data"]
    assert alice.delete(f"links/{link['id']}").status_code == 204

    assert problem(complete(alice, upload, tags)) == (410, "link_ended")
    assert files(alice, home) == []

    assert alice.post(f"uploads/{upload['id']}/renew").status_code == 200
    assert complete(alice, upload, tags).status_code == 201
