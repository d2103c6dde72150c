"""What was measured, and what must not have been."""

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

_STEPS_MS = (-200, -100, -50, -20, -10, -5, -2, 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(slots=True)
class Findings:
    """Times in seconds; ``accepted`` and ``cut`` count from the moment the call was answered.

    ``accepted`` holds when the last thing that was taken had been sent, which is to be before; and
    ``calls`` how long the revoking calls took. ``left`` are bytes that had been handed to the
    system for a download before that.
    """

    accepted: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    cut: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    left: list[int] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    unbounded: int = 0
    met: int = 0

    def violated(self, kind: str, door: str, what: str) -> None:
        """Note something that must not be."""
        self.violations.append(f"{kind}, {door}: {what}")

    def shown(self) -> dict[str, Any]:
        """Give all of it in milliseconds, as JSON."""
        return {
            "last_accepted_ms": _rows(self.accepted),
            "cut_after_ms": _rows(self.cut),
            "revoking_call_ms": {
                kind: summary(times) for kind, times in sorted(self.calls.items())
            },
            "download_bytes_in_flight": {"max": max(self.left, default=0), "count": len(self.left)},
            "downloads_not_bounded": self.unbounded,
            "violations": self.violations,
        }


def summary(times: list[float]) -> dict[str, float | int]:
    """Say how many, p50, p90, p99 and the most, in milliseconds."""
    ordered = sorted(times)
    at = {
        f"p{n}": _ms(ordered[min(len(ordered) - 1, len(ordered) * n // 100)]) for n in (50, 90, 99)
    }
    return {"count": len(ordered), **at, "max": _ms(ordered[-1])}


def table(times: dict[tuple[str, str], list[float]]) -> list[str]:
    """Give a line for each door and kind."""
    lines = [f"  {'door':<12}{'kind':<20}{'count':>7}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}"]
    for (door, kind), found in sorted(times.items()):
        row = summary(found)
        figures = "".join(f"{row[name]:>10}" for name in ("p50", "p90", "p99", "max"))
        lines.append(f"  {door:<12}{kind:<20}{row['count']:>7}{figures}")
    return lines


def histogram(times: list[float]) -> list[str]:
    """Give how many were how late, a line for each step that has any."""
    counted = Counter(bisect_right(_STEPS_MS, time * 1000) for time in times)
    widest = max(counted.values(), default=1)
    names = [*(f"< {step} ms" for step in _STEPS_MS), f">= {_STEPS_MS[-1]} ms"]
    return [
        f"  {names[n]:>10}  {counted[n]:>6}  {'#' * max(1, counted[n] * 40 // widest)}"
        for n in sorted(counted)
    ]


def _rows(times: dict[tuple[str, str], list[float]]) -> list[dict[str, Any]]:
    return [
        {"door": door, "kind": kind} | summary(found)
        for (door, kind), found in sorted(times.items())
    ]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
