"""A folder as a ZIP file: whole, of the size that was said, and safe to extract."""

import io
import subprocess
import zipfile
from datetime import UTC, datetime
from itertools import product
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.doors.transfer import archive, shared
from doorward.server.files import archiving
from doorward.server.files.archiving import Entry
from doorward.server.files.model import Content
from support import problem

BIG = bytes(range(256)) * (40 << 10)


@pytest.fixture
def tree(alice):
    """Docs/{plan.txt, Empty/, Deep/{ünï.bin}}, and something beside it."""
    home = alice.home()
    docs = alice.post(f"workspaces/{home}/folders", name="Docs").json()
    deep = alice.post(f"workspaces/{home}/folders", name="Deep", parent_id=docs["id"]).json()
    alice.post(f"workspaces/{home}/folders", name="Empty", parent_id=docs["id"])
    alice.upload(home, "plan.txt", b"plan", parent_id=docs["id"])
    alice.upload(home, "ünï.bin", BIG, parent_id=deep["id"])
    alice.upload(home, "beside.txt", b"not in it")
    return docs


def unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.testzip() is None
        return {info.filename: found.read(info) for info in found.infolist()}


def test_a_folder_comes_whole_and_as_large_as_was_said(alice, tree):
    answer = alice.get(f"files/{tree['id']}/zip")

    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == 'attachment; filename="Docs.zip"'
    assert unzipped(answer.content) == {
        "Docs/": b"",
        "Docs/plan.txt": b"plan",
        "Docs/Empty/": b"",
        "Docs/Deep/": b"",
        "Docs/Deep/ünï.bin": BIG,
    }


def test_another_program_extracts_it(alice, tree, tmp_path):
    (tmp_path / "docs.zip").write_bytes(alice.get(f"files/{tree['id']}/zip").content)

    subprocess.run(["unzip", "-q", "docs.zip"], cwd=tmp_path, check=True, env={"LANG": "C.UTF-8"})

    assert (tmp_path / "Docs/Deep/ünï.bin").read_bytes() == BIG
    assert (tmp_path / "Docs/Empty").is_dir()


def test_names_that_some_systems_take_for_one_are_told_apart(alice):
    home = alice.home()
    folder = alice.post(f"workspaces/{home}/folders", name="F").json()
    for name in ("a.txt", "A.txt", "A (2).txt"):
        alice.upload(home, name, name.encode(), parent_id=folder["id"])

    names = list(unzipped(alice.get(f"files/{folder['id']}/zip").content))

    assert len({name.casefold() for name in names}) == len(names) == 4


def test_names_that_differ_in_case_alone_are_each_numbered_once(alice, monkeypatch):
    """Guards against work that grows with the square of a folder."""
    home = alice.home()
    folder = alice.post(f"workspaces/{home}/folders", name="Alike").json()
    names = ["".join(letters) for letters in product("aA", "bB", "cC", "dD", "eE")]
    for name in names:
        alice.post(f"workspaces/{home}/folders", name=name, parent_id=folder["id"])
    numbers = []
    number = archiving.numbered
    monkeypatch.setattr(archiving, "numbered", lambda *of: numbers.append(of) or number(*of))

    found = unzipped(alice.get(f"files/{folder['id']}/zip").content)

    assert len({name.casefold() for name in found}) == len(names) + 1
    assert len(numbers) == len(names) - 1


def test_a_name_that_a_rule_of_today_refuses_leads_nowhere(alice, house, tree):
    async def spoil():
        from sqlalchemy import text

        await house.store().write(
            lambda tx: tx._connection.execute(
                text("UPDATE nodes SET name = '../../etc/passwd' WHERE name = 'plan.txt'")
            )
        )

    house.client.portal.call(spoil)

    names = unzipped(alice.get(f"files/{tree['id']}/zip").content)

    assert "Docs/unnamed" in names
    for name in names:
        path = PurePosixPath(name)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert "\\" not in name


def test_what_is_in_the_bin_is_not_in_the_archive(alice, tree):
    (plan,) = alice.get(
        f"workspaces/{tree['workspace_id']}/files",
        params={"parent_id": tree["id"], "name": "plan.txt"},
    ).json()["data"]
    alice.delete(f"files/{plan['id']}")

    assert "Docs/plan.txt" not in unzipped(alice.get(f"files/{tree['id']}/zip").content)
    alice.delete(f"files/{tree['id']}")
    assert problem(alice.get(f"files/{tree['id']}/zip")) == (404, "file_not_found")


