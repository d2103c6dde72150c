"""One contract for every store of records: in memory, SQLite, a real Redis, a real PostgreSQL."""

import asyncio
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from inspect import isawaitable

import pytest

from backing import REDIS_PROGRAMS, free_port
from doorward.clerk.state import (
    MemoryState,
    PostgresState,
    Record,
    RedisState,
    SqliteState,
    StateUnavailable,
)
from support import no_room

NEVER = 9_999_999_999.0  # by any clock

# Every worker of a test run that asks for PostgreSQL starts one; so only one asks.
POSTGRES = pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))


@pytest.fixture
def make(request, tmp_path, clock):
    """Make a store of a kind, empty."""

    def make(kind):
        if kind == "memory":
            return MemoryState(clock)
        if kind == "sqlite":
            return SqliteState(tmp_path / "state.db", clock)
        name = f"t_{uuid.uuid4().hex}"
        if kind == "postgres":
            url = request.getfixturevalue("postgres").url
            return PostgresState(url, table=name, now=clock)
        # Redis forgets by its own clock, so what is remembered here lies in its future.
        url = request.getfixturevalue("redis_url")(kind)
        return RedisState(url, prefix=f"{name}:", now=clock)

    return make


def run_with(state, steps):
    """Run a coroutine function with a store, whose connections are closed at the end."""

    async def inside():
        try:
            return await steps(state)
        finally:
            if isinstance(state, RedisState | PostgresState):
                await state.aclose()

    return asyncio.run(inside())


@pytest.fixture(params=["memory", "sqlite", *REDIS_PROGRAMS, POSTGRES])
def run(request, make):
    return lambda steps: run_with(make(request.param), steps)


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


@pytest.mark.parametrize("kind", ["memory", "sqlite", POSTGRES])
def test_a_record_is_forgotten_at_its_time(kind, make, clock):
    async def steps(state):
        await state.put("a", Record(9.0, b"x"), clock() + 5)
        await state.add("b", clock() + 5)
        clock.advance(seconds=5)
        assert await get(state, "a", "b") == [None, None]
        await state.put("a", Record(1.0), clock() + 5)
        assert await state.add("b", clock() + 5)
        return await get(state, "a")

    assert run_with(make(kind), steps) == [Record(1.0)]


def test_a_key_is_added_by_one_of_many_who_try_at_once(run):
    async def steps(state):
        return sum(await asyncio.gather(*(state.add("a", LATER) for _ in range(20))))

    assert run(steps) == 1


def test_memory_lets_go_of_what_is_forgotten(clock):
    state = MemoryState(clock)

    async def steps():
        for number in range(255):
            await state.put(str(number), Record(1.0), clock() + 1)
        clock.advance(seconds=2)
        await state.put("last", Record(1.0), clock() + 1)

    asyncio.run(steps())
    assert list(state._records) == ["last"]


def test_a_change_does_not_make_the_next_question_read_the_whole_file(tmp_path):
    """A directory of many users changes with every sign-in, and readers wait on the loop."""
    state = SqliteState(tmp_path / "state.db")

    async def fill():
        for number in range(300):
            await state.put(str(number), Record(1.0), LATER)

    asyncio.run(fill())
    assert state.get(["7"]) == [Record(1.0)]
    asyncio.run(state.put("7", Record(2.0), LATER))
    steps = []
    state._local.opened.connection.set_progress_handler(lambda: steps.append(1), 1)

    assert state.get(["7"]) == [Record(2.0)]
    assert len(steps) < 100


def test_what_is_over_is_found_without_reading_all_that_is_kept(tmp_path):
    """Each change looks for it; a year of sessions that ended would hold every one up."""
    SqliteState(tmp_path / "state.db")

    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        plan = database.execute("EXPLAIN QUERY PLAN DELETE FROM records WHERE until <= 1")
        found = plan.fetchone()[-1]

    assert "records_until" in found


def test_what_was_asked_about_is_not_kept_without_bound(tmp_path):
    state = SqliteState(tmp_path / "state.db")

    for number in range(12_000):
        state.get([f"session:{number}"])

    assert len(state._local.known) <= 10_000


FORKED = """
import os, sys
from doorward.clerk.state import SqliteState

state = SqliteState(sys.argv[1])
ended, goes_on = os.pipe()
assert state.get(["session:1"]) == [None]
if os.fork() == 0:
    os.close(goes_on)
    os.read(ended, 1)
    print("child", state.get(["session:1"])[0] is None, flush=True)
    sys.stdin.readline()
    print("child", state.get(["session:1"])[0] is None, flush=True)
elif sys.argv[2] == "stays":
    os.close(goes_on)
    os.wait()
"""


