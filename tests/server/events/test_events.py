import pytest

from server.doors.transfer.test_upload import MIB, cut
from support import problem


@pytest.fixture
def home(alice):
    return alice.home()


def happened(person, workspace: str, **params) -> list[dict]:
    return person.get("events", params={"workspace": workspace} | params).json()["data"]


def test_whatever_happens_to_files_and_uploads_is_told_in_order(alice, home):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()
    file = alice.upload(home, "a.txt", b"1", parent_id=folder["id"])
    alice.patch(f"files/{file['id']}", name="b.txt")
    alice.upload(home, "b.txt", b"2", parent_id=folder["id"], on_conflict="replace")
    alice.delete(f"files/{file['id']}")
    alice.post(f"files/{file['id']}/restore")

    told = [(event["type"], event["data"]["name"]) for event in happened(alice, home)]

    assert told == [
        ("folder.created", "docs"),
        ("upload.created", "a.txt"),
        ("file.created", "a.txt"),
        ("upload.completed", "a.txt"),
        ("file.updated", "b.txt"),
        ("upload.created", "b.txt"),
        ("file.updated", "b.txt"),
        ("upload.completed", "b.txt"),
        ("file.deleted", "b.txt"),
        ("file.restored", "b.txt"),
    ]


def test_of_an_uploads_progress_only_the_latest_is_told(alice, house, home):
    declared = alice.declare(home, "a.bin", 3 * MIB).json()
    for sent in (MIB, 2 * MIB):
        cut(house, declared["url"], b"x" * sent)

    progress = [one for one in happened(alice, home) if one["type"] == "upload.progress"]

    assert [one["data"]["received_bytes"] for one in progress] == [2 * MIB]
    assert progress[0]["subject_id"] == declared["id"]


@pytest.mark.parametrize("end", ["aborted", "expired", "failed"])
def test_an_upload_that_comes_to_nothing_is_told_with_the_reason(alice, house, home, end):
    declared = alice.declare(home, "a.txt", 1).json()
    if end == "aborted":
        alice.delete(f"uploads/{declared['id']}")
    elif end == "failed":
        house.send(declared["url"], b"too long")
    else:
        house.clock.advance(seconds=86_400)
        house.sweep()

    (ended,) = [one for one in happened(alice, home) if one["type"] == "upload.ended"]

    assert ended["data"]["status"] == end
    assert ended["data"]["file_id"] is None


def test_what_was_refused_is_not_told(alice, home):
    folder = alice.post(f"workspaces/{home}/folders", name="docs").json()
    before = happened(alice, home)

    assert problem(alice.patch(f"files/{folder['id']}", name="a/b"))[0] == 422
    assert problem(alice.declare(home, "docs", 1, on_conflict="error"))[0] == 409

    assert happened(alice, home) == before


def test_a_reader_goes_on_where_it_was(alice, home):
    for number in range(5):
        alice.post(f"workspaces/{home}/folders", name=f"f{number}")
    page = alice.get("events", params={"workspace": home, "limit": 3}).json()

    rest = alice.get(
        "events", params={"workspace": home, "limit": 3, "cursor": page["next_cursor"]}
    ).json()

    names = [one["data"]["name"] for one in page["data"] + rest["data"]]
    assert names == ["f0", "f1", "f2", "f3", "f4"]
    assert rest["next_cursor"] is None


def test_events_are_kept_for_seven_days(alice, house, home):
    alice.post(f"workspaces/{home}/folders", name="old")
    house.clock.advance(seconds=7 * 86_400 + 1)
    alice.post(f"workspaces/{home}/folders", name="new")

    house.sweep()

    assert [one["data"]["name"] for one in happened(alice, home)] == ["new"]


def test_nobody_reads_another_workspaces_events(alice, bob, home):
    alice.post(f"workspaces/{home}/folders", name="secret")

    assert problem(bob.get("events", params={"workspace": home})) == (404, "workspace_not_found")
