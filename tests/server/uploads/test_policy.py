"""What may be put into a workspace is judged before a byte, and by the first bytes."""

import time

import pytest

from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.part import Part
from doorward.server.doors.transfer.upload import PREFIX as TRANSFER
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.problems import MediaTypeRefused
from support import problem

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 2000
PAGE = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
def home(alice):
    return alice.home()


def set_policy(person, workspace, **policy):
    answer = person.patch(f"workspaces/{workspace}", policy=policy)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_policy_is_kept_shown_replaced_whole_and_taken_off(alice, home):
    shown = set_policy(alice, home, max_upload_bytes=10, denied_extensions=["exe"])
    assert shown["name"] == "Personal"
    assert shown["policy"]["max_upload_bytes"] == 10

    set_policy(alice, home, names="ascii")
    policy = alice.get(f"workspaces/{home}").json()["policy"]
    assert (policy["max_upload_bytes"], policy["names"]) == (None, "ascii")

    alice.patch(f"workspaces/{home}", name="Mine")
    assert alice.get(f"workspaces/{home}").json()["policy"]["names"] == "ascii"
    set_policy(alice, home)
    assert alice.declare(home, "ä.txt", 1).status_code == 201


def test_only_admins_change_a_policy(alice, bob, home):
    bob.home()
    alice.post(f"workspaces/{home}/members", user_id=bob.user_id, role="editor")

    answer = bob.patch(f"workspaces/{home}", policy={"max_files": 1})

    assert problem(answer) == (403, "permission_denied")


@pytest.mark.parametrize(
    "policy",
    [
        {"max_upload_bytes": -1},
        {"allowed_types": ["image"]},
        {"allowed_types": ["ima*/png"]},
        {"allowed_types": ["*/png"]},
        {"denied_extensions": [".exe"]},
        {"denied_extensions": ["(a+)+$"]},
        {"names": "(a+)+$"},
        {"name_bytes_max": 0},
        {"allowed_types": ["a/b"] * 65},
        {"pattern": "x"},
    ],
)
def test_a_policy_of_another_form_is_refused(alice, home, policy):
    answer = alice.patch(f"workspaces/{home}", policy=policy)

    assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("policy", "declared", "refusal", "said"),
    [
        ({"max_upload_bytes": 9}, {"size": 10}, (413, "upload_too_large"), "9"),
        (
            {"allowed_types": ["image/*", "text/plain"]},
            {"content_type": "application/pdf"},
            (415, "media_type_refused"),
            "image/*, text/plain",
        ),
        ({"denied_extensions": ["exe"]}, {"name": "a.EXE"}, (422, "policy_refused"), ".exe"),
        ({"denied_extensions": ["exe"]}, {"name": "a.exe.txt"}, (422, "policy_refused"), ".exe"),
        ({"max_files": 0}, {}, (422, "policy_refused"), "0"),
        ({"names": "ascii"}, {"name": "ä"}, (422, "policy_refused"), "ASCII"),
        ({"names": "portable"}, {"name": "a b"}, (422, "policy_refused"), "A to Z"),
        ({"name_bytes_max": 3}, {"name": "abcd"}, (422, "policy_refused"), "3"),
    ],
)
def test_a_declaration_over_a_limit_is_refused_and_says_which(
    alice, home, policy, declared, refusal, said
):
    set_policy(alice, home, **policy)

    answer = alice.declare(home, **({"name": "a.txt", "size": 1} | declared))

    assert problem(answer) == refusal
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("policy", "declared"),
    [
        ({"max_upload_bytes": 10}, {"size": 10}),
        ({"allowed_types": ["text/*"]}, {"content_type": "TEXT/PLAIN; charset=utf-8"}),
        ({"allowed_types": ["*/*"]}, {"content_type": "a/b"}),
        ({"denied_extensions": ["exe"]}, {"name": "exe"}),
        ({"max_files": 1}, {}),
        ({"names": "portable"}, {"name": "a-b_c.txt"}),
        ({"name_bytes_max": 4}, {"name": "abcd"}),
    ],
)
def test_a_declaration_at_the_limit_is_taken(alice, home, policy, declared):
    set_policy(alice, home, **policy)

    assert alice.declare(home, **({"name": "a.txt", "size": 1} | declared)).status_code == 201


def test_open_uploads_count_as_files_and_what_is_replaced_does_not(alice, home):
    set_policy(alice, home, max_files=2)
    alice.upload(home, "a.txt", b"1")
    begun = alice.declare(home, "b.txt", 1).json()

    assert problem(alice.declare(home, "c.txt", 1)) == (422, "policy_refused")
    assert alice.declare(home, "a.txt", 1, on_conflict="replace").status_code == 201
    alice.delete(f"uploads/{begun['id']}")
    assert problem(alice.declare(home, "c.txt", 1)) == (422, "policy_refused")


