"""Records in PostgreSQL: what only a server far away and shared by many can do to them."""

import asyncio
import os
import signal
import traceback
import uuid
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

import asyncpg
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient

from backing import PASSWORD, free_port
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import PostgresState, Record, StateUnavailable
from doorward.fastapi import ClerkAuth, Principal, RefusalResponse

pytestmark = pytest.mark.xdist_group("postgres")
LATER = 4_000_000_000.0


@pytest.fixture
def table():
    return f"t_{uuid.uuid4().hex}"


@asynccontextmanager
async def opened(url, table, **more):
    state = PostgresState(url, table=table, **more)
    try:
        yield state
    finally:
        await state.aclose()


@asynccontextmanager
async def connected(postgres):
    connection = await asyncpg.connect(postgres.url)
    try:
        yield connection
    finally:
        await connection.close()


async def unavailable(state) -> str:
    with pytest.raises(StateUnavailable) as found:
        await state.get(["a"])
    return "".join(traceback.format_exception(found.value)) + repr(state)


def test_processes_that_start_at_once_make_one_table(postgres, table):
    async def start():
        async with opened(postgres.url, table) as state:
            return await state.add("a", LATER)

    async def steps():
        return sum(await asyncio.gather(*(start() for _ in range(8))))

    assert asyncio.run(steps()) == 1


@pytest.mark.parametrize("name", ["user", "public.select", "_1"])
def test_a_table_may_have_any_name_that_is_small_letters(postgres, name):
    async def steps():
        async with opened(postgres.url, name) as state:
            return await state.add(uuid.uuid4().hex, LATER)

    assert asyncio.run(steps())


@pytest.mark.parametrize(
    "name", ["", "A", "1a", 'a"; drop table b', "a.b.c", ".a", "a.", "a b", "a" * 51, "ä", "a\n"]
)
def test_a_name_that_could_be_more_than_a_table_is_refused(name):
    with pytest.raises(ConfigurationError):
        PostgresState("postgresql://127.0.0.1/x", table=name)


def test_whoever_finds_the_table_needs_no_right_to_make_one_or_to_sweep(postgres, table):
    """A change counts even where sweeping fails: else a webhook would be lost as already seen."""
    role = f"r_{table}"

    async def steps():
        async with opened(postgres.url, table) as state:
            await state.add("first", LATER)
        async with connected(postgres) as connection:
            await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'other_password_here'")
            await connection.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {role}")
        url = postgres.url_with("other_password_here").replace("doorward", role)
        async with opened(url, table) as state:
            return [await state.add("first", LATER), await state.add("a", LATER)]

    assert asyncio.run(steps()) == [False, True]


