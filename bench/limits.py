"""What a limit costs: one check in memory and on the bus, and what all of them add to a REST call.

The peer is the package ``limits``, whose three strategies are asked the same beside ours. Of a
call, the same application answers ``GET /api/v1/me`` with limits and without, in this process and
without a network; the difference is what a request pays for all checks on its way.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from bench.measuring import Candidate, Times, added, figure, ratio, time_in_turns
from bench.servers import redis
from bench.transferring import QUICK

ROUNDS = 5 if QUICK else 31
CHECKS = 2_000 if QUICK else 20_000
ON_THE_BUS = 200 if QUICK else 2_000
CALLS = 50 if QUICK else 300
_PRINCIPALS = 1000  # whose buckets are there already, as on a server at work
_LIMIT = 1_000_000_000  # never reached: every check is one that passes
App = Callable[..., Awaitable[None]]


def run() -> list[dict]:
    """Measure in memory, on a bus where Redis is installed, and as part of a call."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bus = None
        if shutil.which("redis-server"):
            bus = stack.enter_context(redis(folder))
        else:
            print("LOUD: redis-server is not here; limits on a bus are not measured")
        return asyncio.run(_measure(folder, bus))


async def _measure(folder: Path, bus: str | None) -> list[dict]:
    figures = _in_memory(await time_in_turns(_checks(), ROUNDS))
    if bus is not None:
        figures += await _shared(bus)
    return figures + await _in_a_call(folder, bus)


def _checks() -> dict[str, Candidate]:
    """A check of one principal's bucket, of those that there are, in the way of each."""
    from doorward.server.limits.gcra import Rate
    from doorward.server.limits.memory import Buckets, MemoryLimits
    from doorward.server.limits.ports import Charge
    from limits import RateLimitItemPerMinute, storage, strategies

    keys = [f"principal:user_{number}" for number in range(_PRINCIPALS)]
    rate, item = Rate.per(1_000_000, 1), RateLimitItemPerMinute(_LIMIT)
    buckets, ours = Buckets(), MemoryLimits(_now_us)

    async def draw() -> None:
        for number in range(CHECKS):
            assert buckets.take(keys[number % _PRINCIPALS], rate, 1, _now_us()) >= 0

    async def ask() -> None:
        for number in range(CHECKS):
            assert (await ours.take(Charge(keys[number % _PRINCIPALS], rate)))[0] >= 0

    async def hit(limiter: strategies.RateLimiter) -> None:
        for number in range(CHECKS):
            assert limiter.hit(item, keys[number % _PRINCIPALS])

    fixed = strategies.FixedWindowRateLimiter(storage.MemoryStorage())
    sliding = strategies.SlidingWindowCounterRateLimiter(storage.MemoryStorage())
    return {
        "ours": Candidate(draw, CHECKS),
        "ours, as doors ask": Candidate(ask, CHECKS),
        "limits, fixed window": Candidate(partial(hit, fixed), CHECKS),
        "limits, sliding counter": Candidate(partial(hit, sliding), CHECKS),
    }


def _in_memory(times: Times) -> list[dict]:
    ours = times["ours"]
    return [
        figure("a limit check in memory", ours, "us", "1"),
        figure("a limit check in memory, as doors ask", times["ours, as doors ask"], "us"),
        figure("limits, fixed window, in memory", times["limits, fixed window"], "us"),
        figure("limits, sliding counter, in memory", times["limits, sliding counter"], "us"),
        ratio("limits, fixed window / ours", times["limits, fixed window"], ours),
        ratio("limits, sliding counter / ours", times["limits, sliding counter"], ours),
    ]


async def _shared(bus: str) -> list[dict]:
    """One check after another on the bus: a round trip each, on this machine."""
    from limits.aio import storage, strategies

    from doorward.server.limits.gcra import Rate
    from doorward.server.limits.memory import MemoryLimits
    from doorward.server.limits.ports import Charge
    from doorward.server.store.bus.limits import RedisLimits
    from limits import RateLimitItemPerMinute

    rate, item = Rate.per(1_000_000, 1), RateLimitItemPerMinute(_LIMIT)
    ours = RedisLimits(bus, MemoryLimits(_now_us))
    theirs = strategies.SlidingWindowCounterRateLimiter(
        storage.RedisStorage(f"async+{bus}", implementation="redispy")
    )

    async def ask() -> None:
        for _ in range(ON_THE_BUS):
            assert (await ours.take(Charge("principal:bench", rate)))[0] >= 0

    async def hit() -> None:
        for _ in range(ON_THE_BUS):
            assert await theirs.hit(item, "bench")

    candidates = {"ours": Candidate(ask, ON_THE_BUS), "theirs": Candidate(hit, ON_THE_BUS)}
    times = await time_in_turns(candidates, ROUNDS)
    await ours.aclose()
    return [
        figure("a limit check on the bus", times["ours"], "us"),
        ratio("limits, sliding counter, in Redis / ours", times["theirs"], times["ours"]),
    ]


async def _in_a_call(folder: Path, bus: str | None) -> list[dict]:
    settings = {"off": {"DOORWARD_LIMITS": "off"}, "memory": _high()}
    if bus is not None:
        settings["bus"] = _high() | {"DOORWARD_BUS_URL": bus}
    async with AsyncExitStack() as stack:
        candidates = {}
        for name, environ in settings.items():
            app, token = _application(folder / name, environ)
            await stack.enter_async_context(_alive(app))
            candidates[name] = Candidate(partial(_ask, app, token), CALLS)
        times = await time_in_turns(candidates, ROUNDS)
    figures = [
        figure("GET /me without limits", times["off"], "us"),
        added("GET /me: limits in memory add", times["memory"], times["off"]),
        ratio("GET /me: without limits / with", times["off"], times["memory"]),
    ]
    if bus is not None:
        figures.append(added("GET /me: limits on the bus add", times["bus"], times["off"]))
    return figures


def _high() -> dict[str, str]:
    """Limits that are checked and never reached."""
    names = ("ADDRESS", "FAILURES", "PRINCIPAL", "CREDENTIAL")
    return {f"DOORWARD_LIMIT_{name}": "1000000/1" for name in names}


def _application(data: Path, environ: dict[str, str]) -> tuple[App, str]:
    """Give an application over a folder of its own, and a session's token for it."""
    from doorward.server.app import create_app
    from doorward.server.folder import prepare
    from doorward.server.settings import load_settings
    from doorward.standin import Standin

    settings = prepare(load_settings({"DOORWARD_DATA": str(data)} | environ))
    token = Standin.open(settings.data / "standin").mint("alice", ttl=3600)
    return create_app(settings), token


@asynccontextmanager
async def _alive(app: App) -> AsyncIterator[None]:
    """Start an application as a server does, and stop it at the end."""
    told: asyncio.Queue[dict] = asyncio.Queue()
    started = asyncio.Event()

    async def send(message: dict) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set()

    life = asyncio.create_task(app({"type": "lifespan"}, told.get, send))
    told.put_nowait({"type": "lifespan.startup"})
    await started.wait()
    try:
        yield
    finally:
        told.put_nowait({"type": "lifespan.shutdown"})
        await life


async def _ask(app: App, token: str) -> None:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    statuses: list[int] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    for _ in range(CALLS):
        await app(_scope(headers), receive, send)
    assert statuses == [200] * CALLS


def _scope(headers: list[tuple[bytes, bytes]]) -> dict:
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/me",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }


def _now_us() -> int:
    return time.monotonic_ns() // 1000