@pytest.mark.parametrize("cut", [None, 5, 2000])
def test_a_page_that_is_called_a_picture_is_refused_before_it_is_seen(alice, house, home, cut):
    body = PAGE + b" " * 4000
    declared = alice.declare(home, "a.png", len(body), content_type="image/png").json()

    def nothing():
        assert alice.get(f"workspaces/{home}/files").json()["data"] == []

    if cut is None:
        answer = house.send(declared["url"], body)
    else:
        answer = house.send_in_two(declared["url"], body[:cut], nothing, body[cut:])
    house.sweep()

    assert problem(answer) == (415, "media_type_refused")
    assert "image/png" in answer.json()["detail"]
    assert answer.json()["sniffed_type"] == "text/html"
    assert house.stored_files() == []
    assert alice.get(f"workspaces/{home}/files").json()["data"] == []
    assert alice.get(f"uploads/{declared['id']}").json()["status"] == "failed"


@pytest.mark.parametrize("first", [1, 500, 2000])
def test_first_bytes_that_came_in_another_request_are_judged_before_the_file_is_seen(
    alice, house, home, first
):
    body = PAGE + b" " * 4000
    upload = alice.declare(home, "a.png", len(body), content_type="image/png").json()["id"]
    receiver = dict(house.client.app._app._doors._app.below)[TRANSFER]._receiver
    from_ = Caller("", Credential("upload_url", upload), Origin("req"))

    async def send(start, stop):
        async def receive():
            return {"type": "http.request", "body": body[start:stop], "more_body": False}

        return await receiver.receive(upload, from_, Part(start), Incoming(receive))

    async def send_all():
        await send(0, first)
        await send(first, len(body))

    with pytest.raises(MediaTypeRefused):
        house.client.portal.call(send_all)
    house.sweep()

    assert alice.get(f"workspaces/{home}/files").json()["data"] == []
    assert house.stored_files() == []


def test_bytes_of_a_type_that_is_not_allowed_are_refused_whatever_they_are_called(
    alice, house, home
):
    set_policy(alice, home, allowed_types=["text/*"])
    declared = alice.declare(home, "a.txt", len(PNG), content_type="text/plain").json()

    assert problem(house.send(declared["url"], PNG)) == (415, "media_type_refused")


def test_a_policy_that_became_stricter_while_bytes_came_counts(alice, house, home):
    declared = alice.declare(home, "a.txt", 2).json()

    answer = house.send_in_two(
        declared["url"], b"1", lambda: set_policy(alice, home, denied_extensions=["txt"]), b"2"
    )

    assert problem(answer) == (422, "policy_refused")
    assert alice.get(f"workspaces/{home}/files").json()["data"] == []


def test_the_operators_limits_hold_in_every_workspace(house_with):
    house = house_with(
        DOORWARD_ALLOWED_TYPES="image/*, text/plain",
        DOORWARD_DENIED_EXTENSIONS="exe,scr",
        DOORWARD_FILES_MAX="1",
    )
    alice = house.person("alice")
    home = alice.home()
    set_policy(alice, home, allowed_types=["*/*"], max_files=100)

    plain = {"content_type": "text/plain"}
    assert problem(alice.declare(home, "a.pdf", 1, content_type="application/pdf"))[0] == 415
    assert problem(alice.declare(home, "a.exe", 1, **plain)) == (422, "policy_refused")
    assert alice.declare(home, "a.txt", 1, **plain).status_code == 201
    assert problem(alice.declare(home, "b.txt", 1, **plain)) == (422, "policy_refused")


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"denied_extensions": ["exe"]}, "virus.exe"),
        ({"names": "portable"}, "a b.txt"),
        ({"names": "ascii"}, "ä.txt"),
        ({"name_bytes_max": 6}, "abcd.txt"),
    ],
)
def test_a_file_is_not_renamed_to_what_could_not_be_uploaded(alice, home, policy, name):
    set_policy(alice, home, **policy)
    file = alice.upload(home, "a.txt", b"1")["id"]

    assert problem(alice.patch(f"files/{file}", name=name)) == (422, "policy_refused")
    assert alice.get(f"files/{file}").json()["name"] == "a.txt"


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"names": "portable"}, "a b"),
        ({"names": "ascii"}, "ä"),
        ({"name_bytes_max": 3}, "abcd"),
    ],
)
def test_folders_are_judged_by_the_rules_for_names_and_not_by_extensions(alice, home, policy, name):
    set_policy(alice, home, denied_extensions=["d"], **policy)

    refused = alice.post(f"workspaces/{home}/folders", name=name)
    folder = alice.post(f"workspaces/{home}/folders", name="a.d").json()["id"]

    assert problem(refused) == (422, "policy_refused")
    assert problem(alice.patch(f"files/{folder}", name=name)) == (422, "policy_refused")


def test_the_operators_extensions_hold_for_a_rename_too(house_with):
    house = house_with(DOORWARD_DENIED_EXTENSIONS="exe")
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"1")["id"]

    assert problem(alice.patch(f"files/{file}", name="a.exe")) == (422, "policy_refused")


def test_a_file_from_before_a_policy_stays_and_is_moved_under_its_name(alice, home):
    file = alice.upload(home, "a b.exe", b"1")["id"]
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    set_policy(alice, home, names="portable", denied_extensions=["exe"])

    moved = alice.patch(f"files/{file}", parent_id=folder, name="a b.exe")

    assert (moved.status_code, moved.json()["name"]) == (200, "a b.exe")
    assert problem(alice.patch(f"files/{file}", name="b b.exe")) == (422, "policy_refused")


