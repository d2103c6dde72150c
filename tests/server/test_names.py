import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.names import NAME_BYTES_MAX, checked_name
from doorward.server.problems import NameInvalid


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../up",
        "a/b",
        "a\\b",
        "/",
        "nul\x00inside",
        "line\nbreak",
        "tab\there",
        "\x7f",
        "x" * 300,
        "é" * 128,
        "CON",
        "con.txt",
        "Lpt1.tar.gz",
        "com¹",
        "aux .txt",
        " lead",
        "trail ",
        "dot.",
        "invoice\u202efdp.exe",
        "zero\u200bwidth",
        "\u2066isolate",
        "para\u2029graph",
        "half\ud800",
    ],
)
def test_a_name_that_is_a_trick_is_refused_with_its_rule(name):
    with pytest.raises(NameInvalid) as refusal:
        checked_name(name)

    assert refusal.value.detail.startswith("This name can't be used: it ")


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "report (final).pdf",
        ".env",
        "..hidden",
        "naïve café.txt",
        "日本語.md",
        "👩‍👩‍👧.png",
        "10:30 notes.txt",
        "console.log",
        "x" * NAME_BYTES_MAX,
    ],
)
def test_an_ordinary_name_in_any_language_is_kept(name):
    assert checked_name(name) == unicodedata.normalize("NFC", name)


def test_two_spellings_of_one_name_become_one():
    assert checked_name("e\u0301") == checked_name("\u00e9") == "\u00e9"


@given(st.text(max_size=400))
def test_any_text_is_refused_or_becomes_a_name_that_stays_what_it_is(text):
    try:
        name = checked_name(text)
    except NameInvalid:
        return
    assert checked_name(name) == name
    assert 0 < len(name.encode()) <= NAME_BYTES_MAX
    assert not {"/", "\\", "\x00"} & set(name)
