"""The text of tus 1.0.0, one test for each thing that it asks of a server."""

import asyncio
import concurrent.futures
from base64 import b64encode
from email.utils import parsedate_to_datetime
from hashlib import md5, sha1, sha256

import pytest

from doorward.server.store.blobs.local import LocalBlobs
from doorward.server.uploads.model import Upload
from support import problem

V1 = {"Tus-Resumable": "1.0.0"}
BYTES = V1 | {"Content-Type": "application/offset+octet-stream"}


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.fixture
def home(alice):
    return alice.home()


@pytest.fixture
def endpoint(home):
    return f"/transfer/workspaces/{home}"


@pytest.fixture
def create(alice, endpoint):
    def create(size: int | None, content: bytes = b"", **headers: str):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        length = {} if size is None else {"Upload-Length": str(size)}
        return alice.call("POST", endpoint, content=content, headers=V1 | length | headers)

    return create


@pytest.fixture
def url(create):
    """The URL of an upload of ten bytes."""
    return create(10, Upload_Metadata=f"filename {b64('a.txt')}").headers["location"]


def head(house, url, **headers):
    return house.client.head(url, headers=V1 | headers)


def patch(house, url, offset: int, content: bytes, **headers: str):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    given = BYTES | {"Upload-Offset": str(offset)} | headers
    return house.client.patch(url, content=content, headers=given)


def listed(alice, home) -> list[tuple[str, int]]:
    rows = alice.get(f"workspaces/{home}/files").json()["data"]
    return [(row["name"], row["size"]) for row in rows]


# Core protocol: headers


def test_every_answer_but_the_one_to_options_says_the_version(house, url):
    answers = [
        head(house, url),
        patch(house, url, 0, b"1"),
        patch(house, url, 7, b"1"),
        house.client.delete(url, headers=V1),
        head(house, url),
    ]

    assert [answer.status_code for answer in answers] == [200, 204, 409, 204, 410]
    assert all(answer.headers["tus-resumable"] == "1.0.0" for answer in answers)


@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "2.0.0", ""])
def test_another_version_is_refused_with_those_that_are_spoken_and_nothing_is_done(
    house, url, version
):
    refused = patch(house, url, 0, b"12345", Tus_Resumable=version)

    assert problem(refused) == (412, "tus_version_unsupported")
    assert refused.headers["tus-version"] == "1.0.0"
    assert head(house, url).headers["upload-offset"] == "0"


def test_another_version_creates_nothing(create, alice, home):
    assert problem(create(0, Tus_Resumable="0.2.2")) == (412, "tus_version_unsupported")
    assert listed(alice, home) == []


def test_another_version_ends_nothing(house, url):
    refused = house.client.delete(url, headers={"Tus-Resumable": "0.2.2"})

    assert problem(refused) == (412, "tus_version_unsupported")
    assert head(house, url).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_the_method_that_is_meant_counts_and_not_the_one_that_is_sent(house, url, method):
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}

    assert house.client.request(method, url, content=b"123", headers=headers).status_code == 204
    assert head(house, url).headers["upload-offset"] == "3"


# Core protocol: HEAD


@pytest.mark.parametrize("sent", [0, 3, 10])
def test_head_says_the_offset_even_at_nothing_and_at_the_end(house, url, sent):
    patch(house, url, 0, b"x" * sent)

    answer = head(house, url)

    assert answer.headers["upload-offset"] == str(sent)
    assert answer.headers["upload-length"] == "10"


def test_head_is_never_cached(house, url):
    assert head(house, url).headers["cache-control"] == "no-store"


def test_an_upload_that_is_not_there_has_no_offset(house, url):
    house.client.delete(url, headers=V1)

    for answer in (head(house, url), head(house, url.replace("/up_", "/up_a"))):
        assert answer.status_code in {403, 404, 410}
        assert "upload-offset" not in answer.headers