def test_a_move_that_would_number_a_name_from_before_a_policy_is_refused(alice, home):
    file = alice.upload(home, "a b.txt", b"1")["id"]
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    alice.upload(home, "a b.txt", b"2", parent_id=folder)
    set_policy(alice, home, names="portable")

    answer = alice.patch(f"files/{file}", parent_id=folder, on_conflict="rename")

    assert problem(answer) == (422, "policy_refused")


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ({"names": "portable"}, "a.txt", "a-2.txt"),
        ({"names": "portable"}, "a", "a-2"),
        ({"names": "ascii"}, "a.txt", "a (2).txt"),
        ({"name_bytes_max": 10}, "abcdef.txt", "ab (2).txt"),
        ({"names": "portable", "name_bytes_max": 10}, "abcdef.txt", "abcd-2.txt"),
    ],
)
def test_a_number_for_a_name_that_is_taken_keeps_to_the_rules(alice, home, policy, first, second):
    set_policy(alice, home, **policy)
    alice.upload(home, first, b"1")

    assert alice.upload(home, first, b"2")["name"] == second
    other = alice.upload(home, "b", b"3")["id"]
    moved = alice.patch(f"files/{other}", name=first, on_conflict="rename")
    assert moved.json()["name"] == second.replace("2", "3")
    alice.delete(f"files/{other}")
    alice.upload(home, second.replace("2", "3"), b"4")
    restored = alice.post(f"files/{other}/restore")
    assert restored.status_code == 200, restored.text
    assert set(restored.json()["name"]) <= set(first + "-0123456789 ()")


def test_where_no_number_fits_a_name_that_is_taken_is_told_so(alice, home):
    set_policy(alice, home, name_bytes_max=4)
    alice.upload(home, "a", b"1")
    declared = alice.declare(home, "a", 1).json()
    other = alice.upload(home, "b", b"3")["id"]

    answer = alice.patch(f"files/{other}", name="a", on_conflict="rename")

    assert problem(answer) == (409, "name_taken")
    assert problem(alice.house.send(declared["url"], b"2")) == (409, "name_taken")


def test_nothing_comes_out_of_the_bin_over_the_number_of_files(alice, home):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    for name in ("1", "2"):
        alice.upload(home, name, b"x", parent_id=folder)
    alice.delete(f"files/{folder}")
    set_policy(alice, home, max_files=3)
    kept = alice.upload(home, "3", b"x")["id"]
    begun = alice.declare(home, "4", 1).json()["id"]

    assert problem(alice.post(f"files/{folder}/restore")) == (422, "policy_refused")
    assert alice.get(f"files/{folder}").status_code == 404
    alice.delete(f"uploads/{begun}")
    assert alice.post(f"files/{folder}/restore").status_code == 200
    alice.delete(f"files/{kept}")
    assert alice.upload(home, "5", b"x")["name"] == "5"
    assert problem(alice.post(f"files/{kept}/restore")) == (422, "policy_refused")


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_policy_refuses_by_now_stays_in_the_bin(alice, home, inside):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    file = alice.upload(home, "a.exe", b"1", parent_id=folder)["id"]
    binned = folder if inside else file
    alice.delete(f"files/{binned}")
    set_policy(alice, home, denied_extensions=["exe"])

    assert problem(alice.post(f"files/{binned}/restore")) == (422, "policy_refused")
    set_policy(alice, home)
    assert alice.post(f"files/{binned}/restore").status_code == 200


def test_uploads_that_replace_one_name_are_no_way_past_the_number_of_files(alice, house, home):
    set_policy(alice, home, max_files=1)
    file = alice.upload(home, "a", b"0")["id"]
    declared = [alice.declare(home, "a", 1, on_conflict="replace").json()["url"] for _ in range(2)]
    alice.patch(f"files/{file}", name="b")

    assert [problem(house.send(url, b"x")) for url in declared] == [(422, "policy_refused")] * 2
    names = [one["name"] for one in alice.get(f"workspaces/{home}/files").json()["data"]]
    assert names == ["b"]


def test_the_last_upload_that_was_promised_room_gets_it_beside_one_that_replaces(
    alice, house, home
):
    set_policy(alice, home, max_files=2)
    alice.upload(home, "a", b"0")
    new = alice.declare(home, "b", 1).json()["url"]
    again = alice.declare(home, "a", 1, on_conflict="replace").json()["url"]

    assert house.send(new, b"1").status_code == 201
    assert house.send(again, b"2").status_code == 201


@pytest.mark.parametrize("name", ["a" * 255, "." * 200 + "a", "a." * 120 + "a"])
def test_no_name_makes_a_policy_slow(alice, home, name):
    set_policy(alice, home, denied_extensions=["exe"] * 64, names="portable")
    began = time.perf_counter()

    alice.declare(home, name, 1)

    assert time.perf_counter() - began < 1
