from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.doors.transfer.headers import (
    Span,
    asked_spans,
    content_disposition,
    etag,
    is_previewed,
    representation_digest,
    unchanged,
)
from doorward.server.files.model import Content
from doorward.server.problems import PreconditionFailed, RangeNotSatisfiable

TEN = Content("k", 10, "blake3:aa", "text/plain")


CHANGED = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SEEN = "Thu, 01 Jan 2026 12:00:00 GMT"
BEFORE = "Thu, 01 Jan 2026 11:59:59 GMT"
AFTER = "Thu, 01 Jan 2026 12:00:01 GMT"


def asked_of(asked, content=TEN, *, later_seconds=60, **more):
    headers = {"range": asked} | {name.replace("_", "-"): value for name, value in more.items()}
    return asked_spans(headers, content, CHANGED, CHANGED + timedelta(seconds=later_seconds))


@pytest.mark.parametrize(
    ("asked", "spans"),
    [
        ("bytes=0-0", [Span(0, 1)]),
        ("bytes=2-5", [Span(2, 6)]),
        ("bytes=5-", [Span(5, 10)]),
        ("bytes=-3", [Span(7, 10)]),
        ("bytes=-30", [Span(0, 10)]),
        ("bytes=8-99", [Span(8, 10)]),
        ("BYTES=8-99", [Span(8, 10)]),
        ("bytes=0-1,3-4", [Span(0, 2), Span(3, 5)]),
        ("bytes=-2, 0-1", [Span(8, 10), Span(0, 2)]),
        ("bytes=0-1,99-", [Span(0, 2)]),
        ("bytes=0-1,,3-4,", [Span(0, 2), Span(3, 5)]),
    ],
)
def test_ranges_give_exactly_their_bytes_in_their_order(asked, spans):
    assert asked_of(asked) == spans


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=-", "items=0-1", "bytes=a-b", "bytes", "0-1", "bytes=0x1-", "bytes=0-1,x"],
)
def test_a_range_of_another_form_gives_the_whole(asked):
    assert asked_of(asked) is None


def test_more_ranges_or_bytes_than_the_file_is_worth_give_the_whole():
    many = ",".join(f"{n}-{n}" for n in range(17))

    assert asked_of("bytes=" + many, Content("k", 100, "blake3:aa", "text/plain")) is None
    assert asked_of("bytes=0-,0-") is None


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0", "bytes=10-,11-"])
def test_a_range_outside_the_file_is_not_satisfiable_and_says_the_size(asked):
    with pytest.raises(RangeNotSatisfiable) as refusal:
        asked_of(asked)

    assert refusal.value.headers["Content-Range"] == "bytes */10"


def test_a_range_bound_to_other_bytes_gives_the_whole_of_these():
    assert asked_of("bytes=0-1", if_range='"blake3:bb"') is None
    assert asked_of("bytes=0-1", if_range=f"W/{etag(TEN)}") is None
    assert asked_of("bytes=0-1", if_range=etag(TEN)) == [Span(0, 2)]


def test_a_range_bound_to_a_date_counts_where_the_date_tells_these_bytes_from_others():
    assert asked_of("bytes=0-1", if_range=SEEN) == [Span(0, 2)]
    assert asked_of("bytes=0-1", if_range=BEFORE) is None
    assert asked_of("bytes=0-1", if_range=AFTER) is None
    assert asked_of("bytes=0-1", if_range="yesterday") is None
    assert asked_of("bytes=0-1", if_range=SEEN, later_seconds=0.4) is None


RANGES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda r: f"{r[0]}-{r[1]}"),
        st.integers(0, 30).map(lambda first: f"{first}-"),
        st.integers(0, 30).map(lambda count: f"-{count}"),
    ),
    min_size=1,
    max_size=5,
)


def chosen(text, size):
    """Which bytes a range means, read off the words of RFC 9110, section 14.1.2."""
    first, last = text.split("-")
    if not first:
        return [at for at in range(size) if at >= size - int(last)]
    if last and int(last) < int(first):
        return None
    return [at for at in range(size) if at >= int(first) and (not last or at <= int(last))]


@given(ranges=RANGES, size=st.integers(0, 25))
def test_ranges_mean_what_the_standard_says(ranges, size):
    content = Content("k", size, "blake3:aa", "text/plain")
    meant = [chosen(text, size) for text in ranges]
    try:
        spans = asked_of("bytes=" + ",".join(ranges), content)
    except RangeNotSatisfiable:
        assert meant == [[] for _ in ranges]
        return
    if None in meant or sum(map(len, meant)) > size:
        assert spans is None
        return
    assert [list(range(span.start, span.stop)) for span in spans] == [one for one in meant if one]


@given(st.text(max_size=40))
def test_no_range_header_whatever_breaks_the_bounds(asked):
    try:
        spans = asked_of("bytes=" + asked)
    except RangeNotSatisfiable:
        return
    for span in spans or []:
        assert 0 <= span.start < span.stop <= TEN.size


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
    assert unchanged({"if-none-match": condition}, etag(TEN), CHANGED) is same


def test_without_a_condition_nothing_is_unchanged():
    assert unchanged({}, etag(TEN), CHANGED) is False


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({"if-modified-since": SEEN}, True),
        ({"if-modified-since": AFTER}, True),
        ({"if-modified-since": BEFORE}, False),
        ({"if-modified-since": "no date"}, False),
        ({"if-modified-since": SEEN, "if-none-match": '"x"'}, False),
        ({"if-match": etag(TEN)}, False),
        ({"if-match": "*"}, False),
        ({"if-match": etag(TEN), "if-unmodified-since": BEFORE}, False),
        ({"if-unmodified-since": SEEN}, False),
        ({"if-match": etag(TEN), "if-none-match": etag(TEN)}, True),
    ],
)
def test_conditions_are_judged_in_their_order(headers, same):
    assert unchanged(headers, etag(TEN), CHANGED) is same


@pytest.mark.parametrize(
    "headers",
    [
        {"if-match": '"x"'},
        {"if-match": f"W/{etag(TEN)}"},
        {"if-unmodified-since": BEFORE},
        {"if-match": '"x"', "if-none-match": etag(TEN)},
    ],
)
def test_a_condition_on_other_bytes_fails(headers):
    with pytest.raises(PreconditionFailed):
        unchanged(headers, etag(TEN), CHANGED)


def test_the_digest_of_the_whole_is_told_where_it_is_known():
    known = Content("k", 3, "blake3:aa", "text/plain", "sha256:" + sha256(b"abc").hexdigest())

    assert representation_digest(TEN) is None
    assert representation_digest(known) == (
        "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"
    )


@pytest.mark.parametrize(
    "kind", ["image/png", "text/plain; charset=x", "application/pdf", "VIDEO/MP4"]
)
def test_kinds_without_scripts_may_be_shown(kind):
    assert is_previewed(kind)


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "application/xml", "text/xml", "x"])
def test_kinds_that_may_carry_scripts_are_never_shown(kind):
    assert not is_previewed(kind)


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
