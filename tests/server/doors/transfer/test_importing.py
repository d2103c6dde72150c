"""Imports from real servers on loopback, which the operator of these houses allows."""

import threading
import time
from dataclasses import replace
from hashlib import sha256

import pytest

from origins import Origin, Untouched, head, page, redirect
from support import problem

MIB = 1 << 20


def soon(house):
    """Have what was cut tried again at once."""
    bounds = house.importer()._bounds
    each = replace(bounds.each, retry_seconds=(0.01, 0.01, 0.01))
    house.importer()._bounds = replace(bounds, each=each)
    return house


@pytest.fixture
def house(house_with):
    return soon(house_with(DOORWARD_OUTBOUND_ALLOW="127.0.0.2/32"))


@pytest.fixture
def home(alice):
    return alice.home()


@pytest.fixture
def origin():
    with Origin({}, host="127.0.0.2") as origin:
        yield origin


@pytest.fixture
def never():
    """An event that comes only after the test, so that no thread waits on."""
    event = threading.Event()
    yield event
    event.set()


def until(read, holds):
    """Look again until it is so: imports go on behind the answer."""
    give_up = time.monotonic() + 20
    while not holds(found := read()):
        assert time.monotonic() < give_up, found
    return found


def fetch(person, home, url, **more):
    return person.post(f"workspaces/{home}/imports", url=url, **more)


def ended(person, upload: dict) -> dict:
    return until(
        lambda: person.get(f"uploads/{upload['id']}").json(),
        lambda read: read["status"] not in {"pending", "receiving"},
    )


def imported(person, home, url, **more) -> dict:
    begun = fetch(person, home, url, **more)
    assert begun.status_code == 202, begun.text
    return ended(person, begun.json())


def content(person, upload: dict) -> bytes:
    assert upload["status"] == "complete", upload
    return person.get(f"files/{upload['file']['id']}/content").content


def test_a_url_becomes_a_file_with_what_its_server_says_of_it(alice, home, origin):
    body = bytes(range(256)) * 9000
    origin.pages["/a/plan.txt"] = page(body, Content_Type="text/plain; charset=utf-8")

    begun = fetch(alice, home, f"{origin.url}/a/plan.txt?token=secret")
    upload = ended(alice, begun.json())

    assert (begun.json()["size"], begun.json()["status"]) == (len(body), "receiving")
    assert content(alice, upload) == body
    assert upload["file"]["name"] == "plan.txt"
    assert upload["file"]["content_type"] == "text/plain; charset=utf-8"
    assert upload["received_bytes"] == len(body)


def test_what_the_caller_says_of_it_wins(alice, home, origin):
    origin.pages["/a"] = page(b"1", Content_Disposition='attachment; filename="b"')
    folder = alice.post(f"workspaces/{home}/folders", name="in").json()["id"]
    digest = f"sha256:{sha256(b'1').hexdigest()}"

    upload = imported(
        alice, home, f"{origin.url}/a",
        name="c.txt", parent_id=folder, content_type="text/x", checksum=digest, metadata={"k": 1},
    )  # fmt: skip

    file = upload["file"]
    assert (file["name"], file["parent_id"], file["content_type"]) == ("c.txt", folder, "text/x")
    assert (file["sha256"], file["metadata"]) == (digest, {"k": 1})


def test_an_empty_url_body_is_an_empty_file(alice, home, origin):
    origin.pages["/empty"] = page(b"")

    assert content(alice, imported(alice, home, f"{origin.url}/empty")) == b""


def test_progress_is_told_by_id_and_as_events(alice, home, origin):
    more = threading.Event()
    origin.pages["/a"] = lambda _: [head(Content_Length=2 * MIB), b"x" * MIB, more, b"y" * MIB]
    begun = fetch(alice, home, f"{origin.url}/a").json()

    half = until(
        lambda: alice.get(f"uploads/{begun['id']}").json(), lambda read: read["received_bytes"]
    )
    told = alice.get("events", params={"workspace": home}).json()["data"]
    more.set()
    ended(alice, begun)
    last = alice.get("events", params={"workspace": home}).json()["data"]

    assert half["received_bytes"] == MIB
    assert told[-1]["type"] == "upload.progress"
    assert told[-1]["data"]["received_bytes"] == MIB
    assert last[-1]["type"] == "upload.completed"


