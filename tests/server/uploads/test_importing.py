"""What an answer says of its bytes, and what of it is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.names import checked_name
from doorward.server.uploads.importing import media_type_of, name_of


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/a/b.txt?c=d/e.txt", None, "b.txt"),
        ("/a/%C3%A4%20b.txt", None, "ä b.txt"),
        ("/", None, "download"),
        ("/a/", None, "download"),
        ("/a/..", None, "download"),
        ("/a/%2e%2e%2fb", None, "b"),
        ("/a/con.txt", None, "download"),
        ("/a", "attachment", "a"),
        ("/a", 'attachment; filename="b.txt"', "b.txt"),
        ("/a", "inline; FILENAME = b.txt ; size=1", "b.txt"),
        ("/a", r'attachment; filename="b \"c\".txt"', 'b "c".txt'),
        ("/a", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("/a", r'attachment; filename="C:\\dir\\b.txt"', "b.txt"),
        ("/a", "attachment; filename=\"b\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("/a", "attachment; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("/a", "attachment; filename*=UTF-8''%00; filename=\"b\"", "b"),
        ("/a", 'attachment; filename="b\u202etxt.exe"', "a"),
        ("/a", 'attachment; filename=""', "a"),
        ("/a", 'attachment; filename="b', "a"),
    ],
)
def test_the_first_safe_name_is_taken(path, disposition, name):
    assert name_of(path, disposition) == name


@given(st.text(), st.one_of(st.none(), st.text(), st.text().map('filename="{}"'.format)))
def test_whatever_an_answer_says_the_name_is_a_safe_one(path, disposition):
    name = name_of(path, disposition)
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        (None, "application/octet-stream"),
        ("", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("text/ä", "application/octet-stream"),
        ("a/" + "b" * 300, "application/octet-stream"),
    ],
)
def test_a_type_is_taken_where_it_is_one(header, known):
    assert media_type_of(header) == known