def test_what_is_forgotten_is_swept_a_bounded_number_at_a_time(postgres, table, clock):
    fill = f"INSERT INTO {table} SELECT 'old' || n, 1, '', 1 FROM generate_series(1, 1500) n"  # noqa: S608

    async def steps():
        left = []
        async with connected(postgres) as connection:
            for _ in range(3):
                async with opened(postgres.url, table, now=clock) as state:
                    await state.get(["a"])
                    if not left:
                        await connection.execute(fill)
                    await state.put("kept", Record(1.0), LATER)
                left.append(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608
        return left

    assert asyncio.run(steps()) == [501, 1, 1]


def test_a_flood_of_questions_takes_four_connections_and_every_one_is_answered(postgres, table):
    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"

    async def steps():
        async with connected(postgres) as connection, opened(postgres.url, table) as state:
            before = await connection.fetchval(count)
            await state.put("a", Record(1.0), LATER)
            found = await asyncio.gather(*(state.get(["a"]) for _ in range(100)))
            return await connection.fetchval(count) - before, found

    connections, found = asyncio.run(steps())
    assert connections <= 4
    assert found == [[Record(1.0)]] * 100


class Counting:
    """Stands before the server and counts how often it is spoken to."""

    def __init__(self, url):
        self._to = urlsplit(url)
        self.times = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return self, self._to.geturl().replace(str(self._to.port), str(port))

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _pass_on(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to.port)
        back = asyncio.create_task(self._copy(server_reader, writer))
        await self._copy(reader, server_writer, count=1)
        await back

    async def _copy(self, reader, writer, count=0):
        while piece := await reader.read(65536):
            self.times += count
            writer.write(piece)
        writer.close()


def test_a_question_is_one_round_trip(postgres, table):
    async def steps():
        async with Counting(postgres.url) as (proxy, url), opened(url, table) as state:
            await state.get(["a"])
            before = proxy.times
            for _ in range(10):
                await state.get(["a", "b"])
            return proxy.times - before

    assert asyncio.run(steps()) == 10


def test_each_event_loop_has_connections_of_its_own(postgres, table):
    state = PostgresState(postgres.url, table=table)

    async def steps():
        try:
            return await state.add("a", LATER)
        finally:
            await state.aclose()

    assert [asyncio.run(steps()), asyncio.run(steps())] == [True, False]


def test_the_connections_of_an_event_loop_that_is_gone_are_not_kept(table):
    state = PostgresState(f"postgresql://127.0.0.1:{free_port()}/postgres", table=table)

    for _ in range(3):
        asyncio.run(unavailable(state))

    assert len(state._pools) == 1


class TestTrouble:
    """Is said aloud, in time, without a word of the password; and it ends by itself."""

    def test_where_nothing_answers_the_port(self, table):
        url = f"postgresql://doorward:{PASSWORD}@127.0.0.1:{free_port()}/postgres"
        self.check(url, table, "ConnectionRefusedError")

    def test_where_the_password_is_wrong(self, postgres, table):
        said = self.check(postgres.url_with("wrong_password_here"), table, "InvalidPasswordError")
        assert "wrong_password_here" not in said

    def test_where_the_schema_is_not_there(self, postgres):
        self.check(postgres.url, "nowhere.records", "InvalidSchemaNameError")

    def test_where_the_address_is_read_wrongly_because_of_its_password(self, table):
        self.check(f"postgresql://doorward:{PASSWORD}/1@127.0.0.1/postgres", table, "")

    def test_where_another_scheme_is_named(self, table):
        with pytest.raises(ConfigurationError) as found:
            PostgresState(f"mysql://doorward:{PASSWORD}@127.0.0.1/postgres", table=table)
        assert PASSWORD not in "".join(traceback.format_exception(found.value))

    def check(self, url, table, name):
        async def steps():
            async with opened(url, table) as state:
                return await unavailable(state)

        said = asyncio.run(steps())
        assert name in said
        assert PASSWORD not in said
        return said

    def test_where_a_port_is_open_and_silent(self, table):
        async def steps():
            silent = await asyncio.start_server(lambda _, writer: kept.append(writer), "127.0.0.1")
            port = silent.sockets[0].getsockname()[1]
            async with opened(f"postgresql://doorward@127.0.0.1:{port}/x", table) as state:
                said = await unavailable(state)
            for writer in kept:
                writer.close()
            silent.close()
            return said

        kept = []
        assert "TimeoutError" in asyncio.run(steps())

    def test_where_the_table_is_locked(self, postgres, table):
        async def steps():
            async with opened(postgres.url, table) as state, connected(postgres) as connection:
                await state.put("a", Record(1.0), LATER)
                async with connection.transaction():
                    await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    said = await unavailable(state)
                return said, await state.get(["a"])

        said, found = asyncio.run(steps())
        assert "TimeoutError" in said
        assert found == [Record(1.0)]

    def test_where_the_server_stands_still(self, postgres, table):
        async def steps():
            async with opened(postgres.url, table) as state:
                await state.put("a", Record(1.0), LATER)
                still = postgres.pids()
                for pid in still:
                    os.kill(pid, signal.SIGSTOP)
                try:
                    async with asyncio.timeout(3.5):  # two seconds are the promise
                        said = await asyncio.gather(*(unavailable(state) for _ in range(10)))
                finally:
                    for pid in still:
                        os.kill(pid, signal.SIGCONT)
                return said, await state.get(["a"])

        said, found = asyncio.run(steps())
        assert all("TimeoutError" in one for one in said)
        assert found == [Record(1.0)]


def test_a_guard_answers_503_while_the_server_is_down_and_goes_on_when_it_is_back(
    postgres, table, issuer, clock
):
    state = PostgresState(postgres.url, table=table, now=clock)
    revocations = Revocations(state, now=clock)
    clerk = ClerkAuth(jwt_key=issuer.public_key_pem, revocation=revocations, now=clock)

    @asynccontextmanager
    async def lifespan(_):
        yield
        await state.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.exception_handler(RefusalResponse)
    async def tell_the_reason(_, refused):
        return PlainTextResponse(refused.refusal.reason, refused.status_code)

    @app.get("/me")
    async def me(who: Annotated[Principal, Depends(clerk.required)]):
        return PlainTextResponse(f"{who.user_id} came in")

    @app.post("/revoke")
    async def revoke():
        await revocations.revoke_session("sess_1")

    headers = {"Authorization": f"Bearer {issuer.mint('alice', claims={'sid': 'sess_1'})}"}
    with TestClient(app) as client:

        def ask():
            answer = client.get("/me", headers=headers)
            return answer.status_code, answer.text

        assert ask() == (200, "user_alice came in")
        postgres.stop()
        try:
            down = [ask(), ask()]
        finally:
            postgres.start()
        assert down == [(503, "revocation-unavailable")] * 2
        assert ask() == (200, "user_alice came in")
        client.post("/revoke")
        assert ask() == (401, "session-revoked")
