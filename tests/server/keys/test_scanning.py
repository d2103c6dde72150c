"""Every planted key is found, wherever it stands and however the stream is cut; nothing else is."""

import os
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doorward.server.keys.format import PATTERN, mint_key, read_key
from doorward.server.keys.scanning import STARTS_CHARACTERS, Scanner, scan

KEY = mint_key("live").text
BASE32 = b"abcdefghijklmnopqrstuvwxyz234567"
near = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text("dw_liveabc234567\0", max_size=200).map(str.encode),
    st.integers(0, len(KEY) - 1).map(lambda size: KEY[:size].encode()),
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(
    before=near,
    after=near,
    environment=st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
    sizes=st.lists(st.integers(0, 120), max_size=20),
)
@example(b"dw_dw_", b"abc", "live", "utf-8", [])
@example(b"dw_live_" + b"a" * 61, b"", "live", "utf-8", [])
@example(b"x", b"\x30\x01", "live", "utf-16-be", [])
@settings(max_examples=500, deadline=None)
def test_a_planted_key_is_found_once_in_any_surroundings(
    before, after, environment, encoding, sizes
):
    planted = mint_key(environment).text

    found = list(scan(cut(before + planted.encode(encoding) + after, sizes)))

    assert [one.starts for one in found if one.environment == environment] == [planted[:7]]
    assert len(found) == 1


@given(st.lists(st.tuples(near, st.sampled_from(["utf-8", "utf-16-le"])), max_size=5), st.data())
@settings(max_examples=200, deadline=None)
def test_where_a_stream_is_cut_changes_nothing(parts, data):
    stream = b"".join(around + mint_key("test").text.encode(how) for around, how in parts)
    sizes = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))

    assert list(scan(cut(stream, sizes))) == list(scan([stream]))
    assert list(scan([bytes([byte]) for byte in stream])) == list(scan([stream]))


def test_of_a_million_strings_that_look_like_keys_none_is_taken_for_one():
    """Chance makes a right checksum once in 2^32 strings: here with a chance of 1 in 4,295."""
    chance = random.Random(8693)
    bodies = chance.randbytes(63_000_000).translate(BASE32 * 8)
    alike = b"\n".join(b"dw_live_" + bodies[at : at + 63] for at in range(0, len(bodies), 63))

    assert len(PATTERN.findall(alike[:7200].decode())) == 100
    assert list(scan(cut(alike, [1 << 20] * 80))) == []


@given(st.integers(0, len(KEY) - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789_-.Z"))
def test_a_key_with_a_typo_is_none(place, character):
    typo = KEY[:place] + character + KEY[place + 1 :]

    assert [one.starts for one in scan([typo.encode()])] == ([KEY[:7]] if typo == KEY else [])


def test_a_key_that_begins_within_a_candidate_is_found():
    inside = "dw_live_" + "a" * 61 + KEY
    assert PATTERN.match(inside)
    assert read_key(inside[:71]) is None

    assert len(list(scan([inside.encode()]))) == 1
    assert len(list(scan([(KEY * 3).encode()]))) == 3


def test_no_more_than_seven_characters_of_a_key_are_told():
    (found,) = scan([KEY.encode()])

    assert found.starts == KEY[:7]
    assert STARTS_CHARACTERS == 7
    assert KEY[8:12] not in repr(found)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("size", [7, 100, 1 << 20])
def test_it_says_line_and_column_as_an_editor_does(encoding, size):
    far = "\n" * 3000 + "x" * 1000
    text = f"ä = 1\nschlüssel = '{KEY}' # und {KEY}\n{far}{KEY}"
    if encoding in {"utf-16-le", "utf-16-be"}:
        text = f"\ufeff{text}"
    data = text.encode(encoding)

    found = list(scan(data[at : at + size] for at in range(0, len(data), size)))

    assert [(one.line, one.column) for one in found] == [(2, 14), (2, 93), (3003, 1001)]


def test_it_holds_no_more_than_a_piece_and_a_key():
    scanner = Scanner()
    for _ in range(50):
        scanner.feed(os.urandom(10_000))
        assert len(scanner._kept) < 200