def test_a_file_is_no_archive(alice):
    file = alice.upload(alice.home(), "a.txt", b"a")

    assert problem(alice.get(f"files/{file['id']}/zip")) == (409, "not_a_folder")


def test_a_folder_that_holds_too_much_is_refused_before_it_is_read(alice, tree, monkeypatch):
    monkeypatch.setattr("doorward.server.files.archiving.ENTRIES_MAX", 4)

    assert problem(alice.get(f"files/{tree['id']}/zip")) == (422, "folder_too_large")


def test_a_folder_larger_than_a_page_comes_whole(alice, monkeypatch):
    monkeypatch.setattr("doorward.server.files.archiving.PAGE_SIZE_MAX", 3)
    home = alice.home()
    folder = alice.post(f"workspaces/{home}/folders", name="F").json()
    for number in range(8):
        alice.post(f"workspaces/{home}/folders", name=f"f{number}", parent_id=folder["id"])

    assert len(unzipped(alice.get(f"files/{folder['id']}/zip").content)) == 9


def test_a_link_to_a_folder_gives_its_archive_once(alice, house, tree):
    link = alice.post(f"files/{tree['id']}/link", uses=1).json()

    head = house.client.head(link["url"])
    answer = house.client.get(link["url"])

    assert head.headers["content-length"] == str(len(answer.content))
    assert len(unzipped(answer.content)) == 5
    assert problem(house.client.get(link["url"])) == (410, "link_ended")


def test_a_folder_is_not_listed_before_the_password_was_right(alice, house, tree, monkeypatch):
    link = alice.post(f"files/{tree['id']}/link", password="open sesame").json()
    listed = []
    monkeypatch.setattr(shared, "opened_folder", lambda *of: listed.append(of))

    for password in ({}, {"Doorward-Link-Password": "wrong"}):
        answer = house.client.get(link["url"], headers=password)
        assert problem(answer) == (403, "link_password_needed")

    assert listed == []


def test_an_archive_under_way_is_cut_when_the_right_goes(alice, house, tree):
    link = alice.post(f"files/{tree['id']}/link").json()

    received, seconds = house.cut_after_first(
        link["url"], lambda: alice.delete(f"links/{link['id']}")
    )

    assert received < len(BIG)
    assert seconds < 1


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), max_size=40)
TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Sparse(io.RawIOBase):
    """A file of which only the length counts."""

    def __init__(self):
        self.length = 0

    def write(self, data):
        self.length += len(data)
        return len(data)

    def seekable(self):
        return False


@pytest.mark.parametrize("limit", [100, 1 << 31])
@given(entries=st.lists(st.tuples(NAMES, st.integers(0, 300) | st.none()), max_size=12))
def test_the_size_is_said_right_whatever_an_archive_holds(limit, entries):
    """The bound beyond which numbers are written large is lowered, so that both forms are met."""
    listed = [
        Entry(
            f"{n}{name}" + ("/" if size is None else ""),
            TIME,
            None if size is None else Content("k", size, "blake3:aa", "x"),
        )
        for n, (name, size) in enumerate(entries)
    ]
    made = Sparse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", limit)
        patch.setattr(archive, "ZIP64_LIMIT", limit)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as writer:
            for entry in listed:
                if entry.content is None:
                    writer.mkdir(archive._info(entry))
                else:
                    with writer.open(archive._info(entry), "w", force_zip64=True) as out:
                        out.write(bytes(entry.content.size))
        assert archive.archive_size(listed) == made.length


def test_no_name_leads_out_of_where_an_archive_is_unpacked_on_windows(alice):
    home = alice.home()
    folder = alice.post(f"workspaces/{home}/folders", name="C:").json()
    for name in ("a:b.txt", "a?b.txt"):
        alice.upload(home, name, b"content", parent_id=folder["id"])

    answer = alice.get(f"files/{folder['id']}/zip")

    assert list(unzipped(answer.content)) == ["C_/", "C_/a_b.txt", "C_/a_b (2).txt"]
