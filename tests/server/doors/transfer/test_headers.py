import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.doors.transfer.headers import (
    Span,
    asked_span,
    content_disposition,
    etag,
    unchanged,
)
from doorward.server.files.model import Content
from doorward.server.problems import RangeNotSatisfiable

TEN = Content("k", 10, "blake3:aa", "text/plain")


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-5", Span(2, 6)),
        ("bytes=5-", Span(5, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-30", Span(0, 10)),
        ("bytes=8-99", Span(8, 10)),
    ],
)
def test_one_range_gives_exactly_its_bytes(asked, span):
    assert asked_span({"range": asked}, TEN) == span


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-2",
        "bytes=-",
        "items=0-1",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes",
        "0-1",
        "bytes=0x1-",
    ],
)
def test_a_range_of_another_form_gives_the_whole(asked):
    assert asked_span({"range": asked}, TEN) is None


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_outside_the_file_is_not_satisfiable_and_says_the_size(asked):
    with pytest.raises(RangeNotSatisfiable) as refusal:
        asked_span({"range": asked}, TEN)

    assert refusal.value.headers["Content-Range"] == "bytes */10"


def test_a_range_bound_to_other_bytes_gives_the_whole_of_these():
    assert asked_span({"range": "bytes=0-1", "if-range": '"blake3:bb"'}, TEN) is None
    assert asked_span({"range": "bytes=0-1", "if-range": etag(TEN)}, TEN) == Span(0, 2)


@given(st.text(max_size=40))
def test_no_range_header_whatever_breaks_the_bounds(asked):
    try:
        span = asked_span({"range": "bytes=" + asked}, TEN)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= TEN.size


@pytest.mark.parametrize(
    ("condition", "same"),
    [
        ("*", True),
        ('"blake3:aa"', True),
        ('W/"blake3:aa"', True),
        ('"x", "blake3:aa"', True),
        ('"x"', False),
        ("blake3:aa", False),
    ],
)
def test_if_none_match_compares_tags_weakly(condition, same):
    assert unchanged({"if-none-match": condition}, etag(TEN)) is same


def test_without_a_condition_nothing_is_unchanged():
    assert unchanged({}, etag(TEN)) is False


def test_a_plain_name_is_offered_as_it_is():
    assert content_disposition("plan (2).pdf") == 'attachment; filename="plan (2).pdf"'


def test_a_name_in_any_script_is_offered_exactly_and_readably():
    assert content_disposition('a"b;é.txt') == (
        "attachment; filename=\"a_b;_.txt\"; filename*=UTF-8''a%22b%3B%C3%A9.txt"
    )


@given(
    st.text(min_size=1, max_size=60).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t))
)
def test_no_name_escapes_its_quotes_or_the_header(name):
    value = content_disposition(name)

    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
