from hypothesis import given
from hypothesis import strategies as st

from doorward.server.limits.gcra import MICROSECONDS, Rate, draw, verdict, whole_at

NOW = 1_790_000_000 * MICROSECONDS

rates = st.builds(Rate.per, st.integers(1, 50), st.integers(1, 100))
waits = st.lists(
    st.tuples(st.integers(0, 20 * MICROSECONDS), st.integers(1, 4)), min_size=1, max_size=60
)


def let_through(rate: Rate, draws) -> list[tuple[int, int]]:
    """When how much was let through."""
    now, at, taken = NOW, 0, []
    for wait, cost in draws:
        now += wait
        slack = draw(at, rate, cost, now)
        if slack >= 0:
            at = whole_at(rate, slack, now)
            taken.append((now, cost))
    return taken


@given(rates, waits)
def test_no_window_lets_more_through_than_the_burst_and_what_came_back_meanwhile(rate, draws):
    """Guards the promise itself: windows that begin and end anywhere, not those of a clock."""
    taken = let_through(rate, draws)

    for first in range(len(taken)):
        total = 0
        for now, cost in taken[first:]:
            total += cost
            elapsed = now - taken[first][0]
            assert total <= rate.burst + elapsed // rate.interval_us


@given(rates, waits)
def test_whoever_waits_as_long_as_was_said_is_let_through_and_a_moment_before_is_not(rate, draws):
    now, at = NOW, 0
    for wait, cost in draws:
        now += wait
        slack = draw(at, rate, cost, now)
        if slack >= 0:
            at = whole_at(rate, slack, now)
        elif cost <= rate.burst:
            assert draw(at, rate, cost, now - slack) == 0
            assert draw(at, rate, cost, now - slack - 1) < 0


@given(rates, waits)
def test_a_refusal_costs_nothing(rate, draws):
    taken = let_through(rate, draws)
    times = {now for now, _ in taken}
    now, only = NOW, []
    for wait, cost in draws:
        now += wait
        if now in times:
            only.append((now, cost))

    assert sum(cost for _, cost in taken) <= sum(cost for _, cost in only)
    gaps = [
        (now - before, cost)
        for before, (now, cost) in zip([NOW, *(n for n, _ in taken)], taken, strict=False)
    ]
    assert let_through(rate, gaps) == taken


def test_the_whole_of_a_limit_can_be_had_at_once_whatever_it_divides_by():
    for limit in (1, 7, 13, 1000, 999_999):
        rate = Rate.per(limit, 3600)

        assert draw(0, rate, limit, NOW) == 0
        assert draw(0, rate, limit + 1, NOW) < 0


def test_an_hours_bytes_are_counted_in_steps_and_never_more_than_the_limit():
    rate = Rate.per(50 << 30, 3600)

    assert rate.burst * rate.unit <= 50 << 30
    assert rate.burst * rate.unit > (50 << 30) * 0.999
    assert rate.cost_of(1) == 1
    assert draw(0, rate, rate.cost_of(rate.burst * rate.unit), NOW) == 0


def test_the_words_of_headers_say_whole_seconds_rounded_up():
    rate = Rate.per(10, 60)
    first = verdict(rate, draw(0, rate, 1, NOW))
    empty = verdict(rate, draw(NOW + 60 * MICROSECONDS, rate, 1, NOW + 1), 1)

    assert (first.allowed, first.remaining, first.reset_seconds) == (True, 9, 6)
    assert (first.retry_after_seconds, empty.retry_after_seconds) == (0, 6)
    assert (empty.allowed, empty.remaining, empty.reset_seconds) == (False, 0, 60)


def test_what_is_given_back_can_be_taken_again():
    rate = Rate.per(3, 60)
    at = whole_at(rate, draw(0, rate, 3, NOW), NOW)
    at = whole_at(rate, draw(at, rate, -2, NOW), NOW)

    assert draw(at, rate, 2, NOW) == 0
    assert draw(at, rate, 3, NOW) < 0
