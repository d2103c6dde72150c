from base64 import b64encode
from email.parser import BytesParser
from hashlib import sha256

import pytest

from support import problem

TEN = b"0123456789"


@pytest.fixture(params=["disk", "s3"])
def house(request, house_with):
    """A house whose bytes are on the disk, and one whose bytes are in a bucket."""
    if request.param == "disk":
        return house_with()
    return house_with(**request.getfixturevalue("bucket").settings())


@pytest.fixture
def file(alice, house):
    file = alice.upload(alice.home(), "ten.txt", TEN, content_type="text/plain")
    house.sweep()  # what is kept elsewhere is read from there
    return file


def content_of(alice, file, **headers):
    return alice.call("GET", f"files/{file['id']}/content", headers=headers)


def test_a_download_says_what_it_is_and_is_harmless(alice, file):
    answer = content_of(alice, file)

    assert answer.content == TEN
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["etag"] == f'"{file["digest"]}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("attachment")


def test_an_uploaded_page_can_not_act_as_this_origin(alice):
    page = b"<script>alert(1)</script>"
    file = alice.upload(alice.home(), "x.html", page, content_type="text/html")

    answer = content_of(alice, file)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert answer.headers["content-disposition"] == 'attachment; filename="x.html"'


@pytest.mark.parametrize(
    ("asked", "part", "shown"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
    ],
)
def test_a_range_gives_its_part(alice, file, asked, part, shown):
    answer = content_of(alice, file, Range=asked)

    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == shown
    assert answer.headers["content-length"] == str(len(part))


def test_several_ranges_come_as_parts_that_any_mail_reader_takes_apart(alice, file):
    answer = content_of(alice, file, Range="bytes=0-1,7-")

    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + answer.content).get_payload()
    assert answer.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    assert [part.get_payload(decode=True) for part in parts] == [b"01", b"789"]
    assert [part["content-range"] for part in parts] == ["bytes 0-1/10", "bytes 7-9/10"]


def test_a_head_tells_what_a_get_would_and_sends_nothing(alice, file):
    got = content_of(alice, file)

    head = alice.call("HEAD", f"files/{file['id']}/content", headers={"Range": "bytes=0-1"})

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "last-modified", "content-type"):
        assert head.headers[name] == got.headers[name]


def test_a_condition_on_other_bytes_is_refused(alice, file):
    assert problem(content_of(alice, file, **{"If-Match": '"x"'})) == (412, "precondition_failed")
    old = {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert problem(content_of(alice, file, **old)) == (412, "precondition_failed")


def test_a_download_since_when_nothing_changed_is_not_sent_again(alice, file):
    seen = content_of(alice, file).headers["last-modified"]

    assert content_of(alice, file, **{"If-Modified-Since": seen}).status_code == 304


def test_the_digest_that_was_declared_is_told_with_the_bytes(alice):
    checksum = "sha256:" + sha256(TEN).hexdigest()
    file = alice.upload(alice.home(), "ten.txt", TEN, checksum=checksum)

    told = content_of(alice, file, Range="bytes=0-1").headers["repr-digest"]

    assert told == f"sha-256=:{b64encode(sha256(TEN).digest()).decode()}:"


def test_a_safe_kind_is_shown_in_place_under_a_policy_of_its_own(alice, file):
    answer = alice.get(f"files/{file['id']}/content", params={"disposition": "inline"})

    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_a_kind_that_may_carry_a_script_is_never_shown_in_place(alice, kind):
    file = alice.upload(alice.home(), "x", b"<script/>", content_type=kind)

    answer = alice.get(f"files/{file['id']}/content", params={"disposition": "inline"})

    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_range_outside_is_refused_with_the_size(alice, file):
    answer = content_of(alice, file, Range="bytes=10-")

    assert problem(answer) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */10"


def test_a_known_content_is_not_sent_again(alice, file):
    answer = content_of(alice, file, **{"If-None-Match": f'"{file["digest"]}"'})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{file["digest"]}"'


def test_an_empty_file_is_downloaded_empty(alice):
    file = alice.upload(alice.home(), "empty", b"")

    answer = content_of(alice, file)

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_large_file_comes_whole_and_in_order(alice, house):
    content = b"".join(number.to_bytes(4, "big") for number in range(1 << 20))
    file = alice.upload(alice.home(), "big.bin", content)
    house.sweep()

    assert content_of(alice, file).content == content
    part = content_of(alice, file, Range="bytes=1048570-3145740")
    assert part.content == content[1048570:3145741]


def test_a_folder_has_no_content(alice):
    folder = alice.post(f"workspaces/{alice.home()}/folders", name="docs").json()

    assert problem(content_of(alice, folder)) == (404, "file_not_found")


def test_lost_bytes_are_told_without_saying_where(request, alice, house, file):
    for stored in house.stored_files():
        stored.unlink()
    if house.client.app._app._blobs.remote:
        request.getfixturevalue("bucket").empty()

    answer = content_of(alice, file)

    assert problem(answer) == (502, "storage_failed")
    assert str(house.data) not in answer.text


def test_a_download_is_in_the_trail_before_the_first_byte(alice, file):
    content_of(alice, file)

    trail = alice.get("audit", params={"workspace": file["workspace_id"]}).json()["data"]

    row = next(row for row in trail if row["action"] == "file:download")
    assert (row["outcome"], row["resource"]["name"]) == ("allowed", "ten.txt")
