"""The IETF's draft of resumable uploads, one test for each thing that it asks of a server."""

from base64 import b64encode
from hashlib import sha256

import pytest

from support import problem

PROBLEMS = "https://iana.org/assignments/http-problem-types"


@pytest.fixture
def home(alice):
    return alice.home()


@pytest.fixture
def endpoint(home):
    return f"/transfer/workspaces/{home}"


@pytest.fixture
def create(alice, endpoint):
    def create(content: bytes, complete: str, **headers: str):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Upload-Complete": complete} | headers
        return alice.call("POST", endpoint, content=content, headers=given)

    return create


@pytest.fixture
def url(create):
    """The upload resource of ten bytes."""
    disposition = 'inline; filename="a.txt"'
    begun = create(b"", "?0", Upload_Length="10", Content_Disposition=disposition)
    return begun.headers["location"]


def append(house, url, offset: int, content: bytes, complete: str = "?1", **headers: str):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {
        "Content-Type": "application/partial-upload",
        "Upload-Offset": str(offset),
        "Upload-Complete": complete,
    }
    return house.client.patch(url, content=content, headers=given | headers)


def offset(house, url) -> tuple[str, str]:
    answer = house.client.head(url)
    assert answer.status_code == 204
    return answer.headers["upload-offset"], answer.headers["upload-complete"]


def listed(alice, home) -> list[tuple[str, int]]:
    rows = alice.get(f"workspaces/{home}/files").json()["data"]
    return [(row["name"], row["size"]) for row in rows]


# Upload creation


def test_a_whole_in_one_request_is_answered_as_the_resource_answers(create, alice, home):
    done = create(b"12345", "?1", Content_Type="text/plain")

    assert (done.status_code, done.headers["upload-complete"]) == (201, "?1")
    assert done.json()["size"] == 5
    assert done.json()["content_type"] == "text/plain"
    assert listed(alice, home) == [("upload", 5)]


def test_an_empty_whole_is_a_file(create, alice, home):
    assert create(b"", "?1").status_code == 201
    assert listed(alice, home) == [("upload", 0)]


def test_a_first_part_is_answered_with_the_upload_resource_and_its_limits(
    create, house, alice, home
):
    begun = create(b"123", "?0", Upload_Length="10")

    assert (begun.status_code, begun.headers["upload-complete"]) == (201, "?0")
    assert begun.headers["upload-limit"] == f"max-size={50 << 30}, max-age=86400"
    assert offset(house, begun.headers["location"]) == ("3", "?0")
    assert listed(alice, home) == []


def test_the_resource_is_made_before_any_byte_comes(create, house):
    begun = create(b"", "?0", Upload_Length="10")

    assert offset(house, begun.headers["location"]) == ("0", "?0")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('inline; filename="a b.txt"', "a b.txt"),
        (
            "inline; filename=\"x\"; filename*=UTF-8''r%C3%A4ksm%C3%B6rg%C3%A5s.txt",
            "räksmörgås.txt",
        ),
        ("attachment", "upload"),
    ],
)
def test_the_name_is_that_of_the_content_disposition(create, alice, home, disposition, name):
    create(b"1", "?1", Content_Disposition=disposition)

    assert listed(alice, home) == [(name, 1)]


def test_a_digest_of_the_representation_is_enforced(create, alice, home):
    right = f"sha-256=:{b64encode(sha256(b'right').digest()).decode()}:"

    assert create(b"right", "?1", Repr_Digest=right).status_code == 201
    refused = create(b"wrong", "?1", Repr_Digest=right)

    assert problem(refused) == (422, "checksum_mismatch")
    assert refused.headers["upload-complete"] == "?1"  # of the processing: resuming can't help
    assert len(listed(alice, home)) == 1


def test_a_length_that_nobody_says_is_known_with_the_last_byte(create, house, alice, home):
    begun = create(b"123", "?0")
    url = begun.headers["location"]

    assert begun.status_code == 201
    assert "upload-length" not in house.client.head(url).headers
    assert append(house, url, 3, iter([b"45"]), "?0").status_code == 204
    assert append(house, url, 5, iter([b"67"]), "?1").status_code == 201
    assert listed(alice, home) == [("upload", 7)]


