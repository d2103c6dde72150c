import asyncio
import sqlite3
import time
from hashlib import sha256

import pytest
from blake3 import blake3

from support import problem

MIB = 1 << 20


@pytest.fixture
def home(alice):
    return alice.home()


def test_bytes_come_back_as_they_were_sent_with_their_digest(alice, home):
    content = bytes(range(256)) * 5000

    file = alice.upload(home, "a.bin", content)

    assert file["size"] == len(content)
    assert file["digest"] == f"blake3:{blake3(content).hexdigest()}"
    assert alice.get(f"files/{file['id']}/content").content == content


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_every_size_around_a_chunk_is_stored_whole(alice, house, home, size):
    content = b"x" * size
    declared = alice.declare(home, "a.bin", size).json()

    def pieces():
        for start in range(0, size, 70_001):
            yield content[start : start + 70_001]

    sent = house.send(declared["url"], pieces())

    assert sent.status_code == 201
    assert alice.get(f"files/{sent.json()['id']}/content").content == content


def test_the_signed_url_takes_no_other_credential_and_shows_none(house, alice, home):
    declared = alice.declare(home, "a.txt", 1).json()

    assert alice.token() not in declared["url"]
    assert house.client.put(declared["url"], content=b"1").status_code == 201


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_a_declared_checksum_is_enforced(alice, house, home, algorithm):
    digest = {"sha256": sha256, "blake3": blake3}[algorithm](b"right").hexdigest()
    good = alice.declare(home, "a.txt", 5, checksum=f"{algorithm}:{digest}").json()
    bad = alice.declare(home, "b.txt", 5, checksum=f"{algorithm}:{digest}").json()

    assert house.send(good["url"], b"right").status_code == 201
    before = house.stored_files()
    assert problem(house.send(bad["url"], b"wrong")) == (422, "checksum_mismatch")
    assert house.stored_files() == before
    assert alice.get(f"uploads/{bad['id']}").json()["status"] == "failed"


def chunked(*parts: bytes):
    yield from parts


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"12345", (413, "upload_too_large")),
        (b"123", (422, "size_mismatch")),
        (lambda: chunked(b"12", b"345"), (413, "upload_too_large")),
        (lambda: chunked(b"1", b"2"), (422, "size_mismatch")),
        (lambda: chunked(b"x" * MIB, b"y" * MIB), (413, "upload_too_large")),
    ],
    ids=["longer", "shorter", "longer-chunked", "shorter-chunked", "much-longer"],
)
def test_a_body_of_another_size_leaves_no_file_and_no_bytes(alice, house, home, body, code):
    declared = alice.declare(home, "a.txt", 4).json()

    answer = house.send(declared["url"], body() if callable(body) else body)

    assert problem(answer) == code
    assert house.stored_files() == []
    assert alice.get(f"workspaces/{home}/files").json()["data"] == []
    assert alice.get(f"uploads/{declared['id']}").json()["status"] == "failed"


@pytest.mark.parametrize("parts", [[b"1", b"2"], [b"12", b"345"], [b"12345"]])
def test_a_refusal_waits_for_nothing_after_a_body_that_has_ended(house, alice, home, parts):
    declared = alice.declare(home, "a.txt", 4).json()

    answer = house.send_and_never_be_asked_again("PUT", declared["url"], *parts)

    assert answer.status_code in {413, 422}
    assert "connection" not in answer.headers  # which serves on


def test_a_large_body_over_its_size_leaves_no_bytes(alice, house, home):
    declared = alice.declare(home, "a.bin", 2 * MIB).json()

    answer = house.send(declared["url"], chunked(*[b"x" * MIB] * 3))

    assert problem(answer) == (413, "upload_too_large")
    assert house.stored_files() == []


def test_a_size_over_the_servers_limit_is_refused_before_a_url_is_given(house_with):
    house = house_with(DOORWARD_UPLOAD_BYTES_MAX="10")
    alice = house.person("alice")

    answer = alice.declare(alice.home(), "a.txt", 11)

    assert problem(answer) == (413, "upload_too_large")
    assert answer.json()["limit_bytes"] == 10