def test_an_upload_that_ends_while_its_offset_is_asked_for_is_complete_and_not_gone(house, url):
    """A client that is told that the upload is gone would send all of it again."""
    store, asking, answers = house.store(), [], []
    write = store.write

    async def write_after_the_end(command):
        store.write = write
        await asyncio.to_thread(house.send, url, b"1234567890")
        return await write(command)

    def ask():
        if not asking:
            asking.append(True)
            store.write = write_after_the_end
            answers.append(head(house, url))

    house.send_in_two(url, b"12345", ask, b"67890")

    (answer,) = answers
    assert answer.status_code == 200
    assert answer.headers["upload-offset"] == "10"


def test_asking_for_the_offset_of_an_upload_under_way_spends_no_use_of_its_link(alice, house, url):
    (row,) = alice.get("links", params={"direction": "upload"}).json()["data"]
    alice.patch(f"links/{row['id']}", uses=1)
    answers = []

    def ask():
        answers.append(head(house, url))

    house.send_and_stall(url, b"12345", ask)

    answer = answers[0]
    assert (answer.status_code, answer.headers.get("upload-offset")) == (200, "5")
    assert alice.get(f"links/{row['id']}").json()["uses"] == 1


# Core protocol: PATCH


def test_bytes_of_another_media_type_are_refused(house, url):
    refused = patch(house, url, 0, b"1", Content_Type="application/octet-stream")

    assert problem(refused) == (415, "unsupported_media_type")
    assert head(house, url).headers["upload-offset"] == "0"


@pytest.mark.parametrize("offset", [0, 2, 4, 10, 11])
def test_another_offset_than_the_uploads_is_a_conflict_and_changes_nothing(house, url, offset):
    patch(house, url, 0, b"123")

    assert problem(patch(house, url, offset, b"x")) == (409, "upload_offset_mismatch")
    assert head(house, url).headers["upload-offset"] == "3"


def test_an_accepted_patch_is_204_with_the_sum_as_the_new_offset(house, url):
    first, second = patch(house, url, 0, b"123"), patch(house, url, 3, b"45")

    assert (first.status_code, first.headers["upload-offset"]) == (204, "3")
    assert (second.status_code, second.headers["upload-offset"]) == (204, "5")


@pytest.mark.parametrize("offset", ["-1", "1.5", "", "x", "+1", "²"])
def test_an_offset_that_is_no_number_is_refused(house, url, offset):
    headers = BYTES | {"Upload-Offset": offset.encode("latin-1", "replace")}

    assert problem(house.client.patch(url, content=b"1", headers=headers))[0] == 400


def test_a_patch_without_an_offset_is_refused(house, url):
    assert problem(house.client.patch(url, content=b"1", headers=BYTES))[0] == 400


def test_the_last_byte_makes_the_file_and_says_which(house, alice, home, url):
    patch(house, url, 0, b"12345")
    assert listed(alice, home) == []

    done = patch(house, url, 5, b"67890")

    assert (done.status_code, done.headers["upload-offset"]) == (204, "10")
    file = alice.get(done.headers["content-location"]).json()
    assert (file["name"], file["size"]) == ("a.txt", 10)
    assert alice.get(f"files/{file['id']}/content").content == b"1234567890"
    assert head(house, url).headers["content-location"] == done.headers["content-location"]


def test_more_bytes_than_the_length_are_refused_and_no_file_comes_of_them(house, alice, home, url):
    assert problem(patch(house, url, 0, b"x" * 11)) == (413, "upload_too_large")
    assert listed(alice, home) == []


def test_a_patch_of_a_closed_upload_is_gone(house, url):
    patch(house, url, 0, b"1234567890")

    assert problem(patch(house, url, 10, b"")) == (410, "upload_closed")


