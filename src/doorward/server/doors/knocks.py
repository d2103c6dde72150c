"""Refusals at the door: each in the trail while they are few, counted together in a flood.

Whoever has no credential can be refused any number of times. Written one by one, their refusals
would fill the disk and spend every commit; not written at all, an attack would leave no trace.
"""

import asyncio
from collections import Counter
from dataclasses import replace

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record_problem
from doorward.server.commands import Store, Tx, placed, refused
from doorward.server.doors.asgi import Scope
from doorward.server.doors.context import origin_of, shown_path
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import Problem

ONE_BY_ONE_MAX = 20
WINDOW_SECONDS = 1.0
_KINDS_MAX = 1000
_PATH_CHARACTERS_MAX = 200


class Knocks:
    """Writes so many refusals a second as they come, and what is more as sums by address."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = 0
        self._counts: Counter[tuple[str | None, str]] = Counter()
        self._latest: dict[tuple[str | None, str], tuple[Attempt, Problem]] = {}
        self._window: asyncio.TimerHandle | None = None

    async def record(self, attempt: Attempt, problem: Problem) -> None:
        """Put a refusal in the trail, at once or with the others of its second."""
        if self._window is None:
            self._window = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self.flush)
        if self._written < ONE_BY_ONE_MAX:
            self._written += 1
            await refused(self._store, lambda tx: placed(tx, attempt), problem)
            return
        self._hold(attempt, problem)

    def flush(self) -> None:
        """Write the sums of what was held, and begin a new second."""
        if self._window is not None:
            self._window.cancel()
        self._window, self._written = None, 0
        held = [(*self._latest[kind], count) for kind, count in self._counts.items()]
        self._counts.clear()
        self._latest.clear()
        if held:
            self._store.post(lambda tx: _write(tx, held))

    def _hold(self, attempt: Attempt, problem: Problem) -> None:
        address = attempt.who.origin.address if attempt.who else None
        kind = (address, problem.reason)
        if kind not in self._counts and len(self._counts) >= _KINDS_MAX:
            kind = (None, problem.reason)
        self._counts[kind] += 1
        self._latest[kind] = (attempt, problem)


def knock(scope: Scope) -> Attempt:
    """Describe a request of somebody who could not be identified."""
    who = Caller("", Credential("none", None), origin_of(scope))
    path = shown_path(scope)[:_PATH_CHARACTERS_MAX]
    return Attempt(None, Target(), who, {"method": scope["method"], "path": path})


def _write(tx: Tx, held: list[tuple[Attempt, Problem, int]]) -> None:
    for attempt, problem, count in held:
        details = attempt.details | {"repeated": count}
        record_problem(tx, placed(tx, replace(attempt, details=details)), problem)