def test_a_size_over_the_quota_is_refused_and_says_by_how_much(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    alice.upload(alice.home(), "a.txt", b"123456")

    answer = alice.declare(alice.home(), "b.txt", 5)

    assert problem(answer) == (507, "quota_exceeded")
    asked = {name: answer.json()[name] for name in ("used_bytes", "quota_bytes", "asked_bytes")}
    assert asked == {"used_bytes": 6, "quota_bytes": 10, "asked_bytes": 5}


def test_two_uploads_that_fit_alone_do_not_pass_the_quota_together(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    home = alice.home()

    first, second = (alice.declare(home, name, 6) for name in ("a", "b"))

    assert first.status_code == 201
    assert problem(second) == (507, "quota_exceeded")
    assert second.json()["reserved_bytes"] == 6
    assert house.send(first.json()["url"], b"123456").status_code == 201
    assert problem(alice.declare(home, "b", 6)) == (507, "quota_exceeded")


@pytest.mark.parametrize("end", ["aborted", "expired", "failed"])
def test_what_was_promised_to_an_upload_that_came_to_nothing_is_free_again(house_with, end):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    home = alice.home()
    declared = alice.declare(home, "a", 10).json()
    assert problem(alice.declare(home, "b", 1)) == (507, "quota_exceeded")

    if end == "aborted":
        alice.delete(f"uploads/{declared['id']}")
    elif end == "failed":
        house.send(declared["url"], b"too long for it")
    else:
        house.clock.advance(seconds=86_400)
        house.sweep()

    assert alice.declare(home, "b", 10).status_code == 201


def test_an_expired_url_is_refused_and_renewed(alice, house, home):
    declared = alice.declare(home, "a.txt", 1).json()
    house.clock.advance(seconds=900)

    assert problem(house.send(declared["url"], b"1")) == (410, "upload_url_expired")
    renewed = alice.post(f"uploads/{declared['id']}/renew").json()
    assert house.send(renewed["url"], b"1").status_code == 201


def test_a_used_url_is_refused(alice, house, home):
    declared = alice.declare(home, "a.txt", 1).json()
    house.send(declared["url"], b"1")

    again = house.send(declared["url"], b"2")

    assert problem(again) == (410, "upload_closed")
    assert again.json()["upload_status"] == "complete"


@pytest.mark.parametrize(
    "tamper",
    [
        lambda url: url.replace("signature=", "signature=A"),
        lambda url: url.rpartition("&")[0],
        lambda url: url + "&signature=x",
        lambda url: url.replace("expires=", "expires=9"),
        lambda url: url.replace("/up_", "/up_a"),
        lambda url: url.partition("?")[0],
        lambda url: url.replace("expires=1", "expires=%C2%B2"),
    ],
)
def test_a_url_that_was_tampered_with_is_refused(alice, house, home, tamper):
    declared = alice.declare(home, "a.txt", 1).json()

    answer = house.send(tamper(declared["url"]), b"1")

    assert problem(answer) == (403, "upload_url_invalid")


@pytest.mark.parametrize("method", ["POST", "PROPFIND"])
def test_another_method_is_refused_and_told_which_ones_are_taken(alice, house, home, method):
    declared = alice.declare(home, "a.txt", 1).json()

    answer = house.client.request(method, declared["url"])

    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "OPTIONS, HEAD, GET, PUT, PATCH, DELETE"


def test_an_upload_dies_with_its_session(alice, house, home):
    token = alice.token()
    body = {"name": "a.txt", "size": 1}
    url = f"/api/v1/workspaces/{home}/uploads"
    declared = house.client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
    session_id = alice.get("audit", params={"workspace": home}).json()["data"][0]["credential"][
        "id"
    ]
    house.standin.revoke(session_id)

    answer = house.send(declared.json()["url"], b"1")

    assert problem(answer) == (404, "upload_not_found")
    assert house.stored_files() == []


def test_an_upload_outlives_the_token_that_bought_it(alice, house, home):
    declared = alice.declare(home, "a.txt", 1).json()
    house.clock.advance(seconds=600)

    assert house.send(declared["url"], b"1").status_code == 201


def test_an_upload_dies_with_the_membership(alice, bob, house):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared = bob.declare(shared, "a.txt", 1).json()
    alice.delete(f"workspaces/{shared}/members/user_bob")

    assert problem(house.send(declared["url"], b"1")) == (404, "upload_not_found")
    assert house.stored_files() == []


def test_a_demotion_while_bytes_come_is_judged_before_the_file_is_seen(alice, bob, house):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared = bob.declare(shared, "a.txt", 2).json()

    def demote():
        alice.patch(f"workspaces/{shared}/members/user_bob", role="viewer")

    answer = house.send_in_two(declared["url"], b"1", demote, b"2")

    assert problem(answer) == (403, "permission_denied")
    assert house.stored_files() == []
    assert alice.get(f"workspaces/{shared}/files").json()["data"] == []


def test_a_newer_request_takes_an_upload_over_from_an_older_one(alice, house, home):
    declared = alice.declare(home, "a.txt", 2).json()

    def newer():
        assert house.send(declared["url"], b"ne").status_code == 201

    older = house.send_in_two(declared["url"], b"o", newer, b"l")

    assert problem(older) == (409, "upload_superseded")
    listing = alice.get(f"workspaces/{home}/files").json()["data"]
    assert len(listing) == len(house.stored_files()) == 1
    assert alice.get(f"files/{listing[0]['id']}/content").content == b"ne"


def cut(house, url: str, first: bytes):
    """Send the first bytes of a body, then lose the connection."""
    messages = [
        {"type": "http.request", "body": first, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0) if len(messages) > 1 else messages[0]

    return asyncio.run(house._drive("PUT", url, receive))


@pytest.mark.parametrize("kept", [1, MIB - 1, MIB, 2 * MIB + 1])
def test_what_came_before_a_cut_is_kept_and_the_whole_is_sent_again_over_it(
    alice, house, home, kept
):
    content = bytes(range(256)) * (3 * MIB // 256)
    declared = alice.declare(home, "a.bin", len(content)).json()

    assert problem(cut(house, declared["url"], content[:kept])) == (400, "content_interrupted")
    found = alice.get(f"uploads/{declared['id']}").json()
    assert (found["status"], found["received_bytes"]) == ("pending", kept)

    file = house.send(declared["url"], content).json()
    assert file["digest"] == f"blake3:{blake3(content).hexdigest()}"
    assert alice.get(f"files/{file['id']}/content").content == content


@pytest.mark.parametrize("differs_at", [0, 1, MIB, 2 * MIB])
def test_other_bytes_than_those_before_a_cut_replace_them(alice, house, home, differs_at):
    before, content = b"a" * (2 * MIB + 1), b"a" * differs_at + b"b" * (3 * MIB - differs_at)
    declared = alice.declare(home, "a.bin", len(content)).json()
    cut(house, declared["url"], before)

    file = house.send(declared["url"], content).json()

    assert file["digest"] == f"blake3:{blake3(content).hexdigest()}"
    assert alice.get(f"files/{file['id']}/content").content == content


def test_another_whole_that_is_cut_too_leaves_what_is_the_same_and_what_came_of_it(
    alice, house, home
):
    declared = alice.declare(home, "a.bin", 4 * MIB).json()
    cut(house, declared["url"], b"a" * (3 * MIB))

    cut(house, declared["url"], b"a" * MIB + b"b" * MIB)

    content = b"a" * MIB + b"b" * (3 * MIB)
    assert alice.get(f"uploads/{declared['id']}").json()["received_bytes"] == 2 * MIB
    assert house.send(declared["url"], content).status_code == 201


def test_nobody_else_gets_the_url_of_an_upload(alice, bob):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared = alice.declare(shared, "a.txt", 1).json()

    assert bob.get(f"uploads/{declared['id']}").json()["url"] is None
    assert problem(bob.post(f"uploads/{declared['id']}/renew")) == (403, "permission_denied")
    assert alice.get(f"uploads/{declared['id']}").json()["url"] == declared["url"]


def test_an_upload_dies_with_the_organization_role_that_bought_it(house):
    editor = house.person("bob", org="acme", role="org:member")
    declared = editor.declare(editor.office(), "a.txt", 1).json()
    house.person("bob", org="acme", role="org:guest").get("me")

    assert problem(house.send(declared["url"], b"1")) == (403, "permission_denied")


def test_an_aborted_upload_takes_no_more_bytes(alice, house, home):
    declared = alice.declare(home, "a.txt", 1).json()

    assert alice.delete(f"uploads/{declared['id']}").status_code == 204
    assert problem(house.send(declared["url"], b"1")) == (410, "upload_closed")
    assert alice.get(f"uploads/{declared['id']}").json()["url"] is None
    assert problem(alice.delete(f"uploads/{declared['id']}")) == (410, "upload_closed")


def test_a_request_that_is_cancelled_while_its_row_is_written_loses_no_bytes(alice, house, home):
    """A stop whose patience ends must not remove what was committed a moment before."""
    declared = alice.declare(home, "a.txt", 2).json()
    store = house.store()
    write = store.write

    async def written_then_cancelled(command):
        done = await write(command)
        if isinstance(done, tuple):  # what finishing an upload gives
            raise asyncio.CancelledError
        return done

    store.write = written_then_cancelled
    with pytest.raises(asyncio.CancelledError):
        house.send_in_two(declared["url"], b"1", lambda: None, b"2")
    store.write = write

    (row,) = alice.get(f"workspaces/{home}/files").json()["data"]
    assert alice.get(f"files/{row['id']}/content").content == b"12"


def test_conflicts_are_settled_as_declared(alice, home):
    first = alice.upload(home, "a.txt", b"1")

    renamed = alice.upload(home, "a.txt", b"2", on_conflict="rename")
    replaced = alice.upload(home, "a.txt", b"3", on_conflict="replace")
    refused = alice.declare(home, "a.txt", 1, on_conflict="error")

    assert renamed["name"] == "a (2).txt"
    assert replaced["id"] == first["id"]
    assert problem(refused) == (409, "name_taken")


def test_a_file_never_replaces_a_folder(alice, house, home):
    alice.post(f"workspaces/{home}/folders", name="docs")
    declared = alice.declare(home, "docs", 1, on_conflict="replace").json()

    assert problem(house.send(declared["url"], b"1")) == (409, "name_taken")
    folder = alice.get(f"workspaces/{home}/files").json()["data"][0]["id"]
    alice.patch(f"files/{folder}", name="papers")
    assert house.send(declared["url"], b"1").json()["name"] == "docs"


def test_a_folder_that_went_to_the_bin_meanwhile_takes_no_file(alice, house, home):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    declared = alice.declare(home, "a.txt", 1, parent_id=folder).json()
    alice.delete(f"files/{folder}")

    assert problem(house.send(declared["url"], b"1")) == (409, "parent_invalid")
    assert alice.get(f"uploads/{declared['id']}").json()["received_bytes"] == 1
    alice.post(f"files/{folder}/restore")
    assert house.send(declared["url"], b"1").json()["parent_id"] == folder


def test_the_progress_and_the_file_are_read_by_the_uploads_id(alice, house, home):
    declared = alice.declare(home, "a.txt", 3, metadata={"team": "blue"}).json()
    assert (declared["status"], declared["received_bytes"]) == ("pending", 0)

    house.send(declared["url"], b"123")

    done = alice.get(f"uploads/{declared['id']}").json()
    assert (done["status"], done["received_bytes"]) == ("complete", 3)
    assert done["file"]["metadata"] == {"team": "blue"}


def test_every_attempt_leaves_who_what_how_much_and_whence(alice, house, home):
    declared = alice.declare(home, "a.txt", 3).json()
    house.send(declared["url"], b"12345")
    house.send(declared["url"].replace("signature=", "signature=A"), b"123")

    trail = alice.get("audit", params={"workspace": home}).json()["data"]

    rows = {row["action"]: row for row in reversed(trail) if row["resource"]["name"] == "a.txt"}
    assert rows["upload:create"]["outcome"] == "allowed"
    received = [row for row in trail if row["action"] == "upload:receive"]
    forged, too_large = received[0], received[1]
    assert (too_large["outcome"], too_large["reason"]) == ("failed", "upload_too_large")
    assert too_large["actor"] == {"type": "user", "id": "user_alice"}
    assert too_large["credential"]["type"] == "signed_link"
    assert too_large["details"] == {"size": 3}
    assert too_large["address"] == "testclient"
    assert (forged["outcome"], forged["actor"]["type"]) == ("denied", "anonymous")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a", "size": -1},
        {"name": "a", "size": 1.5},
        {"size": 1},
        {"name": "a", "size_max": -1},
        {"name": "a", "size": 1, "checksum": "md5:00"},
        {"name": "a", "size": 1, "checksum": "sha256:" + "A" * 64},
        {"name": "a", "size": 1, "content_type": "text/html\r\nX: y"},
        {"name": "a", "size": 1, "content_type": "nonsense"},
        {"name": "a", "size": 1, "on_conflict": "maybe"},
        {"name": "a", "size": 1, "metadata": {str(n): 1 for n in range(65)}},
        {"name": "a", "size": 1, "metadata": {"a": "\ud800"}},
        {"name": "a", "size": 1, "metadata": {"a": ["\ud800"]}},
        {"name": "a", "size": 1, "metadata": {"a": "x" * 20_000}},
        {"name": "a", "size": 1 << 60},
        {"name": "a", "size": 1, "extra": True},
    ],
)
def test_a_declaration_of_another_form_is_refused(alice, home, body):
    answer = alice.post(f"workspaces/{home}/uploads", **body)

    assert problem(answer) == (422, "invalid_request")


def test_a_crowd_that_waits_for_one_upload_keeps_nobody_else_from_the_disk(house, alice, home):
    declared = alice.declare(home, "a.bin", 5).json()
    blobs = house.client.app._app._blobs

    async def crowd_in() -> tuple[float, list]:
        first = blobs.receive(key_of(house, declared), sha256=False, forget=None)
        await first.open()
        crowd = [
            asyncio.create_task(house.drive("PUT", declared["url"], b"hello")) for _ in range(100)
        ]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await blobs.check()
        took = time.monotonic() - began
        await first.close()
        return took, await asyncio.gather(*crowd)

    took, answers = asyncio.run(crowd_in())

    assert took < 0.2
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 99


def key_of(house, declared) -> str:
    with sqlite3.connect(house.data / "doorward.db") as database:
        [(key,)] = database.execute("SELECT blob_key FROM uploads WHERE id = ?", (declared["id"],))
    return key