def test_the_length_may_come_with_any_part_and_is_kept_to(create, house, alice, home):
    url = create(b"123", "?0").headers["location"]

    assert append(house, url, 3, b"4", "?0", Upload_Length="6").status_code == 204
    assert house.client.head(url).headers["upload-length"] == "6"
    other = append(house, url, 4, b"5", "?0", Upload_Length="7")
    assert problem(other) == (400, "upload_length_inconsistent")
    assert append(house, url, 4, b"56").status_code == 201
    assert listed(alice, home) == [("upload", 6)]


def test_a_whole_sent_in_chunks_is_as_long_as_it_turns_out_to_be(create, alice, home):
    assert create(iter([b"12", b"345"]), "?1").status_code == 201
    assert listed(alice, home) == [("upload", 5)]


def test_a_full_quota_in_the_middle_says_that_the_rest_may_come_later(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    headers = {"Upload-Complete": "?0"}
    endpoint = f"/transfer/workspaces/{alice.home()}"
    url = alice.call("POST", endpoint, content=b"12345", headers=headers).headers["location"]
    other = alice.call("POST", endpoint, headers=headers | {"Upload-Length": "0"})
    assert other.status_code == 201
    sized = alice.declare(alice.home(), "a", 1)
    assert problem(sized) == (507, "quota_exceeded")  # promised ahead to the first
    assert house.client.delete(url).status_code == 204
    url = alice.call("POST", endpoint, headers=headers).headers["location"]
    taken = alice.declare(alice.home(), "a", 4).json()

    refused = append(house, url, 0, b"1234567", "?1")

    assert problem(refused) == (507, "quota_exceeded")
    assert refused.headers["upload-complete"] == "?0"
    assert alice.delete(f"uploads/{taken['id']}").status_code == 204
    assert append(house, url, 0, b"1234567", "?1").status_code == 201


def test_two_lengths_that_differ_are_inconsistent(create, alice, home):
    refused = create(b"123", "?1", Upload_Length="4")

    assert problem(refused) == (400, "upload_length_inconsistent")
    assert refused.json()["type"] == f"{PROBLEMS}#inconsistent-upload-length"
    assert listed(alice, home) == []


@pytest.mark.parametrize("name", ["Upload_Length", "Upload_Draft_Interop_Version"])
def test_a_field_with_a_value_that_it_can_t_have_counts_as_none(create, name):
    assert create(b"123", "?1", **{name: "many"}).status_code == 201


@pytest.mark.parametrize("value", ["?2", "true", "1", ""])
def test_a_completeness_that_is_no_boolean_creates_nothing(create, alice, home, value):
    assert problem(create(b"1", value))[0] in {400, 412}
    assert listed(alice, home) == []


def test_a_length_over_the_limit_is_refused_with_the_limit(house_with):
    house = house_with(DOORWARD_UPLOAD_BYTES_MAX="10")
    alice = house.person("alice")
    headers = {"Upload-Complete": "?0", "Upload-Length": "11"}

    refused = alice.call("POST", f"/transfer/workspaces/{alice.home()}", headers=headers)

    assert problem(refused) == (413, "upload_too_large")
    assert refused.headers["upload-limit"] == "max-size=10"


def test_the_limits_are_told_before_anything_is_created(house, endpoint):
    assert house.client.options(endpoint).headers["upload-limit"] == f"max-size={50 << 30}"


# Offset retrieval


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_state_is_told_with_length_limits_and_no_caching(house, url, method):
    append(house, url, 0, b"123", "?0")

    answer = house.client.request(method, url)

    assert answer.status_code == 204
    assert answer.headers["upload-offset"] == "3"
    assert answer.headers["upload-length"] == "10"
    assert answer.headers["upload-complete"] == "?0"
    assert answer.headers["upload-limit"] == f"max-size={50 << 30}, max-age=86400"
    assert answer.headers["cache-control"] == "no-store"


def test_the_end_of_life_never_moves_nearer(house, url):
    house.clock.advance(seconds=400)

    assert house.client.head(url).headers["upload-limit"].endswith("max-age=86000")


def test_a_complete_upload_says_so(house, url):
    append(house, url, 0, b"1234567890")

    assert offset(house, url) == ("10", "?1")


# Upload append


def test_a_part_is_acknowledged_and_the_last_one_answered_as_the_resource_answers(
    house, alice, home, url
):
    part = append(house, url, 0, b"12345", "?0")
    done = append(house, url, 5, b"67890", "?1")

    assert (part.status_code, part.headers["upload-complete"]) == (204, "?0")
    assert part.headers["upload-offset"] == "5"
    assert (done.status_code, done.headers["upload-complete"]) == (201, "?1")
    assert alice.get(f"files/{done.json()['id']}/content").content == b"1234567890"
    assert listed(alice, home) == [("a.txt", 10)]


def test_every_byte_without_a_word_that_it_is_complete_is_no_file_yet(house, alice, home, url):
    assert append(house, url, 0, b"1234567890", "?0").headers["upload-complete"] == "?0"
    assert offset(house, url) == ("10", "?0")
    assert listed(alice, home) == []

    done = append(house, url, 10, b"", "?1")

    assert (done.status_code, done.headers["upload-complete"]) == (201, "?1")
    assert listed(alice, home) == [("a.txt", 10)]


@pytest.mark.parametrize("given", [0, 2, 4, 10, 99])
def test_another_offset_is_a_conflict_that_says_the_right_one(house, url, given):
    append(house, url, 0, b"123", "?0")

    refused = append(house, url, given, b"x", "?0")

    assert problem(refused) == (409, "upload_offset_mismatch")
    assert refused.headers["upload-offset"] == "3"
    assert refused.headers["upload-complete"] == "?0"
    assert refused.json()["type"] == f"{PROBLEMS}#mismatching-upload-offset"
    assert refused.json()["expected-offset"] == 3
    assert refused.json()["provided-offset"] == given
    assert offset(house, url) == ("3", "?0")


@pytest.mark.parametrize(
    ("content", "complete", "headers"),
    [
        (b"12345", "?1", {}),  # says that these are all
        (b"12345678901", "?1", {}),
        (b"12345", "?0", {"Upload_Length": "11"}),
        (b"1234567890", "?1", {"Upload_Length": "9"}),
    ],
)
def test_another_length_than_before_is_inconsistent_and_changes_nothing(
    house, url, content, complete, headers
):
    refused = append(house, url, 0, content, complete, **headers)

    assert problem(refused) == (400, "upload_length_inconsistent")
    assert offset(house, url) == ("0", "?0")


def test_an_end_before_the_length_is_inconsistent_and_keeps_what_came(house, url):
    refused = append(house, url, 0, iter([b"123"]), "?1")

    assert problem(refused) == (400, "upload_length_inconsistent")
    assert offset(house, url) == ("3", "?0")


def test_bytes_beyond_the_length_end_the_upload(house, alice, home, url):
    refused = append(house, url, 0, iter([b"x" * 11]), "?0")

    assert problem(refused) == (413, "upload_too_large")
    assert "max-size" in refused.headers["upload-limit"]
    assert house.client.head(url).status_code == 410
    assert listed(alice, home) == []


@pytest.mark.parametrize("missing", ["Upload-Offset", "Upload-Complete"])
def test_a_part_without_its_headers_is_refused(house, url, missing):
    headers = {
        "Content-Type": "application/partial-upload",
        "Upload-Offset": "0",
        "Upload-Complete": "?0",
    }
    del headers[missing]

    assert problem(house.client.patch(url, content=b"1", headers=headers))[0] == 400


def test_bytes_for_a_complete_upload_are_refused(house, url):
    append(house, url, 0, b"1234567890")

    assert problem(append(house, url, 10, b"")) == (410, "upload_closed")


# Upload cancellation


def test_a_cancelled_upload_is_gone_with_its_bytes(house, url):
    append(house, url, 0, b"123", "?0")

    assert house.client.delete(url).status_code == 204

    house.sweep()
    assert house.stored_files() == []
    assert house.client.head(url).status_code == 410
    assert problem(append(house, url, 3, b"4", "?0")) == (410, "upload_closed")


def test_a_cancelled_upload_ends_whoever_still_writes(house, url):
    def cancel():
        assert house.client.delete(url).status_code == 204

    older = house.send_in_two(url, b"12345", cancel, b"67890")

    assert problem(older)[0] in {409, 410}
    assert house.stored_files() == []


# Concurrency


def test_an_offset_that_was_told_is_accepted_by_the_next_append(house, url):
    """An older request that seems to go on must not add to it afterwards."""
    told = set()

    def ask():
        told.add(offset(house, url))

    older = house.send_in_two(url, b"12345", ask, b"67890")

    assert problem(older) == (409, "upload_superseded")
    assert told == {("5", "?0")}
    assert append(house, url, 5, b"67890").status_code == 201
