"""How candidates are timed beside one another, and what a figure is made of.

Every round measures every candidate, each time beginning with another one, so that neither a
drift of the machine nor what stands before meets always the same. A figure is the median over
the rounds of what two candidates of one round have to do with each other; its spread is the
middle half of the rounds.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Times = dict[str, list[float]]
"""Microseconds per call of every candidate, a number per round."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to time: ``run`` makes ``calls`` calls; ``prepare`` comes before the clock."""

    run: Callable[[], Awaitable[None]]
    calls: int
    prepare: Callable[[], Awaitable[None]] | None = None


async def time_in_turns(candidates: dict[str, Candidate], rounds: int) -> Times:
    """Time every candidate in every round; one more round at the start warms up."""
    times: Times = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            took = await _time(candidates[name])
            if number:
                times[name].append(took)
    return times


async def _time(candidate: Candidate) -> float:
    if candidate.prepare is not None:
        await candidate.prepare()
    gc.collect()
    gc.disable()  # what one leaves behind is not collected on another's time
    try:
        began = time.perf_counter()
        await candidate.run()
        return (time.perf_counter() - began) / candidate.calls * 1e6
    finally:
        gc.enable()


def ratio(what: str, ours: Sequence[float], theirs: Sequence[float], aim: str = "") -> dict:
    """Give how many times the other of its round each is."""
    return figure(what, [a / b for a, b in zip(ours, theirs, strict=True)], "x", aim)


def added(what: str, ours: Sequence[float], theirs: Sequence[float], aim: str = "") -> dict:
    """Give how many microseconds each is above the other of its round."""
    return figure(what, [a - b for a, b in zip(ours, theirs, strict=True)], "us", aim)


def figure(what: str, rounds: Sequence[float], unit: str, aim: str = "") -> dict:
    """Give the median of the rounds, and between what the middle half of them lies."""
    lower, _, upper = statistics.quantiles(rounds, n=4, method="inclusive")
    return {
        "what": what,
        "value": round(statistics.median(rounds), 3),
        "unit": unit,
        "aim": aim,
        "spread": [round(lower, 3), round(upper, 3)],
        "rounds": len(rounds),
    }
