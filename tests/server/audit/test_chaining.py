"""Chains are right whoever writes: together, in several processes, refused, killed, restarted."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.audit.chain import canonical, digest_of, linked
from doorward.server.audit.contents import content_of
from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.store.sql.chaining import Held, _content, _encode
from server.audit.trails import busy, rows, settled, verdict
from support import ServerProcess

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
WHO = Caller("user_a", Credential("session", "sess_a"), Origin("req_a", "192.0.2.7", "agent"))


REPLACE = (
    "REPLACE INTO audit SELECT sequence + 1000, chain, position, hash, id, time, 'x', outcome, "
    "reason, actor_type, actor_id, credential_type, credential_id, on_behalf_of, workspace_id, "
    "resource_type, resource_id, resource_name, address, agent, request_id, details FROM audit"
)


def entry(action=Action.FILE_READ, workspace=None, who=WHO, **details):
    return lambda tx: record(tx, Attempt(action, Target(workspace), who, details))


def all_at_once(house, *commands) -> list[object]:
    """Ask for all of them while the writer is busy, so that they share a commit."""
    free = threading.Event()

    async def ask():
        store = house.store()
        first = asyncio.ensure_future(store.write(lambda _: free.wait(30)))
        await asyncio.sleep(0)
        asked = [asyncio.ensure_future(store.write(command)) for command in commands]
        await asyncio.sleep(0)
        free.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    return house.client.portal.call(ask)


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, VALUES, max_size=3))
def test_what_is_hashed_at_writing_is_what_is_documented(name, agent, details):
    from doorward.server.audit.service import _entry

    class Tx:
        now = None
        judgement = None

        def new_id(self, prefix):
            return f"{prefix}_x"

    who = replace(WHO, origin=replace(WHO.origin, agent=agent))
    made = _entry(Tx(), Attempt(None, Target(name=name), who, details), "allowed", None)
    held = Held("user:x", made, canonical(details).decode())
    told = _encode(_content(held, "2026-01-01T00:00:00.000000Z", 7, 3))

    row = made._asdict() | {
        "chain": "user:x", "sequence": 7, "position": 3, "time": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    del row["hash"]
    assert told == canonical({name: value for name, value in row.items() if value is not None})


def test_everything_is_in_the_chain_of_its_organization_or_person(house):
    _, office, plans = busy(house)

    found = dict(rows(house.data, "SELECT workspace_id, chain FROM audit"))
    assert found[office] == found[plans] == "organization:org_acme"
    assert set(found.values()) == {"organization:org_acme", "user:user_eve", "house"}
    denied = "SELECT chain FROM audit WHERE outcome = 'denied' AND actor_id = 'user_eve'"
    strangers = rows(house.data, denied)
    assert {chain for (chain,) in strangers} == {"organization:org_acme"}


def test_a_record_has_its_hash_its_place_and_the_agent(house):
    alice, office, _ = busy(house)

    (row,) = alice.get("audit", params={"workspace": office, "limit": 1}).json()["data"]

    ((hash_, position),) = rows(
        house.data, "SELECT hash, position FROM audit WHERE id = ?", row["id"]
    )
    assert (row["hash"], row["position"]) == (hash_, position)
    assert row["agent"] == "testclient"


def test_commands_that_are_undone_in_a_shared_commit_leave_no_gap(house):
    alice = house.person("alice")
    home = alice.home()

    def refused(tx):
        entry(workspace=home)(tx)
        tx.workspaces.change(replace(tx.workspaces.get(home), name="never"))
        entry(workspace=home)(tx)
        raise KeyError

    def only_audits_and_fails(tx):
        entry()(tx)
        raise KeyError

    some = [entry(workspace=home), refused, only_audits_and_fails, entry(), refused]
    found = all_at_once(house, *some * 5)

    assert sum(isinstance(one, KeyError) for one in found) == 15
    assert verdict(house.data).sound
    mine = rows(house.data, "SELECT count(*) FROM audit WHERE request_id = 'req_a'")
    assert mine == [(10,)]


def test_a_workspace_that_is_made_and_undone_in_a_shared_commit_names_no_chain(house):
    home = house.person("alice").home()

    def made(tx):
        from doorward.server.workspaces.service import NewWorkspace, create_workspace

        who = replace(WHO, organization_id="org_x")
        standing = create_workspace(tx, who, NewWorkspace("x", 1))
        made.id = standing.workspace.id
        raise KeyError

    all_at_once(house, entry(workspace=home), made, lambda tx: entry(workspace=made.id)(tx))  # noqa: PLW0108 - made by then

    named = rows(house.data, "SELECT chain FROM audit WHERE workspace_id = ?", made.id)
    assert named == [("user:user_a",)]


@pytest.mark.parametrize("beside", [0, 1])
def test_a_workspace_that_is_given_away_has_one_entry_in_the_chain_of_each_side(house, beside):
    home = house.person("alice").home()
    give = "UPDATE workspaces SET organization_id = 'org_new' WHERE id = ?"

    def given(tx):
        workspaces = tx.workspaces
        entry(workspace=home)(tx)
        workspaces._connection.exec_driver_sql(give, (home,))
        entry(workspace=home)(tx)

    all_at_once(house, *[entry(workspace=home)] * beside, given)

    mine = "SELECT chain FROM audit WHERE request_id = 'req_a' ORDER BY sequence DESC LIMIT 2"
    assert rows(house.data, mine) == [("organization:org_new",), ("user:user_alice",)]
    assert verdict(house.data).sound


def test_what_no_database_can_hold_fails_alone_and_not_with_all_of_its_commit(house):
    bad = replace(WHO, origin=replace(WHO.origin, agent="\ud800"))

    found = all_at_once(house, entry(), entry(who=bad), entry(n=float("nan")), entry())

    assert [type(one) for one in found[1:3]] == [UnicodeEncodeError, ValueError]
    assert [found[0], found[3]] == [None, None]
    assert verdict(house.data).sound


def test_a_look_adds_nothing_to_the_trail(house):
    with pytest.raises(RuntimeError, match="look"):
        house.client.portal.call(house.store().read, entry())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET outcome = 'allowed'",
        "UPDATE audit SET hash = hash",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE position = 1",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
        REPLACE,
    ],
)
def test_the_database_itself_refuses_to_change_or_remove_rows(house, statement):
    busy(house)
    before = rows(house.data, "SELECT * FROM audit")

    with (
        closing(sqlite3.connect(house.data / "doorward.db")) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute(statement)

    assert rows(house.data, "SELECT * FROM audit") == before


def test_rows_of_an_older_database_are_chained_in_their_order(house, tmp_path):
    from doorward.server.store.sql.migrate import migrate
    from doorward.server.store.sql.sqlite import open_engine
    from server.test_migrations import bring_to

    busy(house)
    old = tmp_path / "old"
    old.mkdir()
    engine = open_engine(old / "doorward.db", durable=False)
    bring_to(engine, "0008")
    columns = [row[1] for row in rows(old, "PRAGMA table_info(audit)")]
    names = ", ".join(columns)
    with closing(sqlite3.connect(old / "doorward.db")) as database:
        database.execute("ATTACH ? AS new", (str(house.data / "doorward.db"),))
        database.execute(f"INSERT INTO audit ({names}) SELECT {names} FROM new.audit")  # noqa: S608
        database.execute("UPDATE audit SET details = replace(details, ':', ': ')")
        database.execute("INSERT INTO workspaces SELECT * FROM new.workspaces")
        database.commit()

    migrate(engine, old / "lock")
    engine.dispose()

    for path in house.data.glob("audit-*.pem"):
        (old / path.name).write_bytes(path.read_bytes())
    report = verdict(old)
    assert report.findings == []
    assert report.rows == rows(house.data, "SELECT count(*) FROM audit")[0][0]
    # Whose organization somebody spoke for outside of any workspace was not kept then.
    people = {"user:user_alice", "user:user_bob", "user:user_eve"}
    assert people | {"organization:org_acme", "house"} >= set(report.chains) > {"house"}


def test_the_migration_hashes_as_the_store_does(house):
    busy(house)
    migration = import_module("doorward.server.store.sql.migrations.versions.0009_audit_chains")
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        database.row_factory = sqlite3.Row
        ends = {}
        for row in database.execute("SELECT * FROM audit ORDER BY chain, position"):
            old = {name: row[name] for name in row.keys() if name not in {"hash", "position"}}  # noqa: SIM118
            assert migration._chained(old, ends)["hash"] == row["hash"]


WRITE = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.store import SqlStore
from doorward.server.audit.model import Attempt, AuditFilter, Target
from doorward.server.audit.service import record
from doorward.server.paging import Page
from doorward.server.permission.caller import Caller, Credential, Origin

who = Caller("user_a", Credential("session", sys.argv[2]), Origin("req"))
store = SqlStore(open_engine(Path(sys.argv[1]), durable=False), lambda: datetime.now(UTC))

def write(number):
    return store.write(lambda tx: record(tx, Attempt(None, Target(), who, {"n": number})))

def both(tx):
    found = tx.audit.page(AuditFilter(chain="user:user_a"), Page(500))
    return len({one.credential_id for one in found}) == 2

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(1000):  # until the other one writes too
        await asyncio.gather(*map(write, range(10)))
        if await store.read(both):
            break
    for _ in range(20):
        await asyncio.gather(*map(write, range(10)))

asyncio.run(main())
store.close()
"""


