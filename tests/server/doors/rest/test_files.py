import pytest

from support import problem


@pytest.fixture
def home(alice):
    return alice.home()


def folder(person, home, name, parent=None):
    made = person.post(f"workspaces/{home}/folders", name=name, parent_id=parent)
    assert made.status_code == 201, made.text
    return made.json()["id"]


def names(person, home, parent=None):
    params = {"parent_id": parent} if parent else {}
    rows = person.get(f"workspaces/{home}/files", params=params).json()["data"]
    return [row["name"] for row in rows]


def test_a_list_is_cut_in_pages_that_miss_and_repeat_nothing(alice, home):
    for number in range(7):
        folder(alice, home, f"f{number}")
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = alice.get(f"workspaces/{home}/files", params=params).json()
        seen += [row["name"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [f"f{number}" for number in range(7)]


@pytest.mark.parametrize(
    "cursor", ["x", "WyJcdWQ4MDAiLCJhIl0", "e30", "WyJhIl0", "A" * 3000, "WzEsMl0", "é"]
)
def test_a_cursor_that_the_list_did_not_give_is_refused(alice, home, cursor):
    answer = alice.get(f"workspaces/{home}/files", params={"cursor": cursor})

    assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize("path", ["versions", "audit"])
def test_a_cursor_of_another_kind_is_refused(alice, home, path):
    file = alice.upload(home, "a.txt", b"1")["id"]
    url = "audit" if path == "audit" else f"files/{file}/versions"

    answer = alice.get(url, params={"cursor": "WyJhYmMiXQ", "workspace": home})

    assert problem(answer) == (422, "invalid_request")


def test_a_second_folder_of_a_name_is_refused_and_exist_ok_gives_the_first(alice, home):
    first = folder(alice, home, "docs")

    again = alice.post(f"workspaces/{home}/folders", name="docs")
    same = alice.post(f"workspaces/{home}/folders", name="docs", exist_ok=True)

    assert problem(again) == (409, "name_taken")
    assert same.json()["id"] == first


def test_a_file_is_renamed_and_moved_at_once(alice, home):
    docs = folder(alice, home, "docs")
    file = alice.upload(home, "a.txt", b"1")["id"]

    moved = alice.patch(f"files/{file}", name="b.txt", parent_id=docs).json()

    assert (moved["name"], moved["parent_id"]) == ("b.txt", docs)
    assert names(alice, home) == ["docs"]
    assert names(alice, home, docs) == ["b.txt"]
    back = alice.patch(f"files/{file}", parent_id=None).json()
    assert back["parent_id"] is None


def test_a_move_never_lands_on_a_name_that_is_taken(alice, home):
    alice.upload(home, "a.txt", b"1")
    other = alice.upload(home, "b.txt", b"2")["id"]

    refused = alice.patch(f"files/{other}", name="a.txt")
    renamed = alice.patch(f"files/{other}", name="a.txt", on_conflict="rename")

    assert problem(refused) == (409, "name_taken")
    assert renamed.json()["name"] == "a (2).txt"


def test_a_folder_is_never_moved_into_itself(alice, home):
    outer = folder(alice, home, "outer")
    inner = folder(alice, home, "inner", outer)

    assert problem(alice.patch(f"files/{outer}", parent_id=inner)) == (409, "move_into_self")
    assert problem(alice.patch(f"files/{outer}", parent_id=outer)) == (409, "move_into_self")


def test_nothing_is_moved_into_another_workspace(alice, home):
    other = alice.post("workspaces", name="Other").json()["id"]
    there = folder(alice, other, "there")
    file = alice.upload(home, "a.txt", b"1")["id"]

    assert problem(alice.patch(f"files/{file}", parent_id=there)) == (409, "parent_invalid")


def test_folders_nest_only_so_deep(alice, home):
    parent = None
    for level in range(64):
        parent = folder(alice, home, f"d{level}", parent)

    deeper = alice.post(f"workspaces/{home}/folders", name="x", parent_id=parent)

    assert problem(deeper) == (422, "too_deep")


def test_the_bin_takes_a_folder_whole_and_gives_it_back_whole(alice, home):
    docs = folder(alice, home, "docs")
    file = alice.upload(home, "a.txt", b"kept", parent_id=docs)["id"]

    assert alice.delete(f"files/{docs}").status_code == 204
    assert problem(alice.get(f"files/{file}")) == (404, "file_not_found")
    assert problem(alice.get(f"files/{file}/content")) == (404, "file_not_found")
    binned = alice.get(f"workspaces/{home}/files", params={"bin": True}).json()["data"]
    assert [row["id"] for row in binned] == [docs]

    assert alice.post(f"files/{docs}/restore").json()["name"] == "docs"
    assert alice.get(f"files/{file}/content").content == b"kept"


def test_what_lay_in_the_bin_before_stays_there_when_its_folder_is_restored(alice, home):
    docs = folder(alice, home, "docs")
    old = alice.upload(home, "old.txt", b"1", parent_id=docs)["id"]
    alice.delete(f"files/{old}")
    alice.delete(f"files/{docs}")

    alice.post(f"files/{docs}/restore")

    assert names(alice, home, docs) == []
    assert alice.post(f"files/{old}/restore").json()["name"] == "old.txt"


def test_a_restored_name_that_was_taken_meanwhile_gets_a_number(alice, home):
    first = alice.upload(home, "a.txt", b"1")["id"]
    alice.delete(f"files/{first}")
    alice.upload(home, "a.txt", b"2")

    assert alice.post(f"files/{first}/restore").json()["name"] == "a (2).txt"


def test_something_not_in_the_bin_is_not_restored(alice, home):
    file = alice.upload(home, "a.txt", b"1")["id"]

    assert problem(alice.post(f"files/{file}/restore")) == (409, "not_in_bin")


def test_what_lies_in_a_binned_folder_is_restored_only_with_it(alice, home):
    docs = folder(alice, home, "docs")
    file = alice.upload(home, "a.txt", b"1", parent_id=docs)["id"]
    alice.delete(f"files/{docs}")

    assert problem(alice.post(f"files/{file}/restore")) == (409, "not_in_bin")


def test_an_overwritten_file_keeps_its_id_and_every_content(alice, home):
    first = alice.upload(home, "a.txt", b"one")
    second = alice.upload(home, "a.txt", b"two", on_conflict="replace")

    assert second["id"] == first["id"]
    versions = alice.get(f"files/{first['id']}/versions").json()["data"]
    assert [version["number"] for version in versions] == [2, 1]
    old = alice.get(f"files/{first['id']}/content", params={"version_id": versions[1]["id"]})
    assert old.content == b"one"
    back = alice.post(f"files/{first['id']}/restore", version_id=versions[1]["id"]).json()
    assert back["version"] == 3
    assert alice.get(f"files/{first['id']}/content").content == b"one"
    # A version that came back shares its bytes, so they are counted once.
    assert alice.get(f"workspaces/{home}").json()["used_bytes"] == 6


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "nul", "n\x00l", "x" * 300, "a\u202eb", ".", "", "a\\b", " x"]
)
def test_a_trick_in_a_name_is_refused_wherever_a_name_is_given(alice, home, name):
    file = alice.upload(home, "a.txt", b"1")["id"]

    for answer in (
        alice.post(f"workspaces/{home}/folders", name=name),
        alice.declare(home, name, 1),
        alice.patch(f"files/{file}", name=name),
        alice.post("workspaces", name=name),
    ):
        assert problem(answer) == (422, "name_invalid")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_request"),
        (b'{"name": 3}', 422, "invalid_request"),
        (b'{"nam": "x"}', 422, "invalid_request"),
        (b'["name"]', 422, "invalid_request"),
        (b"[" * 100_000, 400, "malformed_request"),
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, "request_too_large"),
        (b'{"name": "\xff"}', 400, "malformed_request"),
    ],
)
def test_a_body_of_another_form_gets_a_problem(alice, home, body, status, code):
    answer = alice.call(
        "POST",
        f"workspaces/{home}/folders",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert problem(answer) == (status, code)


def test_a_body_of_another_media_type_is_refused(alice, home):
    answer = alice.call(
        "POST",
        f"workspaces/{home}/folders",
        content=b"name=x",
        headers={"content-type": "text/plain"},
    )

    assert problem(answer) == (415, "unsupported_media_type")


def test_a_path_that_is_not_there_and_a_method_that_is_not_get_problems(alice):
    assert problem(alice.get("nothing/here")) == (404, "not_found")
    answer = alice.call("PUT", "me")
    assert problem(answer) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]