def test_a_cut_fetch_goes_on_where_it_was(alice, home, origin):
    body = bytes(range(256)) * 16384
    whole = page(body, ETag='"one"')
    cuts = iter([b"", b"x" * 10, b"x" * 10])

    def cutting(asked):
        pieces = whole(asked)
        if next(cuts, None) is None:
            return pieces
        return [pieces[0], pieces[1][:MIB], None]

    origin.pages["/a"] = cutting
    upload = imported(alice, home, f"{origin.url}/a")

    assert content(alice, upload) == body
    ranges = [asked.headers.get("range") for asked in origin.asked]
    starts = [int(r.removeprefix("bytes=").removesuffix("-")) for r in ranges[1:]]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[-1] > MIB
    assert {asked.headers["if-range"] for asked in origin.asked[1:]} == {'"one"'}


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_a_cut_fetch_of_bytes_that_nothing_names_begins_again(alice, home, origin, tag):
    body = b"ab" * MIB
    headers = {"ETag": tag} if tag else {}
    whole = page(body, **headers)
    first = iter([True])
    origin.pages["/a"] = lambda asked: (
        [whole(asked)[0], body[:MIB], None] if next(first, False) else whole(asked)
    )

    assert content(alice, imported(alice, home, f"{origin.url}/a")) == body
    assert [asked.headers.get("range") for asked in origin.asked] == [None, None]


def test_bytes_that_changed_in_between_are_never_mixed(alice, home, origin):
    old, new = b"old" * MIB, b"new" * MIB
    first = iter([True])
    origin.pages["/a"] = lambda asked: (
        [head(Content_Length=len(old), ETag='"old"'), old[:MIB], None]
        if next(first, False)
        else page(new, ETag='"new"')(asked)
    )

    assert content(alice, imported(alice, home, f"{origin.url}/a")) == new


def test_an_answer_of_another_range_or_size_is_not_taken(alice, house, home, origin):
    size = 2 * MIB
    for later, failure in (
        (
            [head(206, Content_Range=f"bytes 0-{size - 1}/{size}", Content_Length=size)],
            "upstream_failed",
        ),
        ([head(200, Content_Length=size + 1)], "upload_too_large"),
        ([head(200, Content_Length=size - 1)], "size_mismatch"),
    ):
        first = iter([True])

        def answer(_, later=later, first=first):
            if next(first, False):
                return [head(Content_Length=size, ETag='"t"'), b"x" * MIB, None]
            return later

        origin.pages["/a"] = answer
        upload = imported(alice, home, f"{origin.url}/a")
        assert (upload["status"], upload["failure"]) == ("failed", failure)
    house.sweep()
    assert house.stored_files() == []


def test_a_server_that_cuts_every_time_is_given_up_and_leaves_nothing(alice, house, home, origin):
    origin.pages["/lie"] = lambda _: [head(Content_Length=100), b"x", None]

    upload = imported(alice, home, f"{origin.url}/lie")

    assert (upload["status"], upload["failure"]) == ("failed", "content_interrupted")
    assert len(origin.asked) == 4
    house.sweep()
    assert house.stored_files() == []
    assert alice.get(f"workspaces/{home}/files").json()["data"] == []
    trail = alice.get("audit", params={"workspace": home}).json()["data"]
    entry = next(row for row in trail if row["action"] == "upload:receive")
    assert (entry["outcome"], entry["reason"]) == ("failed", "content_interrupted")
    assert entry["actor"]["id"] == alice.user_id


def test_a_wrong_checksum_ends_the_import(alice, home, origin):
    origin.pages["/a"] = page(b"1")

    upload = imported(alice, home, f"{origin.url}/a", checksum="sha256:" + "0" * 64)

    assert (upload["status"], upload["failure"]) == ("failed", "checksum_mismatch")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ([head(404, Content_Length=0)], (502, "upstream_failed")),
        ([head(206, Content_Length=0)], (502, "upstream_failed")),
        ([b"no http\r\n\r\n"], (502, "upstream_failed")),
        ([None], (502, "upstream_failed")),
        ([head(), b"x"], (422, "size_unknown")),
        ([head(Transfer_Encoding="identity"), b"x"], (502, "upstream_failed")),
        ([head(Content_Length=10**17)], (413, "upload_too_large")),
        ([head(Content_Length=40 << 30), b"x"], (507, "quota_exceeded")),
    ],
)
def test_what_can_not_be_taken_is_told_at_once_and_leaves_nothing(
    alice, house, home, origin, answer, code
):
    alice.declare(home, "promised", 20 << 30)
    origin.pages["/a"] = lambda _: answer

    assert problem(fetch(alice, home, f"{origin.url}/a")) == code
    assert house.stored_files() == []


