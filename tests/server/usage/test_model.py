from datetime import UTC, datetime, timedelta, timezone

import pytest

from doorward.server.limits.plans import GIBIBYTE
from doorward.server.permission.actions import Action
from doorward.server.usage.costs import (
    PRICES,
    Meter,
    cost_milli,
    counted_by,
    takes_credits,
)
from doorward.server.usage.model import end_of_month, month_of


@pytest.mark.parametrize(
    ("now", "month", "end"),
    [
        (
            datetime(2026, 9, 30, 23, 59, 59, 999999, UTC),
            "2026-09",
            datetime(2026, 10, 1, tzinfo=UTC),
        ),
        (datetime(2026, 10, 1, tzinfo=UTC), "2026-10", datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        # Where it is October already, it is September here.
        (
            datetime(2026, 10, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-09",
            datetime(2026, 10, 1, tzinfo=UTC),
        ),
    ],
)
def test_months_are_those_of_the_calendar_in_utc(now, month, end):
    assert (month_of(now), end_of_month(now)) == (month, end)


def test_everything_that_is_counted_has_a_price_and_a_begun_part_is_a_whole_one():
    assert set(PRICES) == set(Meter)
    assert cost_milli({Meter.UPLOADED_BYTES: GIBIBYTE, Meter.DOWNLOADED_BYTES: GIBIBYTE}) == 30_000
    assert cost_milli({Meter.UPLOADED_BYTES: 1}) == 1
    assert cost_milli({}) == 0


def test_what_costs_nothing_is_never_refused_for_credits():
    costing = {action for action in Action if takes_credits(action)}

    assert costing == {
        Action.UPLOAD_CREATE,
        Action.UPLOAD_IMPORT,
        Action.FILE_DOWNLOAD,
        Action.FILE_THUMBNAIL,
        Action.TOKEN_EXCHANGE,
    }
    assert counted_by(Action.FILE_THUMBNAIL) is Meter.THUMBNAILS
    assert counted_by(None) is None
