"""One contract for every store of records: in memory, SQLite, and a real Redis."""

import asyncio
import shutil
import socket
import subprocess
import sys
from inspect import isawaitable

import pytest

from doorward.clerk.state import (
    MemoryState,
    Record,
    RedisState,
    SqliteState,
    StateUnavailable,
)

ANOTHER_PROCESS = """
import asyncio, sys
from doorward.clerk.state import Record, SqliteState
state = SqliteState(sys.argv[1])
asyncio.run(state.put("session:a", Record(5.0), 1e12))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("LOUD: redis-server is not installed; the shared state is not tried")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen([program, *map(str, options)], stdout=subprocess.PIPE, text=True)
    for line in server.stdout:
        if "Ready to accept connections" in line:
            break
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.stdout.close()
    server.wait()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def run(request, tmp_path, clock):
    """Run a coroutine function with a store of each kind."""

    def make():
        if request.param == "memory":
            return MemoryState(clock)
        if request.param == "sqlite":
            return SqliteState(tmp_path / "state.db", clock)
        url = request.getfixturevalue("redis_url")
        # Redis forgets by its own clock, so what is remembered here lies in its future.
        return RedisState(url, prefix=f"{tmp_path.name}:", now=clock)

    def run(steps):
        async def inside():
            state = make()
            try:
                return await steps(state)
            finally:
                if isinstance(state, RedisState):
                    await state.aclose()

        return asyncio.run(inside())

    return run


async def get(state, *keys):
    found = state.get(keys)
    return list(await found if isawaitable(found) else found)


LATER = 4_000_000_000.0


def test_a_record_is_found_under_its_key_and_no_other(run):
    async def steps(state):
        assert await get(state, "a") == [None]
        await state.put("a", Record(1.5, b"x y"), LATER)
        return await get(state, "a", "b")

    assert run(steps) == [Record(1.5, b"x y"), None]


def test_of_two_records_the_later_one_counts_in_whatever_order_they_come(run):
    async def steps(state):
        await state.put("a", Record(2.0, b"new"), LATER)
        await state.put("a", Record(1.0, b"old"), LATER)
        assert await get(state, "a") == [Record(2.0, b"new")]
        await state.put("a", Record(3.0, b"newer"), LATER)
        return await get(state, "a")

    assert run(steps) == [Record(3.0, b"newer")]


def test_nothing_is_found_where_nothing_is_asked(run):
    """A machine's token without an id has no name to be revoked by, and is no outage."""
    assert run(get) == []


def test_a_key_is_added_once(run):
    async def steps(state):
        return [await state.add("a", LATER), await state.add("a", LATER)]

    assert run(steps) == [True, False]


def test_what_is_removed_is_gone(run):
    async def steps(state):
        await state.put("a", Record(1.0), LATER)
        await state.remove("a")
        await state.remove("never")
        return await get(state, "a")

    assert run(steps) == [None]


@pytest.mark.parametrize("kind", [MemoryState, SqliteState])
def test_a_record_is_forgotten_at_its_time(kind, tmp_path, clock):
    state = kind(clock) if kind is MemoryState else kind(tmp_path / "state.db", clock)

    async def steps():
        await state.put("a", Record(9.0), clock() + 5)
        await state.add("b", clock() + 5)
        clock.advance(seconds=5)
        assert await get(state, "a", "b") == [None, None]
        await state.put("a", Record(1.0), clock() + 5)
        assert await state.add("b", clock() + 5)
        return await get(state, "a")

    assert asyncio.run(steps()) == [Record(1.0)]


def test_memory_lets_go_of_what_is_forgotten(clock):
    state = MemoryState(clock)

    async def steps():
        for number in range(255):
            await state.put(str(number), Record(1.0), clock() + 1)
        clock.advance(seconds=2)
        await state.put("last", Record(1.0), clock() + 1)

    asyncio.run(steps())
    assert list(state._records) == ["last"]


def test_another_process_is_heard_by_the_very_next_question(tmp_path):
    path = tmp_path / "deep" / "state.db"
    state = SqliteState(path)
    assert state.get(["session:a"]) == [None]

    subprocess.run([sys.executable, "-c", ANOTHER_PROCESS, path], check=True)

    assert state.get(["session:a"]) == [Record(5.0)]
    assert path.stat().st_mode & 0o077 == 0


def test_a_broken_file_is_said_aloud(tmp_path):
    path = tmp_path / "state.db"
    state = SqliteState(path)
    path.unlink()
    path.mkdir()

    with pytest.raises(StateUnavailable):
        state.get(["a"])
    with pytest.raises(StateUnavailable):
        asyncio.run(state.remove("a"))


def test_a_redis_that_is_not_there_is_said_aloud():
    async def ask():
        state = RedisState(f"redis://127.0.0.1:{free_port()}/0")
        try:
            await get(state, "a")
        finally:
            await state.aclose()

    with pytest.raises(StateUnavailable):
        asyncio.run(ask())
