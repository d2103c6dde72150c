"""What asking a state about revocations costs a request: one after another, and 32 at once.

Each round asks every state the same, one state after another; servers are on this machine, so a
network's way there and back comes on top.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from inspect import isawaitable
from pathlib import Path

from bench.servers import postgres, redis
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState, PostgresState, RedisState, SqliteState, State
from doorward.identity.principal import Principal

ROUNDS = 15
QUESTIONS = 1000
AT_ONCE = 32
REVOKED = 1000
_WHO = Principal(
    "user_alice", "sess_alice", org_id="org_acme", credential_id="jti_alice", issued_at=2e9
)
Ask = Callable[[], Awaitable[None]]
Times = dict[str, list[float]]


def run() -> list[dict]:
    """Measure the states whose servers are installed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {}
        if shutil.which("redis-server"):
            urls["Redis"] = stack.enter_context(redis(folder))
        if any(Path("/usr/lib/postgresql").glob("*/bin")):
            urls["PostgreSQL"] = stack.enter_context(postgres())
        times = asyncio.run(_measure(folder, urls))
    return _figures(times)


async def _measure(folder: Path, urls: dict[str, str]) -> Times:
    states: dict[str, State] = {"memory": MemoryState(), "SQLite": SqliteState(folder / "s.db")}
    if "Redis" in urls:
        states["Redis"] = RedisState(urls["Redis"])
    if "PostgreSQL" in urls:
        states["PostgreSQL"] = PostgresState(urls["PostgreSQL"])
    times: Times = {}
    for state in states.values():
        revocations = Revocations(state)
        for number in range(REVOKED):
            await revocations.revoke_session(f"sess_{number}")
        await _one_after_another(revocations)
    for _ in range(ROUNDS):
        for name, state in states.items():
            revocations = Revocations(state)
            times.setdefault(name, []).append(await _one_after_another(revocations))
            times.setdefault(f"{name}, 32 at once", []).append(await _at_once(revocations))
    for state in states.values():
        if isinstance(state, RedisState | PostgresState):
            await state.aclose()
    return times


async def _ask(revocations: Revocations, times: int) -> None:
    for _ in range(times):
        verdict = revocations.revoked(_WHO)
        assert (await verdict if isawaitable(verdict) else verdict) is False


async def _one_after_another(revocations: Revocations) -> float:
    began = time.perf_counter()
    await _ask(revocations, QUESTIONS)
    return (time.perf_counter() - began) / QUESTIONS * 1e6


async def _at_once(revocations: Revocations) -> float:
    each = QUESTIONS // AT_ONCE
    began = time.perf_counter()
    await asyncio.gather(*(_ask(revocations, each) for _ in range(AT_ONCE)))
    return (time.perf_counter() - began) / (each * AT_ONCE) * 1e6


def _figures(times: Times) -> list[dict]:
    figures = [
        {"what": f"asking {name}", "value": round(statistics.median(found), 1), "unit": "us"}
        for name, found in times.items()
    ]
    if {"Redis", "PostgreSQL"} <= times.keys():
        for among in ("", ", 32 at once"):
            pairs = zip(times[f"PostgreSQL{among}"], times[f"Redis{among}"], strict=True)
            ratio = statistics.median(one / other for one, other in pairs)
            what = f"asking PostgreSQL / Redis{among}"
            figures.append({"what": what, "value": round(ratio, 2), "unit": "x"})
    return figures
