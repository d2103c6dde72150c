"""The generic cell rate algorithm (ITU-T I.371, appendix): one number for each bucket, no timer.

A bucket remembers until when it would take to be whole again. In no window, wherever it begins, is
more let through than the burst and what one interval after another brings back meanwhile.
Everything is in whole microseconds, so that sums come out exactly and fit a double of Redis.
"""

from dataclasses import dataclass
from typing import Self

MICROSECONDS = 1_000_000
_STEPS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` steps at once, and one more each ``interval_us``; a step is ``unit`` of something.

    ``limit`` and ``seconds`` are what people set: so much at once, brought back evenly.
    """

    limit: int
    seconds: int
    burst: int
    interval_us: int
    tolerance_us: int
    unit: int = 1

    @classmethod
    def per(cls, limit: int, seconds: int) -> Self:
        """Give ``limit`` in ``seconds``, never a little more: what does not divide is rounded down.

        More than a million are counted in steps of several, as bytes are.
        """
        unit = -(-limit // _STEPS_MAX)
        burst = limit // unit
        interval_us = -(-seconds * MICROSECONDS // burst)
        return cls(limit, seconds, burst, interval_us, burst * interval_us, unit)

    def cost_of(self, amount: int) -> int:
        """Give how many steps an amount takes, a begun one being a whole one."""
        return -(-amount // self.unit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a draw, as people are told: in what they asked for, and whole seconds."""

    allowed: bool
    remaining: int
    reset_seconds: int
    retry_after_seconds: int


def draw(whole_at_us: int, rate: Rate, cost: int, now_us: int) -> int:
    """Give how long the bucket could still wait after taking ``cost`` steps; refused when below 0.

    Of an allowed draw the bucket is whole again at ``whole_at(rate, slack, now_us)``; of a refused
    one nothing is taken, and the same draw is allowed after as many microseconds as are missing.
    A cost below 0 gives steps back.
    """
    # Not by max(): a call of it is a fifth of a whole check.
    waits_us = whole_at_us - now_us if whole_at_us > now_us else 0
    return rate.tolerance_us - waits_us - cost * rate.interval_us


def whole_at(rate: Rate, slack_us: int, now_us: int) -> int:
    """Give when a bucket is whole again after an allowed draw that left ``slack_us``."""
    return now_us + rate.tolerance_us - slack_us


def verdict(rate: Rate, slack_us: int, cost: int = 1) -> Verdict:
    """Say a draw's slack in the words of headers."""
    allowed = slack_us >= 0
    left_us = slack_us if allowed else slack_us + cost * rate.interval_us
    return Verdict(
        allowed,
        max(0, left_us // rate.interval_us) * rate.unit,
        _seconds(rate.tolerance_us - left_us),
        0 if allowed else _seconds(-slack_us),
    )


def _seconds(us: int) -> int:
    return max(0, -(-us // MICROSECONDS))