def test_bytes_that_are_whole_and_no_file_yet_become_one_when_somebody_asks(house, alice, home):
    """A client that is told the length as the offset takes the upload for done."""
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    declared = alice.declare(home, "a.txt", 3, parent_id=folder).json()
    alice.delete(f"files/{folder}")
    assert problem(patch(house, declared["url"], 0, b"123")) == (409, "parent_invalid")
    refused = head(house, declared["url"])
    assert (refused.status_code, "upload-offset" in refused.headers) == (409, False)

    alice.post(f"files/{folder}/restore")

    answer = head(house, declared["url"])
    assert answer.headers["upload-offset"] == "3"
    assert alice.get(answer.headers["content-location"]).json()["parent_id"] == folder


# Core protocol: OPTIONS


def test_options_says_what_is_spoken_to_anybody_and_ignores_a_version(house, endpoint):
    answer = house.client.options(endpoint, headers={"Tus-Resumable": "0.1"})

    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(50 << 30)
    assert answer.headers["tus-checksum-algorithm"].split(",") == ["sha256", "sha1", "md5"]


@pytest.mark.parametrize(
    "extension",
    [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "expiration",
        "checksum",
        "termination",
        "concatenation",
    ],
)
def test_every_extension_is_announced(house, endpoint, url, extension):
    for address in (endpoint, url):
        spoken = house.client.options(address).headers["tus-extension"].split(",")
        assert extension in spoken
        assert "concatenation-unfinished" not in spoken


# Creation


def test_a_created_upload_is_201_with_its_url(create, house):
    answer = create(100)

    assert answer.status_code == 201
    assert head(house, answer.headers["location"]).headers["upload-length"] == "100"


def test_an_upload_whose_length_is_neither_said_nor_deferred_is_refused(create):
    assert problem(create(None)) == (411, "upload_length_required")


@pytest.mark.parametrize("length", ["-1", "x", "1.5", ""])
def test_a_length_that_is_no_number_is_refused(create, length):
    assert problem(create(None, Upload_Length=length))[0] == 400


def test_a_length_once_said_can_t_be_changed(house, url):
    refused = patch(house, url, 0, b"123", Upload_Length="11")

    assert problem(refused) == (400, "upload_length_inconsistent")
    assert head(house, url).headers["upload-length"] == "10"


def test_an_empty_upload_is_complete_as_soon_as_it_is_created(create, alice, house, home):
    answer = create(0, Upload_Metadata=f"filename {b64('empty')}")

    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "0")
    assert listed(alice, home) == [("empty", 0)]
    assert head(house, answer.headers["location"]).headers["upload-offset"] == "0"


def test_a_length_over_the_maximum_is_too_large(house_with):
    house = house_with(DOORWARD_UPLOAD_BYTES_MAX="10")
    alice = house.person("alice")

    answer = alice.call(
        "POST", f"/transfer/workspaces/{alice.home()}", headers=V1 | {"Upload-Length": "11"}
    )

    assert problem(answer) == (413, "upload_too_large")


def test_a_length_beyond_all_measure_is_too_large_too(create):
    assert problem(create(10**18 - 1)) == (413, "upload_too_large")


def test_metadata_is_given_back_as_it_came(create, house):
    metadata = f"filename {b64('a.txt')},is_confidential,team {b64('blue')}"

    location = create(1, Upload_Metadata=metadata).headers["location"]

    assert head(house, location).headers["upload-metadata"] == metadata


@pytest.mark.parametrize(
    "metadata",
    ["a !!!", "a YQ==,a YQ==", ",", "a YQ==,,b", "a b c", "filename /w==", "a " + "A" * 9000],
)
def test_metadata_of_another_form_is_refused(create, metadata):
    assert problem(create(1, Upload_Metadata=metadata)) == (400, "malformed_request")


