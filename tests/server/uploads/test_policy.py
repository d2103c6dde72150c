"""What may be put into a workspace is judged before a byte, and by the first bytes."""

import time

import pytest

from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.receiver import Part
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
    receiver = house.client.app._app._doors.transfer._receiver
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


@pytest.mark.parametrize("name", ["a" * 255, "." * 200 + "a", "a." * 120 + "a"])
def test_no_name_makes_a_policy_slow(alice, home, name):
    set_policy(alice, home, denied_extensions=["exe"] * 64, names="portable")
    began = time.perf_counter()

    alice.declare(home, name, 1)

    assert time.perf_counter() - began < 1