CHUNKED = {"Transfer_Encoding": "chunked"}


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def test_an_answer_in_chunks_is_as_long_as_it_turns_out_to_be(alice, home, origin):
    body = bytes(range(256)) * 5000
    parts = [chunk(body[at : at + 100_000]) for at in range(0, len(body), 100_000)]
    origin.pages["/a"] = lambda _: [head(**CHUNKED), *parts, chunk(b"")]

    begun = fetch(alice, home, f"{origin.url}/a")
    upload = ended(alice, begun.json())

    assert begun.json()["size"] is None
    assert content(alice, upload) == body
    assert upload["size"] == len(body)


def test_an_answer_in_chunks_that_is_cut_is_no_file_and_is_tried_again(alice, home, origin):
    cut = [head(**CHUNKED), chunk(b"12345"), None]
    whole = [head(**CHUNKED), chunk(b"12345"), chunk(b"678"), chunk(b"")]
    answers = iter([cut, cut, whole])
    origin.pages["/a"] = lambda _: next(answers)

    assert content(alice, imported(alice, home, f"{origin.url}/a")) == b"12345678"

    origin.pages["/a"] = lambda _: cut
    failed = imported(alice, home, f"{origin.url}/a")
    assert (failed["status"], failed["file"]) == ("failed", None)


def test_a_cut_answer_in_chunks_goes_on_where_it_was_if_its_bytes_have_a_name(alice, home, origin):
    asked = []

    def answer(request):
        asked.append(request)
        if len(asked) == 1:
            return [head(ETag='"a"', **CHUNKED), chunk(b"12345"), None]
        rest = head(206, Content_Length=3, Content_Range="bytes 5-7/8", ETag='"a"')
        return [rest, b"678"]

    origin.pages["/a"] = answer
    upload = imported(alice, home, f"{origin.url}/a")

    assert len(asked) == 2
    assert content(alice, upload) == b"12345678"
    assert upload["size"] == 8


@pytest.mark.parametrize("span", ["bytes 5-7/*", "bytes 4-7/8", "bytes 5-6/8", "bytes 5-7/9", "x"])
def test_another_part_than_was_asked_for_is_not_taken(alice, home, origin, span):
    def answer(_):
        return next(answers)

    first = [head(ETag='"a"', **CHUNKED), chunk(b"12345"), None]
    wrong = [head(206, Content_Length=3, Content_Range=span, ETag='"a"'), b"678"]
    answers = iter([first, wrong, wrong, wrong])
    origin.pages["/a"] = answer

    assert imported(alice, home, f"{origin.url}/a")["status"] == "failed"


def test_an_answer_without_end_is_bounded_and_leaves_nothing(alice, house, home, origin):
    origin.pages["/a"] = lambda _: [head(**CHUNKED), *[chunk(b"x" * 100_000)] * 400]

    upload = imported(alice, home, f"{origin.url}/a", size_max=250_000)

    assert (upload["status"], upload["failure"]) == ("failed", "upload_too_large")
    house.sweep()
    assert house.stored_files() == []


def test_what_is_left_of_the_quota_bounds_the_fetch_and_all_of_it_comes_back(house_with, origin):
    house = soon(house_with(DOORWARD_OUTBOUND_ALLOW="127.0.0.2/32", DOORWARD_QUOTA_BYTES="250000"))
    alice = house.person("alice")
    home = alice.home()
    origin.pages["/a"] = lambda _: [head(**CHUNKED), *[chunk(b"x" * 100_000)] * 40]
    taken = alice.declare(home, "b", 100_000).json()["id"]

    upload = imported(alice, home, f"{origin.url}/a")

    assert (upload["status"], upload["failure"]) == ("failed", "upload_too_large")
    assert alice.delete(f"uploads/{taken}").status_code == 204
    assert alice.declare(home, "c", 250_000).status_code == 201


def test_nothing_inside_is_reached_and_the_attempt_is_in_the_trail(alice, home, origin):
    with Untouched() as inside:
        origin.pages["/away"] = redirect(f"http://127.0.0.1:{inside.port}/secret")
        for url in (
            f"http://127.0.0.1:{inside.port}/secret",
            f"http://localhost:{inside.port}/",
            f"{origin.url}/away",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "http://u:p@127.0.0.2/",
        ):
            answer = fetch(alice, home, url)
            assert problem(answer) == (422, "address_not_allowed")
            assert "127" not in answer.text.replace("request_id", "")[:200]
    trail = alice.get("audit", params={"workspace": home}).json()["data"]
    tried = [row for row in trail if row["action"] == "upload:import"]
    assert len(tried) == 6
    assert {(row["outcome"], row["reason"]) for row in tried} == {("failed", "address_not_allowed")}
    assert "secret" not in str(tried)