def test_metadata_says_name_type_place_conflict_and_checksum(create, alice, house, home):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    pairs = {
        "filename": "räksmörgås.txt",
        "filetype": "text/plain",
        "parent_id": folder,
        "on_conflict": "error",
        "checksum": f"sha256:{sha256(b'right').hexdigest()}",
    }
    metadata = ",".join(f"{key} {b64(value)}" for key, value in pairs.items())

    location = create(5, Upload_Metadata=metadata).headers["location"]
    wrong = create(5, Upload_Metadata=metadata).headers["location"]
    assert problem(patch(house, wrong, 0, b"wrong")) == (422, "checksum_mismatch")
    done = patch(house, location, 0, b"right")

    file = alice.get(done.headers["content-location"]).json()
    assert (file["name"], file["content_type"]) == ("räksmörgås.txt", "text/plain")
    assert file["parent_id"] == folder
    assert problem(create(5, Upload_Metadata=metadata)) == (409, "name_taken")


def test_the_endpoints_query_says_the_same_for_a_client_without_metadata(alice, house, endpoint):
    location = alice.call(
        "POST", f"{endpoint}?name=b.txt", headers=V1 | {"Upload-Length": "1"}
    ).headers["location"]

    file = alice.get(patch(house, location, 0, b"1").headers["content-location"]).json()

    assert file["name"] == "b.txt"


def test_a_type_that_is_none_of_media_is_passed_over(create, alice, house):
    location = create(1, Upload_Metadata=f"type {b64('avatar')}").headers["location"]

    file = alice.get(patch(house, location, 0, b"1").headers["content-location"]).json()

    assert (file["name"], file["content_type"]) == ("upload", "application/octet-stream")


@pytest.mark.parametrize("token", [None, "garbage"])
def test_nothing_is_created_without_a_session(house, endpoint, token):
    headers = V1 | {"Upload-Length": "1"}
    if token:
        headers |= {"Authorization": f"Bearer {token}"}

    refused = house.client.post(endpoint, headers=headers)

    assert problem(refused) == (401, "not_authenticated")
    assert refused.headers["tus-resumable"] == "1.0.0"


def test_a_stranger_can_t_tell_a_workspace_from_a_missing_one(bob, home):
    headers = V1 | {"Upload-Length": "1"}

    for workspace in (home, "ws_none"):
        refused = bob.call("POST", f"/transfer/workspaces/{workspace}", headers=headers)
        assert problem(refused) == (404, "workspace_not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_creation_endpoint_takes_nothing_but_creations(alice, endpoint, method):
    refused = alice.call(method, endpoint, headers=V1)

    assert problem(refused) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "OPTIONS, POST"
    assert problem(alice.call("POST", f"{endpoint}/more", headers=V1)) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("on_conflict=maybe", (422, "invalid_request")),
        ("checksum=md5:00", (422, "invalid_request")),
        ("name=a/b", (422, "name_invalid")),
        ("parent_id=file_none", (409, "parent_invalid")),
        ("&".join("a=1" for _ in range(20)), (400, "malformed_request")),
    ],
)
def test_a_declaration_that_can_t_be_is_refused_as_in_rest(alice, home, endpoint, query, status):
    headers = V1 | {"Upload-Length": "0"}

    assert problem(alice.call("POST", f"{endpoint}?{query}", headers=headers)) == status
    assert listed(alice, home) == []


# Creation with upload


@pytest.mark.parametrize("sent", [1, 9, 10])
def test_bytes_that_come_with_the_creation_are_taken_and_counted(create, alice, house, home, sent):
    answer = create(10, b"x" * sent, Content_Type=BYTES["Content-Type"])

    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(sent))
    assert head(house, answer.headers["location"]).headers["upload-offset"] == str(sent)
    assert len(listed(alice, home)) == (sent == 10)


def test_a_refused_creation_waits_for_nothing_after_its_body_has_ended(alice, house, endpoint):
    answer = house.send_and_never_be_asked_again(
        "POST",
        endpoint,
        b"12",
        b"345",
        Authorization=f"Bearer {alice.token()}",
        Upload_Length="4",
        Transfer_Encoding="chunked",
        **BYTES,
    )

    assert problem(answer) == (413, "upload_too_large")
    assert "connection" not in answer.headers


