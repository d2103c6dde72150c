"""Uploads whose size is learned from what comes, and what they can't be used for."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.server.uploads import sizing
from support import problem

V1 = {"Tus-Resumable": "1.0.0"}
BYTES = V1 | {"Content-Type": "application/offset+octet-stream"}
MIB = 1 << 20


@pytest.fixture
def home(alice):
    return alice.home()


@pytest.fixture
def defer(alice, home):
    """Create an upload of unknown size with tus."""

    def defer(content: bytes = b"", *, query: str = "", **headers: str):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        given = BYTES | {"Upload-Defer-Length": "1"} | headers
        endpoint = f"/transfer/workspaces/{home}{query}"
        return alice.call("POST", endpoint, content=content, headers=given)

    return defer


@pytest.fixture
def begun(alice, home):
    """Declare an upload of unknown size with REST."""

    def begun(name="a.txt", **more: object) -> dict:
        answer = alice.post(f"workspaces/{home}/uploads", name=name, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return begun


def patch(house, url, offset: int, content: bytes, **headers: str):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    given = BYTES | {"Upload-Offset": str(offset)} | headers
    return house.client.patch(url, content=content, headers=given)


def head(house, url):
    return house.client.head(url, headers=V1).headers


def listed(alice, home) -> list[tuple[str, int]]:
    rows = alice.get(f"workspaces/{home}/files").json()["data"]
    return [(row["name"], row["size"]) for row in rows]


def reserved(house) -> int:
    """What is promised of all quotas, once the rows were seen to agree on it."""
    with closing(sqlite3.connect(house.data / "doorward.db")) as rows:
        (promised,) = rows.execute("SELECT sum(reserved_bytes) FROM workspaces").fetchone()
        open_ = "status IN ('pending', 'receiving')"
        query = f"SELECT coalesce(sum(promised_bytes), 0) FROM uploads WHERE {open_}"  # noqa: S608
        assert rows.execute(query).fetchone() == (promised,)
    return promised


# tus, creation-defer-length


def test_the_extension_is_told_of(house, home):
    spoken = house.client.options(f"/transfer/workspaces/{home}").headers

    assert "creation-defer-length" in spoken["tus-extension"].split(",")
    assert spoken["tus-max-size"] == str(50 << 30)


def test_a_length_is_deferred_until_a_patch_says_it(house, alice, home, defer):
    created = defer()
    url = created.headers["location"]

    assert created.status_code == 201
    assert head(house, url)["upload-defer-length"] == "1"
    assert "upload-length" not in head(house, url)
    assert patch(house, url, 0, b"12345").status_code == 204
    assert head(house, url)["upload-defer-length"] == "1"
    assert patch(house, url, 5, b"67", Upload_Length="9").status_code == 204
    assert head(house, url)["upload-length"] == "9"
    assert "upload-defer-length" not in head(house, url)
    done = patch(house, url, 7, b"89")

    assert done.headers["content-location"].startswith("/api/v1/files/")
    assert listed(alice, home) == [("upload", 9)]
    assert head(house, url)["upload-length"] == "9"


def test_a_length_alone_ends_an_upload_that_has_every_byte(house, alice, home, defer):
    url = defer(b"12345").headers["location"]

    assert patch(house, url, 5, b"", Upload_Length="5").headers["content-location"]
    assert listed(alice, home) == [("upload", 5)]


def test_nothing_at_all_may_turn_out_to_be_the_whole(house, alice, home, defer):
    url = defer().headers["location"]

    assert patch(house, url, 0, b"", Upload_Length="0").headers["content-location"]
    assert listed(alice, home) == [("upload", 0)]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Upload_Defer_Length": "0"}, (400, "malformed_request")),
        ({"Upload_Defer_Length": "2"}, (400, "malformed_request")),
        ({"Upload_Defer_Length": ""}, (400, "malformed_request")),
        ({"Upload_Length": "5"}, (400, "upload_length_inconsistent")),
    ],
)
def test_a_length_is_either_said_or_deferred(alice, defer, headers, code):
    assert problem(defer(**headers)) == code
    assert reserved(alice.house) == 0


def test_a_length_once_said_stays_and_is_not_less_than_what_is_there(house, defer):
    url = defer(b"12345").headers["location"]

    less = patch(house, url, 5, b"", Upload_Length="4")
    assert problem(less) == (400, "upload_length_inconsistent")
    assert head(house, url)["upload-defer-length"] == "1"
    assert patch(house, url, 5, b"", Upload_Length="7").status_code == 204
    other = patch(house, url, 5, b"", Upload_Length="8")
    assert problem(other) == (400, "upload_length_inconsistent")
    assert head(house, url)["upload-length"] == "7"


def test_parts_of_a_concatenation_may_learn_their_length_too(house, alice, home, defer):
    urls = [defer(Upload_Concat="partial").headers["location"] for _ in range(2)]
    early = {"Upload-Concat": f"final;{' '.join(urls)}"}
    endpoint = f"/transfer/workspaces/{home}"
    refused = alice.call("POST", endpoint, headers=V1 | early)
    assert problem(refused) == (409, "upload_part_invalid")

    assert patch(house, urls[0], 0, b"one", Upload_Length="3").status_code == 204
    assert house.client.put(urls[1], content=iter([b"tw", b"o"])).status_code == 204
    assert head(house, urls[1])["upload-length"] == "3"

    assert alice.call("POST", endpoint, headers=V1 | early).status_code == 201
    assert listed(alice, home) == [("upload", 6)]
    assert reserved(house) == 0


def test_a_final_upload_defers_nothing(defer):
    part = defer(b"1", Upload_Concat="partial").headers["location"]

    assert problem(defer(Upload_Concat=f"final;{part}")) == (400, "malformed_request")


# Plain PUT


@pytest.mark.parametrize(
    "body", [b"12345", lambda: iter([b"12", b"345"])], ids=["with a length", "in chunks"]
)
def test_whatever_arrived_is_the_size_once_the_body_ends(house, alice, home, begun, body):
    upload = begun()
    assert (upload["size"], upload["size_max"]) == (None, 50 << 30)

    sent = house.send(upload["url"], body() if callable(body) else body)

    assert sent.status_code == 201
    assert listed(alice, home) == [("a.txt", 5)]
    after = alice.get(f"uploads/{upload['id']}").json()
    assert (after["size"], after["size_max"], after["received_bytes"]) == (5, 5, 5)
    assert reserved(house) == 0


def test_a_body_that_is_cut_is_no_whole_and_may_be_sent_again(house, alice, home, begun):
    upload = begun()

    async def cut():
        messages = iter([{"type": "http.request", "body": b"12345", "more_body": True}])

        async def receive():
            return next(messages, {"type": "http.disconnect"})

        return await house._drive("PUT", upload["url"], receive)

    assert problem(asyncio.run(cut())) == (400, "content_interrupted")
    assert listed(alice, home) == []
    known = alice.get(f"uploads/{upload['id']}").json()
    assert (known["status"], known["size"], known["received_bytes"]) == ("pending", None, 5)
    assert house.send(upload["url"], iter([b"12345", b"678"])).status_code == 201
    assert listed(alice, home) == [("a.txt", 8)]


@pytest.mark.parametrize("whole", [b"123", b"999"], ids=["the same", "another"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_whole_shorter_than_what_is_there_makes_no_file_with_foreign_bytes(
    house, alice, home, begun, whole, announced
):
    upload = begun()
    assert patch(house, upload["url"], 0, b"12345").status_code == 204

    sent = house.send(upload["url"], whole if announced else iter([whole]))

    if whole == b"999" and not announced:  # from the first byte that differs on it is another one
        assert alice.get(f"files/{sent.json()['id']}/content").content == whole
        assert [path.stat().st_size for path in house.stored_files()] == [3]
    else:
        assert problem(sent) == (400, "upload_length_inconsistent")
        assert listed(alice, home) == []
        assert alice.get(f"uploads/{upload['id']}").json()["status"] == "pending"
        assert house.send(upload["url"], iter([b"123456"])).status_code == 201


def test_its_first_bytes_are_judged_however_few_they_are(house, alice, home, begun):
    upload = begun("a.png", content_type="image/png")

    sent = house.send(upload["url"], iter([b"<html>"]))

    assert problem(sent) == (415, "media_type_refused")
    assert listed(alice, home) == []


def test_a_checksum_is_enforced_without_a_size(house, alice, home, begun):
    upload = begun(checksum=f"sha256:{'0' * 64}")

    assert problem(house.send(upload["url"], iter([b"12"]))) == (422, "checksum_mismatch")
    assert listed(alice, home) == []


def test_straight_to_the_store_goes_nothing_of_unknown_size(house_with, bucket):
    house = house_with(**bucket.settings())
    alice = house.person("alice")

    refused = alice.post(f"workspaces/{alice.home()}/uploads", name="a", direct=True)

    assert problem(refused) == (411, "upload_length_required")


# How large it may become


def test_the_size_may_be_what_the_least_of_all_bounds_says(house_with):
    house = house_with(DOORWARD_UPLOAD_BYTES_MAX="70", DOORWARD_QUOTA_BYTES="100")
    alice = house.person("alice")
    home = alice.home()

    def most(**more) -> int:
        answer = alice.post(f"workspaces/{home}/uploads", name="a", **more)
        return answer.json()["size_max"]

    assert most() == 70
    assert most(size_max=60) == 60
    assert most(size_max=80) == 70
    assert alice.declare(home, "b", 50).status_code == 201
    assert most() == 50
    policy = {"max_upload_bytes": 40}
    assert alice.patch(f"workspaces/{home}", policy=policy).status_code == 200
    assert most() == 40


def test_nothing_of_unknown_size_begins_where_the_quota_is_full(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="0")
    alice = house.person("alice")

    refused = alice.post(f"workspaces/{alice.home()}/uploads", name="a")

    assert problem(refused) == (507, "quota_exceeded")


def test_a_declared_size_is_held_to_the_bound_of_whoever_declares_it(alice, home):
    assert problem(alice.declare(home, "a", 6, size_max=5)) == (413, "upload_too_large")
    assert alice.declare(home, "a", 5, size_max=5).status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"123456", lambda: iter([b"123", b"456"]), lambda: iter([b"x" * MIB] * 3)],
    ids=["announced", "in chunks", "much more"],
)
def test_more_than_the_bound_ends_the_upload_and_leaves_nothing(house, alice, begun, body):
    upload = begun(size_max=5)
    before = house.stored_files()

    sent = house.send(upload["url"], body() if callable(body) else body)

    assert problem(sent) == (413, "upload_too_large")
    assert sent.json()["limit_bytes"] == 5
    assert alice.get(f"uploads/{upload['id']}").json()["failure"] == "upload_too_large"
    assert house.stored_files() == before
    assert reserved(house) == 0


@pytest.mark.parametrize("said", [True, False])
def test_a_tus_client_can_t_pass_the_bound_either(house, defer, said):
    url = defer(query="?size_max=5").headers["location"]
    assert house.client.options(url).headers["tus-max-size"] == "5"
    assert house.client.options(url).headers["upload-limit"].startswith("max-size=5,")

    length = {"Upload_Length": "6"} if said else {}
    sent = patch(house, url, 0, b"" if said else b"123456", **length)

    assert problem(sent) == (413, "upload_too_large")


def test_a_policy_that_became_narrower_meanwhile_counts_at_the_end(house, alice, home, begun):
    upload = begun()
    policy = {"max_upload_bytes": 4}
    assert alice.patch(f"workspaces/{home}", policy=policy).status_code == 200

    assert problem(house.send(upload["url"], b"12345")) == (413, "upload_too_large")
    assert listed(alice, home) == []


# Quota


def test_what_stands_still_keeps_nothing_from_the_others(house, begun):
    for _ in range(3):
        begun()

    assert reserved(house) == 0


@pytest.mark.parametrize("end", ["abort", "over", "expire"])
def test_what_was_promised_ahead_comes_back_when_the_upload_ends(house, clock, begun, end):
    upload = begun(size_max=10)
    other = begun("b")
    assert patch(house, upload["url"], 0, b"12345").status_code == 204
    assert patch(house, other["url"], 0, b"12345").status_code == 204
    assert reserved(house) == 10 + 5 + sizing.STEP_BYTES

    if end == "abort":
        assert house.client.delete(upload["url"]).status_code == 204
    elif end == "over":
        assert patch(house, upload["url"], 5, iter([b"678", b"901"])).status_code == 413
    else:
        clock.advance(seconds=86_401)
        house.sweep()

    assert reserved(house) == (0 if end == "expire" else 5 + sizing.STEP_BYTES)


def test_uploads_side_by_side_never_hold_more_than_the_quota(house_with, monkeypatch):
    monkeypatch.setattr(sizing, "STEP_BYTES", 64)
    house = house_with(DOORWARD_QUOTA_BYTES="1100")
    alice = house.person("alice")
    home = alice.home()
    urls = [alice.post(f"workspaces/{home}/uploads", name=f"{n}").json()["url"] for n in range(8)]
    offsets = dict.fromkeys(urls, 0)
    refused = 0
    for _ in range(3):
        for url in urls:
            sent = patch(house, url, offsets[url], b"x" * 50)
            assert sent.status_code in {204, 507}
            offsets[url] += 50 if sent.status_code == 204 else 0
            refused += sent.status_code == 507
            assert sum(offsets.values()) <= reserved(house) <= 1100

    assert refused > 0
    assert sum(path.stat().st_size for path in house.stored_files()) <= 1100
    for url in urls:
        done = patch(house, url, offsets[url], b"", Upload_Length=str(offsets[url]))
        assert done.status_code == 204
    assert reserved(house) == 0
    used = alice.get(f"workspaces/{home}").json()["used_bytes"]
    assert 900 <= used <= 1100


def test_all_at_once_they_never_hold_more_than_the_quota(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES=str(1 * MIB))
    alice = house.person("alice")
    home = alice.home()
    urls = [alice.post(f"workspaces/{home}/uploads", name=f"{n}").json()["url"] for n in range(6)]

    async def one(url):
        parts = iter([b"x" * 100_000] * 4)

        async def receive():
            await asyncio.sleep(0)
            part = next(parts, None)
            return {"type": "http.request", "body": part or b"", "more_body": part is not None}

        return (await house._drive("PUT", url, receive)).status_code

    async def all_of_them():
        return await asyncio.gather(*(one(url) for url in urls))

    codes = sorted(asyncio.run(all_of_them()))

    assert set(codes) <= {201, 507}
    used = alice.get(f"workspaces/{home}").json()["used_bytes"]
    assert used == 400_000 * codes.count(201)
    assert used + reserved(house) <= MIB
    assert sum(path.stat().st_size for path in house.stored_files()) <= MIB


def test_a_size_that_is_said_is_promised_at_once_or_not_taken(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="100")
    alice = house.person("alice")
    home = alice.home()
    url = alice.post(f"workspaces/{home}/uploads", name="a").json()["url"]
    taken = alice.declare(home, "b", 60).json()

    refused = patch(house, url, 0, b"1", Upload_Length="41")

    assert problem(refused) == (507, "quota_exceeded")
    assert reserved(house) == 60
    assert alice.delete(f"uploads/{taken['id']}").status_code == 204
    assert patch(house, url, 0, b"1", Upload_Length="41").status_code == 204
    assert reserved(house) == 41


def test_the_events_and_the_trail_say_the_size_once_it_is_known(house, alice, home, begun):
    upload = begun()
    assert house.send(upload["url"], b"12345").status_code == 201

    events = alice.get("events", params={"workspace": home}).json()["data"]
    sizes = {e["type"]: e["data"]["size"] for e in events if e["type"].startswith("upload.")}
    assert sizes["upload.created"] is None
    assert sizes["upload.completed"] == 5


STEPS = st.lists(st.tuples(st.sampled_from(["tus", "draft"]), st.integers(0, 40)), max_size=5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, end=st.sampled_from(["tus", "draft", "put"]), rest=st.integers(0, 40))
def test_in_whichever_order_it_is_sent_the_file_is_what_was_sent(
    house, alice, begun, steps, end, rest
):
    url, content = begun("mixed")["url"], b""
    source = bytes(range(256)) * 2

    def more(size):
        return source[len(content) : len(content) + size]

    draft = {"Content-Type": "application/partial-upload"}
    for kind, size in steps:
        given = {"Upload-Offset": str(len(content))}
        if kind == "tus":
            sent = house.client.patch(url, content=more(size), headers=BYTES | given)
        else:
            headers = draft | given | {"Upload-Complete": "?0"}
            sent = house.client.patch(url, content=iter([more(size)]), headers=headers)
        assert sent.status_code == 204, sent.text
        content += more(size)
    given = {"Upload-Offset": str(len(content))}
    if end == "put":
        sent = house.send(url, iter([content, more(rest)]))
    elif end == "draft":
        headers = draft | given | {"Upload-Complete": "?1"}
        sent = house.client.patch(url, content=iter([more(rest)]), headers=headers)
    else:
        length = {"Upload-Length": str(len(content) + len(more(rest)))}
        sent = house.client.patch(url, content=more(rest), headers=BYTES | given | length)
    content += more(rest)

    assert sent.status_code in {201, 204}, sent.text
    file_id = sent.headers.get("content-location", sent.headers.get("location"))
    if file_id is None:
        file_id = f"/api/v1/files/{sent.json()['id']}"
    got = alice.get(f"{file_id}/content").content
    assert got == content
    assert reserved(house) == 0
