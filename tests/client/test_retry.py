from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.client.retry import RetryPolicy, retry_after_seconds

CALM = RetryPolicy(draw=lambda: 1.0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 500, 502, 507])
def test_an_answer_that_asking_again_does_not_change_stands(status):
    assert CALM.wait_after_status(1, status, "1") is None


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_says_later_is_followed_as_it_says(status):
    assert CALM.wait_after_status(1, status, "7") == 7.25
    assert CALM.wait_after_status(1, status, None) == 0.5
    assert CALM.wait_after_status(5, status, "7") is None
    assert CALM.wait_after_status(1, status, "31") is None


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("DELETE", True), ("POST", False)])
def test_a_broken_connection_is_tried_again_only_where_that_does_no_harm(method, again):
    assert (CALM.wait_after_break(1, method) is not None) is again
    assert CALM.wait_after_break(5, method) is None


@given(st.integers(1, 60), st.floats(0, 1))
def test_a_wait_is_never_longer_than_its_bound(attempt, drawn):
    policy = RetryPolicy(tries=99, draw=lambda: drawn)

    assert 0 <= policy.backoff(attempt) <= policy.wait_seconds_max


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", None),
        ("soon", None),
        ("-1", None),
        ("٣", None),
        (None, None),
    ],
)
def test_a_time_to_wait_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_seconds(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_names_a_date_is_not_waited_for_beyond_the_bound(status):
    assert CALM.wait_after_status(1, status, "Fri, 31 Dec 9999 23:59:59 GMT") is None
    # A date that has passed is no wait but the jitter.
    assert CALM.wait_after_status(1, status, "Thu, 01 Jan 1970 00:00:00 GMT") == 0.25


@pytest.mark.parametrize("status", [401, 403])
@given(st.integers(1, 60), st.sampled_from([None, "0", "1", "Thu, 01 Jan 1970 00:00:00 GMT"]))
def test_who_may_not_is_never_sent_to_ask_again(status, attempt, header):
    assert RetryPolicy(tries=99).wait_after_status(attempt, status, header) is None


@given(st.integers(1, 60), st.integers(0, 10**12), st.floats(0, 1))
def test_what_the_server_asks_for_is_waited_for_and_bounded(attempt, asked, drawn):
    policy = RetryPolicy(tries=99, draw=lambda: drawn)

    wait = policy.wait_after_status(attempt, 503, str(asked))

    if asked > policy.wait_seconds_max:
        assert wait is None
    else:
        assert asked <= wait <= asked + policy.base_seconds