@pytest.mark.parametrize("parent", ["stays", "ends"])
def test_a_forked_process_sees_what_others_change_whether_its_parent_stays_or_ends(
    tmp_path, parent
):
    path = tmp_path / "state.db"
    with subprocess.Popen(
        [sys.executable, "-c", FORKED, path, parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forked:
        assert forked.stdout.readline() == "child True\n"
        state = SqliteState(path)
        for key in ("session:1", "session:2"):
            asyncio.run(state.put(key, Record(1.0), NEVER))
        forked.stdin.write("\n")
        forked.stdin.flush()
        assert forked.stdout.readline() == "child False\n"


def test_what_another_process_opened_is_closed_and_opened_anew(tmp_path):
    state = SqliteState(tmp_path / "state.db")
    assert state.get(["key"]) == [None]
    inherited, state._process = state._local.opened.connection, 0

    assert state.get(["key"]) == [None]
    with pytest.raises(sqlite3.ProgrammingError):
        inherited.execute("SELECT 1")


def test_after_a_fork_another_log_is_taken_and_another_file_is_not(tmp_path):
    path = tmp_path / "state.db"
    state = SqliteState(path)
    state._process = 0  # as in a child

    assert state.get(["key"]) == [None]

    state._process = 0
    path.rename(tmp_path / "former.db")
    SqliteState(path)
    with pytest.raises(StateUnavailable):
        state.get(["key"])


def test_the_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "deep" / "state.db"
    SqliteState(path)

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


@pytest.fixture
def told(tmp_path, clock):
    """Two processes' views of one file, in which something was told and read."""
    path = tmp_path / "state.db"
    reader, teller = SqliteState(path, clock), SqliteState(path, clock)
    asyncio.run(teller.put("a", Record(1.0), LATER))
    assert reader.get(["a"]) == [Record(1.0)]
    return path, reader, teller


def remove(path):
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (path.parent / name).unlink(missing_ok=True)


def test_a_file_that_is_removed_under_readers_is_believed_no_more(told):
    path, reader, _ = told
    remove(path)

    with pytest.raises(StateUnavailable):
        reader.get(["a"])


def test_nothing_is_told_to_a_file_that_is_not_there_nor_is_one_made(told):
    path, _, teller = told
    remove(path)

    with pytest.raises(StateUnavailable):
        asyncio.run(teller.put("b", Record(1.0), LATER))
    assert not path.exists()


def test_what_is_told_to_a_file_in_its_place_is_missed_by_nobody_who_has_the_former_open(
    told, clock
):
    """A process that starts anew makes the file; those which run still must not go on without."""
    path, reader, teller = told
    remove(path)
    newcomer = SqliteState(path, clock)

    asyncio.run(newcomer.put("b", Record(1.0), LATER))

    assert newcomer.get(["b"]) == [Record(1.0)]
    with pytest.raises(StateUnavailable):
        reader.get(["b"])
    with pytest.raises(StateUnavailable):
        asyncio.run(teller.put("c", Record(1.0), LATER))


def test_a_log_that_is_removed_is_noticed_too(told, tmp_path):
    """What it held would be there for whoever has it open, and for nobody who comes later."""
    path, reader, teller = told
    (tmp_path / "state.db-wal").unlink()

    with pytest.raises(StateUnavailable):
        reader.get(["a"])
    with pytest.raises(StateUnavailable):
        asyncio.run(teller.put("b", Record(1.0), LATER))
    del path


def test_a_process_that_may_not_make_the_file_can_not_be_asked_without_one(tmp_path, clock):
    state = SqliteState(tmp_path / "state.db", clock, create=False)

    with pytest.raises(StateUnavailable):
        state.get(["a"])
    assert not (tmp_path / "state.db").exists()


def test_what_does_not_fit_on_the_disk_is_not_told_and_said_aloud(told):
    path, reader, teller = told
    with no_room(), pytest.raises(StateUnavailable):
        asyncio.run(teller.put("b", Record(1.0), LATER))

    assert reader.get(["a", "b"]) == [Record(1.0), None]
    asyncio.run(teller.put("b", Record(1.0), LATER))
    assert reader.get(["b"]) == [Record(1.0)]
    del path


def test_a_redis_that_is_not_there_is_said_aloud():
    async def ask():
        state = RedisState(f"redis://127.0.0.1:{free_port()}/0")
        try:
            await get(state, "a")
        finally:
            await state.aclose()

    with pytest.raises(StateUnavailable):
        asyncio.run(ask())