def test_bytes_with_the_creation_need_their_media_type(create):
    assert problem(create(10, b"x", Content_Type="text/plain")) == (415, "unsupported_media_type")


# Expiration


def test_every_answer_to_an_unfinished_upload_says_when_it_expires(create, house, url):
    for answer in (create(10), head(house, url), patch(house, url, 0, b"1")):
        at = parsedate_to_datetime(answer.headers["upload-expires"])
        assert at.timestamp() == house.clock() + 86_400
        assert answer.headers["upload-expires"].endswith("GMT")


def test_an_upload_of_rest_expires_with_its_url(alice, house, home):
    declared = alice.declare(home, "a.txt", 2).json()

    answer = patch(house, declared["url"], 0, b"1")

    at = parsedate_to_datetime(answer.headers["upload-expires"])
    assert at.timestamp() == house.clock() + 900


def test_an_upload_that_expired_is_gone(house, url):
    house.clock.advance(seconds=86_400)
    assert head(house, url).status_code == 410

    house.sweep()
    assert problem(patch(house, url, 0, b"1")) == (410, "upload_url_expired")


# Checksum


def test_a_checksum_that_is_there_twice_is_refused_and_not_passed_over(house, url):
    wrong = ("Upload-Checksum", f"sha256 {b64(sha256(b'other').digest())}")
    headers = [*BYTES.items(), ("Upload-Offset", "0"), wrong, wrong]

    assert problem(house.client.patch(url, content=b"hello", headers=headers)) == (
        400,
        "malformed_request",
    )
    assert head(house, url).headers["upload-offset"] == "0"


@pytest.mark.parametrize("kind", [sha1, md5, sha256])
def test_bytes_with_the_right_checksum_are_taken(house, url, kind):
    checksum = f"{kind().name} {b64(kind(b'123').digest())}"

    assert patch(house, url, 0, b"123", Upload_Checksum=checksum).status_code == 204
    assert head(house, url).headers["upload-offset"] == "3"


def test_bytes_with_another_checksum_are_thrown_away_and_can_be_sent_again(house, alice, home, url):
    patch(house, url, 0, b"123")
    checksum = f"sha256 {b64(sha256(b'4567890').digest())}"

    refused = patch(house, url, 3, b"wrongly", Upload_Checksum=checksum)

    assert problem(refused) == (460, "chunk_checksum_mismatch")
    assert head(house, url).headers["upload-offset"] == "3"
    assert listed(alice, home) == []
    done = patch(house, url, 3, b"4567890", Upload_Checksum=checksum)
    file = alice.get(done.headers["content-location"]).json()
    assert alice.get(f"files/{file['id']}/content").content == b"1234567890"


@pytest.mark.parametrize("checksum", ["crc32 AAAA", "sha1", "sha1 !", "SHA1 AAAA", "none"])
def test_a_checksum_that_is_not_supported_is_refused_and_nothing_is_taken(house, url, checksum):
    refused = patch(house, url, 0, b"123", Upload_Checksum=checksum)

    expected = (460, "chunk_checksum_mismatch") if checksum == "sha1" else None
    assert problem(refused) == (expected or (400, "checksum_unsupported"))
    assert head(house, url).headers["upload-offset"] == "0"


# Termination


def test_a_terminated_upload_is_gone_with_its_bytes(house, url):
    patch(house, url, 0, b"123")

    assert house.client.delete(url, headers=V1).status_code == 204

    house.sweep()
    assert house.stored_files() == []
    assert head(house, url).status_code == 410
    assert problem(patch(house, url, 3, b"4")) == (410, "upload_closed")


def test_the_url_of_an_upload_never_removes_the_file_that_came_of_it(house, alice, home, url):
    patch(house, url, 0, b"1234567890")

    assert problem(house.client.delete(url, headers=V1)) == (410, "upload_closed")
    assert listed(alice, home) == [("a.txt", 10)]


# Concatenation


