"""Buckets in a real Redis or Valkey: the same arithmetic, and what happens without it."""

import asyncio
import logging
import shutil
import signal
import subprocess
import sys
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backing import REDIS_PROGRAMS, free_port, start_redis
from doorward.server.limits.gcra import MICROSECONDS, Rate
from doorward.server.limits.memory import MemoryLimits
from doorward.server.limits.ports import Charge
from doorward.server.store.bus.limits import RedisLimits

pytestmark = pytest.mark.xdist_group("redis-limits")
NOW = 1_790_000_000 * MICROSECONDS
RATE = Rate.per(500, 3600)
DRAWS = st.lists(
    st.tuples(
        st.integers(0, 9 * MICROSECONDS), st.sampled_from("ab"), st.integers(-2, 4), st.booleans()
    ),
    max_size=25,
)
PROCESS = """
import asyncio, sys
from doorward.server.limits.gcra import Rate
from doorward.server.limits.memory import MemoryLimits
from doorward.server.limits.ports import Charge
from doorward.server.store.bus.limits import RedisLimits

async def main():
    limits = RedisLimits(sys.argv[1], MemoryLimits(lambda: 0))
    print("ready", flush=True)
    sys.stdin.readline()
    charge = Charge(sys.argv[2], Rate.per(500, 360000))
    async def one():
        return [(await limits.take(charge))[0] for _ in range(12)]
    found = await asyncio.gather(*(one() for _ in range(64)))
    await limits.aclose()
    print(sum(slack >= 0 for slacks in found for slack in slacks))

asyncio.run(main())
"""


@settings(max_examples=30, deadline=None)
@given(DRAWS)
def test_the_script_counts_as_the_function_does(bus, draws):
    rate, now, run = Rate.per(5, 10), NOW, uuid.uuid4().hex
    clock = lambda: now  # noqa: E731

    async def play():
        nonlocal now
        ours, theirs = MemoryLimits(clock), RedisLimits(bus, MemoryLimits(lambda: 0), clock)
        for wait, name, cost, keep in draws:
            now += wait
            charges = [Charge(f"{run}:{name}", rate, cost, keep), Charge(f"{run}:c", rate)]
            assert await theirs.take(*charges) == await ours.take(*charges)
        await theirs.aclose()

    asyncio.run(play())


def test_two_processes_with_64_at_once_get_exactly_what_there_is(bus):
    key = f"principal:{uuid.uuid4().hex}"
    command = [sys.executable, "-c", PROCESS, bus, key]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # from here on both ask at once
        process.stdin.write("go\n")
        process.stdin.flush()

    allowed = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(allowed) == 500


def test_a_bucket_that_is_whole_again_leaves_nothing_behind(bus):
    from redis.asyncio import Redis

    key, rate = f"address:{uuid.uuid4().hex}", Rate.per(1000, 1)

    async def ask():
        limits = RedisLimits(bus, MemoryLimits(lambda: 0))
        await limits.take(Charge(key, rate))
        async with Redis.from_url(bus) as redis:
            life = await redis.pttl(f"doorward:limit:{key}")
            await limits.take(Charge(key, rate, -5))
            gone = await redis.exists(f"doorward:limit:{key}")
        await limits.aclose()
        return life, gone

    life, gone = asyncio.run(ask())

    assert life <= 2
    assert not gone


def test_without_the_bus_each_process_limits_alone_and_says_so_once(caplog):
    caplog.set_level(logging.WARNING, "doorward.limits")

    async def ask():
        limits = RedisLimits(f"redis://127.0.0.1:{free_port()}/0", MemoryLimits(lambda: NOW))
        found = [(await limits.take(Charge("principal:a", RATE)))[0] for _ in range(600)]
        await limits.aclose()
        return sum(slack >= 0 for slack in found)

    assert asyncio.run(ask()) == 500
    assert len(caplog.records) == 1


def test_a_bus_that_comes_back_is_used_again(tmp_path, caplog, monkeypatch):
    program = REDIS_PROGRAMS[0]
    if shutil.which(program) is None:
        pytest.skip(f"LOUD: {program} is not installed")
    caplog.set_level(logging.WARNING, "doorward.limits")
    monkeypatch.setattr("doorward.server.store.bus.limits._AGAIN_SECONDS", 0.0)
    server, url = start_redis(program, tmp_path)

    async def ask():
        limits = RedisLimits(url, MemoryLimits(lambda: NOW))
        server.process.send_signal(signal.SIGSTOP)
        missed = await limits.take(Charge("principal:a", RATE, 500))
        server.process.send_signal(signal.SIGCONT)
        back = await limits.take(Charge("principal:a", RATE, 500))
        await limits.aclose()
        return missed, back

    try:
        assert asyncio.run(ask()) == ([0], [0])
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.stop()
    assert [record.message[:22] for record in caplog.records] == [
        "the bus can't be reach",
        "the bus can be reached",
    ]