def test_two_processes_that_write_at_once_make_one_chain_without_a_gap(house):
    command = [sys.executable, "-c", WRITE, str(house.data / "doorward.db")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([*command, name], **pipes) for name in ("one", "two")]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0

    writers = rows(
        house.data,
        "SELECT credential_id FROM audit WHERE chain = 'user:user_a' ORDER BY position",
    )
    turns = sum(one != other for one, other in pairwise(writers))
    assert turns > 1  # they did take turns
    assert verdict(house.data).sound


def test_a_restart_goes_on_where_the_chain_ended(house):
    busy(house)
    before = verdict(house.data).chains
    house.client.__exit__(None, None, None)

    from starlette.testclient import TestClient

    from doorward.server.app import create_app
    from doorward.server.settings import load_settings

    settings = load_settings({"DOORWARD_DATA": str(house.data)})
    with TestClient(create_app(settings, house.clock), base_url=settings.public_url) as client:
        house.client = client
        house.person("eve").get("workspaces")
        settled(house)
        report = verdict(house.data)
    house.client.__enter__()

    assert report.sound
    assert report.chains["user:user_eve"].position > before["user:user_eve"].position


@pytest.mark.timeout(240)
def test_a_killed_server_lost_nothing_acknowledged_and_its_chain_verifies(tmp_path):
    data = tmp_path / "data"
    chance = random.Random(5)
    acknowledged = []
    for _ in range(4):
        with ServerProcess(data) as server:
            _write_until_killed(server, acknowledged, chance.randint(20, 120))
            report = verdict(data)
            assert report.sound, report.findings

    found = {
        name
        for (name,) in rows(
            data, "SELECT resource_name FROM audit WHERE action = 'workspace:create'"
        )
    }
    assert len(acknowledged) > 50
    assert set(acknowledged) <= found


def _write_until_killed(server, acknowledged, after):
    headers = {"Authorization": f"Bearer {server.token('alice', org='acme')}"}
    done = threading.Semaphore(0)

    def write(number):
        with httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=30) as http:
            while True:
                name = f"{number} {random.random()}"
                try:
                    answer = http.post("/workspaces", json={"name": name})
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(name)
                    done.release()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for _ in range(after):
        assert done.acquire(timeout=60)
    server.kill()
    for writer in writers:
        writer.join()


def test_the_hash_of_a_row_is_that_of_the_one_before_and_of_its_digest(house):
    busy(house)
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        cursor = database.execute("SELECT * FROM audit WHERE chain = 'house' ORDER BY position")
        names = [column[0] for column in cursor.description]
        content, hash_ = content_of(names, cursor.fetchone())

    from hashlib import sha256

    first = sha256(b"doorward-audit-1:house").hexdigest()
    assert hash_ == linked(first, digest_of(content))