@pytest.fixture
def parts(create, house):
    """Two partial uploads, whole: hello and world."""
    urls = []
    for content in (b"hello", b" world"):
        location = create(len(content), Upload_Concat="partial").headers["location"]
        assert patch(house, location, 0, content).status_code == 204
        urls.append(location)
    return urls


def test_a_partial_upload_is_never_a_file_and_says_what_it_is(parts, alice, house, home):
    for part in parts:
        answer = head(house, part)
        assert answer.headers["upload-concat"] == "partial"
        assert answer.headers["upload-offset"] == answer.headers["upload-length"]
    assert listed(alice, home) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1)])
def test_a_final_upload_is_its_parts_in_the_order_they_are_listed(
    create, parts, alice, house, home, order
):
    concatenation = f"final;{' '.join(parts[number] for number in order)}"
    metadata = f"filename {b64('greeting')}"
    expected = b"".join([b"hello", b" world"][number] for number in order)

    final = create(None, Upload_Concat=concatenation, Upload_Metadata=metadata)

    assert final.status_code == 201
    answer = head(house, final.headers["location"])
    assert answer.headers["upload-offset"] == answer.headers["upload-length"] == str(len(expected))
    assert answer.headers["upload-concat"] == concatenation
    assert answer.headers["upload-metadata"] == metadata
    assert listed(alice, home) == [("greeting", len(expected))]
    file = alice.get(final.headers["content-location"]).json()
    assert alice.get(f"files/{file['id']}/content").content == expected
    house.sweep()
    assert len(house.stored_files()) == 1


def test_parts_may_be_named_by_their_paths_alone(create, parts, alice, home):
    """Some clients leave the query out; whoever may join is known by the session."""
    paths = [part.partition("?")[0].removeprefix("http://127.0.0.1:8040") for part in parts]

    assert create(None, Upload_Concat=f"final;{' '.join(paths)}").status_code == 201
    assert listed(alice, home) == [("upload", 11)]


def test_a_final_upload_that_is_asked_for_again_is_the_same_one(create, parts, alice, home):
    """The answer may be lost, and the parts are gone by then."""
    concatenation = f"final;{' '.join(parts)}"
    first, again = (create(None, Upload_Concat=concatenation) for _ in range(2))

    assert again.status_code == 201
    for name in ("location", "content-location", "upload-offset"):
        assert again.headers[name] == first.headers[name]
    assert len(listed(alice, home)) == 1
    other = create(None, Upload_Concat=f"final;{parts[1]} {parts[0]}")
    assert problem(other) == (409, "upload_part_invalid")


def test_a_final_upload_takes_no_bytes(create, parts, house):
    location = create(None, Upload_Concat=f"final;{' '.join(parts)}").headers["location"]

    assert problem(patch(house, location, 11, b"x")) == (403, "upload_concatenated")
    assert problem(house.send(location, b"x" * 11)) == (403, "upload_concatenated")


def test_a_final_upload_with_a_length_is_refused(create, parts):
    refused = create(11, Upload_Concat=f"final;{' '.join(parts)}")

    assert problem(refused) == (400, "malformed_request")


@pytest.mark.parametrize("value", ["final;", "final; ", "maybe", "finally;x"])
def test_a_concatenation_of_another_form_is_refused(create, value):
    assert problem(create(None, Upload_Concat=value)) == (400, "malformed_request")


def test_what_is_no_part_of_ones_own_can_t_be_joined(create, parts, alice, bob, home, url):
    unfinished = create(5, Upload_Concat="partial").headers["location"]
    shared = alice.post("workspaces", name="Plans").json()["id"]
    elsewhere = alice.call(
        "POST",
        f"/transfer/workspaces/{shared}",
        content=b"x",
        headers=BYTES | {"Upload-Length": "1", "Upload-Concat": "partial"},
    ).headers["location"]
    forged = parts[0].replace("signature=", "signature=A")
    for bad in (unfinished, elsewhere, forged, url, "/transfer/up_none", "http://x", "//[", "x"):
        refused = create(None, Upload_Concat=f"final;{parts[0]} {bad}")
        assert problem(refused) == (409, "upload_part_invalid"), bad
    assert listed(alice, home) == []

    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    refused = bob.call(
        "POST",
        f"/transfer/workspaces/{shared}",
        headers=V1 | {"Upload-Concat": f"final;{elsewhere}"},
    )
    assert problem(refused) == (409, "upload_part_invalid")