def test_nobody_without_the_right_makes_the_server_ask_for_anything(house, alice, home, origin):
    origin.pages["/a"] = page(b"1")
    alice.post(f"workspaces/{home}/members", user_id="user_bob", role="viewer")

    assert problem(fetch(house.person("bob"), home, f"{origin.url}/a"))[0] == 403
    assert problem(fetch(house.person("eve"), home, f"{origin.url}/a"))[0] == 404
    assert origin.asked == []


def slow(never):
    return lambda _: [head(Content_Length=2 * MIB), b"x" * MIB, never]


def test_a_revoked_session_ends_the_fetch_within_a_second(alice, house, home, origin, never):
    origin.pages["/a"] = slow(never)
    begun = fetch(alice, home, f"{origin.url}/a").json()
    trail = alice.get("audit", params={"workspace": home}).json()["data"]
    entry = next(row for row in trail if row["action"] == "upload:import")

    house.standin.revoke(entry["credential"]["id"])
    since = time.monotonic()
    upload = ended(alice, begun)

    assert (upload["status"], upload["failure"]) == ("failed", "upload_not_found")
    assert time.monotonic() - since < 1.0
    house.sweep()
    assert house.stored_files() == []


def test_a_lost_role_ends_the_fetch(house, alice, home, origin, never):
    alice.post(f"workspaces/{home}/members", user_id="user_bob", role="editor")
    origin.pages["/a"] = slow(never)
    begun = fetch(house.person("bob"), home, f"{origin.url}/a").json()

    alice.patch(f"workspaces/{home}/members/user_bob", role="viewer")
    upload = ended(alice, begun)

    assert (upload["status"], upload["failure"]) == ("failed", "permission_denied")


def test_giving_the_upload_up_stops_the_fetch(alice, house, home, origin, never):
    origin.pages["/a"] = slow(never)
    begun = fetch(alice, home, f"{origin.url}/a").json()

    assert alice.delete(f"uploads/{begun['id']}").status_code == 204

    until(lambda: house.importer()._running, lambda running: not running)
    assert alice.get(f"uploads/{begun['id']}").json()["status"] == "aborted"
    house.sweep()
    assert house.stored_files() == []
    assert alice.get(f"workspaces/{home}").json()["used_bytes"] == 0


def test_somebody_who_sends_the_bytes_takes_the_import_over(alice, house, home, origin, never):
    origin.pages["/a"] = slow(never)
    begun = fetch(alice, home, f"{origin.url}/a").json()

    sent = house.send(begun["url"], b"z" * (2 * MIB))

    assert sent.status_code == 201
    until(lambda: house.importer()._running, lambda running: not running)
    assert alice.get(f"uploads/{begun['id']}").json()["status"] == "complete"


def test_one_person_gets_so_many_imports_at_once_and_others_go_on(
    alice, house, home, origin, never
):
    origin.pages["/slow"] = slow(never)
    origin.pages["/a"] = page(b"1")
    for _ in range(4):
        assert fetch(alice, home, f"{origin.url}/slow").status_code == 202

    refused = fetch(alice, home, f"{origin.url}/a")

    assert problem(refused) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0
    bob = house.person("bob")
    assert imported(bob, bob.home(), f"{origin.url}/a")["status"] == "complete"


def test_a_stop_ends_imports_and_says_so(alice, house, home, origin, never):
    origin.pages["/a"] = slow(never)
    begun = fetch(alice, home, f"{origin.url}/a").json()

    house.client.portal.call(house.importer().close)

    upload = alice.get(f"uploads/{begun['id']}").json()
    assert (upload["status"], upload["failure"]) == ("failed", "server_stopped")
    house.sweep()
    assert house.stored_files() == []


def test_an_import_longer_than_it_may_take_is_ended(house_with, origin, never):
    house = house_with(DOORWARD_OUTBOUND_ALLOW="127.0.0.2/32", DOORWARD_IMPORT_SECONDS_MAX="1")
    alice = house.person("alice")
    origin.pages["/a"] = slow(never)

    upload = imported(alice, alice.home(), f"{origin.url}/a")

    assert (upload["status"], upload["failure"]) == ("failed", "upstream_failed")