def test_parts_and_whole_are_promised_once_and_used_once(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    home = alice.home()
    endpoint = f"/transfer/workspaces/{home}"
    headers = BYTES | {"Upload-Length": "5", "Upload-Concat": "partial"}
    parts = [
        alice.call("POST", endpoint, content=b"12345", headers=headers).headers["location"]
        for _ in range(2)
    ]

    final = alice.call("POST", endpoint, headers=V1 | {"Upload-Concat": f"final;{' '.join(parts)}"})

    assert final.status_code == 201
    assert alice.get(f"workspaces/{home}").json()["used_bytes"] == 10
    full = alice.declare(home, "b", 1)
    assert full.json()["reserved_bytes"] == 0


def test_a_concatenation_that_fails_leaves_its_parts_for_another_try(create, parts, alice, home):
    alice.upload(home, "taken", b"1")
    concatenation = f"final;{' '.join(parts)}"
    taken = f"filename {b64('taken')},on_conflict {b64('error')}"
    wrong = f"filename {b64('a')},checksum {b64('sha256:' + '0' * 64)}"

    assert problem(create(None, Upload_Concat=concatenation, Upload_Metadata=taken))[0] == 409
    assert problem(create(None, Upload_Concat=concatenation, Upload_Metadata=wrong))[0] == 422
    assert create(None, Upload_Concat=concatenation).status_code == 201


@pytest.mark.parametrize("after", ["declared", "held"])
def test_a_concatenation_that_a_crash_ended_comes_to_nothing_and_its_parts_stay(
    create, parts, alice, house, home, after
):
    """Whoever asks again makes another one; this one would hold its quota for a day."""
    from doorward.server.sweeper import recover
    from doorward.server.uploads import receiving

    store, concatenation = house.store(), f"final;{' '.join(parts)}"
    write = store.write

    async def crash(command):
        done = await write(command)
        held = isinstance(done, tuple) and isinstance(done[0], receiving.Hold)
        if held if after == "held" else isinstance(done, Upload):
            store.write = write
            raise asyncio.CancelledError
        return done

    store.write = crash
    with pytest.raises(concurrent.futures.CancelledError):
        create(None, Upload_Concat=concatenation)
    life = house.client.app._app
    house.client.portal.call(recover, life._store, life._blobs)

    full = alice.declare(home, "b", 50 << 30)
    assert full.json()["reserved_bytes"] == 11
    assert create(None, Upload_Concat=concatenation).status_code == 201


def test_a_concatenation_that_a_stop_ended_gives_its_promise_back(
    create, parts, alice, home, monkeypatch
):
    concatenation = f"final;{' '.join(parts)}"

    def stop(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as stopping:
        stopping.setattr(LocalBlobs, "read", stop)
        with pytest.raises(concurrent.futures.CancelledError):
            create(None, Upload_Concat=concatenation)

    full = alice.declare(home, "b", 50 << 30)
    assert full.json()["reserved_bytes"] == 11
    assert create(None, Upload_Concat=concatenation).status_code == 201


def test_an_empty_part_adds_nothing(create, parts):
    empty = create(0, Upload_Concat="partial").headers["location"]

    answer = create(None, Upload_Concat=f"final;{parts[0]} {empty} {parts[1]}")

    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "11")


def test_a_concatenation_of_too_many_parts_is_refused(create, parts):
    assert problem(create(None, Upload_Concat=f"final;{f'{parts[0]} ' * 501}")) == (
        400,
        "malformed_request",
    )


def test_a_plain_put_fills_a_part_too(create, alice, house, home):
    location = create(5, Upload_Concat="partial").headers["location"]

    assert house.send(location, b"hello").status_code == 204
    assert listed(alice, home) == []


# The pass, on every request


def requests(house, url):
    yield head(house, url)
    yield house.client.options(url)
    yield patch(house, url, 0, b"1")
    yield house.client.delete(url, headers=V1)


def test_a_revoked_session_ends_every_request_of_its_uploads(house, alice, home, create):
    location = create(10).headers["location"]
    trail = alice.get("audit", params={"workspace": home}).json()["data"]
    created = next(row for row in trail if row["action"] == "upload:create")
    house.standin.revoke(created["credential"]["id"])

    assert [answer.status_code for answer in requests(house, location)] == [404] * 4


def test_a_membership_that_ended_ends_every_request_of_its_uploads(house, alice, bob):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared = bob.declare(shared, "a.txt", 10).json()
    alice.delete(f"workspaces/{shared}/members/user_bob")

    assert [answer.status_code for answer in requests(house, declared["url"])] == [404] * 4


def test_a_role_that_is_too_weak_now_ends_every_request_of_its_uploads(house, alice, bob):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared = bob.declare(shared, "a.txt", 10).json()
    alice.patch(f"workspaces/{shared}/members/user_bob", role="viewer")

    assert [answer.status_code for answer in requests(house, declared["url"])] == [403] * 4


def test_a_forged_url_gets_nothing(house, url):
    forged = url.replace("signature=", "signature=A")

    assert [answer.status_code for answer in requests(house, forged)] == [403] * 4
    crowded = f"{url}&{'&'.join('a=1' for _ in range(20))}"
    assert [answer.status_code for answer in requests(house, crowded)] == [403] * 4


# Pages of other origins


def test_a_page_of_any_origin_may_use_a_signed_url_and_read_its_headers(house, url):
    asked = {"Origin": "https://pages.example", "Access-Control-Request-Method": "PATCH"}
    preflight = house.client.options(url, headers=asked)
    assert preflight.status_code == 204
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    for name in ("upload-offset", "tus-resumable", "content-type", "upload-checksum"):
        assert name in allowed

    for answer in (
        head(house, url, Origin="https://pages.example"),
        patch(house, url, 5, b"1", Origin="https://pages.example"),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "Upload-Offset" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://127.0.0.1:8040", True), ("https://pages.example", False)]
)
def test_only_a_page_of_an_authorized_party_may_create(house, endpoint, origin, allowed):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}

    preflight = house.client.options(endpoint, headers=asked)

    assert preflight.headers["vary"] == "Origin"
    found = preflight.headers.get("access-control-allow-origin")
    assert found == (origin if allowed else None)


def test_what_was_begun_by_one_protocol_is_finished_by_another(house, alice, home, url):
    patch(house, url, 0, b"123")
    draft = {"Content-Type": "application/partial-upload", "Upload-Offset": "3"}
    house.client.patch(url, content=b"45", headers=draft | {"Upload-Complete": "?0"})
    assert head(house, url).headers["upload-offset"] == "5"

    assert house.send(url, b"1234567890").status_code == 201
    assert listed(alice, home) == [("a.txt", 10)]


def test_rest_says_what_the_url_speaks(alice, home):
    assert alice.declare(home, "a", 1).json()["protocols"] == ["put", "tus", "ietf"]


@pytest.mark.parametrize("beyond", [1, 10_000_000])
def test_a_part_that_announces_too_much_costs_no_byte_that_was_acknowledged(house, url, beyond):
    assert patch(house, url, 0, b"1234").status_code == 204

    refused = patch(house, url, 4, b"x" * (6 + beyond))

    assert problem(refused) == (413, "upload_too_large")
    assert patch(house, url, 4, b"567890").status_code == 204
