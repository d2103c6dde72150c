"""What goes by itself when its time is over, and what stays."""

import asyncio
import sqlite3
from contextlib import closing

from doorward.server.uploads.sweeping import remove_closed
from support import problem

DAY = 86_400


def swept(house):
    """Sweep now, as the server does every few seconds, in a store of our own."""
    from datetime import UTC, datetime

    from doorward.server.settings import load_settings
    from doorward.server.store.blobs.local import LocalBlobs
    from doorward.server.store.sql.sqlite import open_engine
    from doorward.server.store.sql.store import SqlStore
    from doorward.server.sweeper import sweep

    settings = load_settings({"DOORWARD_DATA": str(house.data)})
    now = datetime.fromtimestamp(house.clock(), UTC)
    store = SqlStore(open_engine(settings.database, durable=True), lambda: now)
    blobs = LocalBlobs(settings.blobs, durable=True)
    try:
        asyncio.run(sweep(store, blobs))
    finally:
        store.close()
        blobs.close()


def test_an_upload_that_nobody_finished_ends_after_its_life(alice, house):
    declared = alice.declare(alice.home(), "a.txt", 1).json()
    house.clock.advance(seconds=86_400)

    swept(house)

    found = alice.get(f"uploads/{declared['id']}").json()
    assert (found["status"], found["url"]) == ("expired", None)
    assert problem(alice.post(f"uploads/{declared['id']}/renew")) == (410, "upload_closed")


def test_bytes_that_were_given_up_are_gone_after_the_sweep(alice, house):
    declared = alice.declare(alice.home(), "a.txt", 2 << 20).json()

    def give_up():
        alice.delete(f"uploads/{declared['id']}")
        assert house.stored_files() != []
        swept(house)

    answer = house.send_in_two(declared["url"], b"x" * (1 << 20), give_up, b"y" * (1 << 20))

    assert problem(answer) == (410, "upload_closed")
    assert house.stored_files() == []


def rows(house, query: str, *values) -> list:
    with closing(sqlite3.connect(house.data / "doorward.db", timeout=30)) as database, database:
        return database.execute(query, values).fetchall()


def ends(alice, house, home) -> dict[str, str]:
    """Uploads that ended in every way there is, by how they did."""
    complete = alice.declare(home, "complete", 1).json()
    house.send(complete["url"], b"x")
    aborted = alice.declare(home, "aborted", 1).json()
    alice.delete(f"uploads/{aborted['id']}")
    failed = alice.declare(home, "failed", 1, checksum=f"blake3:{'0' * 64}").json()
    house.send(failed["url"], b"x")
    expired = alice.declare(home, "expired", 1).json()
    house.clock.advance(seconds=DAY)
    house.sweep()
    found = {"complete": complete, "aborted": aborted, "failed": failed, "expired": expired}
    shown = {how: alice.get(f"uploads/{one['id']}").json()["status"] for how, one in found.items()}
    assert shown == {how: how for how in found}
    return {how: one["id"] for how, one in found.items()}


def test_rows_of_uploads_go_thirty_days_after_these_ended_and_the_trail_stays(alice, house):
    home = alice.home()
    uploads = ends(alice, house, home)
    house.clock.advance(seconds=29 * DAY)
    house.sweep()
    early = {how for how, one in uploads.items() if alice.get(f"uploads/{one}").status_code == 200}
    begun = alice.declare(home, "begun", 1).json()["id"]
    house.clock.advance(seconds=DAY - 1)
    house.sweep()
    still = alice.get(f"uploads/{uploads['expired']}")
    house.clock.advance(seconds=1)
    house.sweep()

    assert early == {"expired"}
    assert still.status_code == 200
    for one in uploads.values():
        assert problem(alice.get(f"uploads/{one}")) == (404, "upload_not_found")
        assert rows(house, "SELECT 1 FROM links WHERE resource_id = ?", one) == []
    assert alice.get(f"uploads/{begun}").status_code == 200
    assert len(rows(house, "SELECT 1 FROM links WHERE resource_id = ?", begun)) == 1
    assert len(alice.get(f"workspaces/{home}/files").json()["data"]) == 1
    trail = rows(house, "SELECT resource_name FROM audit WHERE action = 'upload:create'")
    assert {name for (name,) in trail} == {*uploads, "begun"}


def test_how_long_rows_of_uploads_stay_can_be_set(house_with):
    house = house_with(DOORWARD_UPLOAD_ROWS_DAYS="0")
    alice = house.person("alice")
    uploads = ends(alice, house, alice.home())
    house.clock.advance(seconds=1000 * DAY)
    house.sweep()

    assert alice.get(f"uploads/{uploads['complete']}").status_code == 200


def test_rows_of_uploads_go_some_at_a_time_with_links_and_names_at_a_store(alice, house):
    home = alice.home()
    uploads = [alice.declare(home, f"{number}", 1).json()["id"] for number in range(3)]
    for _ in range(3):
        alice.post(f"uploads/{uploads[0]}/renew")
    for one in uploads:
        alice.delete(f"uploads/{one}")
    rows(house, "INSERT INTO direct_uploads VALUES (?, 'multipart')", uploads[0])
    house.clock.advance(seconds=DAY)

    gone = []
    while not gone or gone[-1]:
        gone.append(
            house.client.portal.call(house.store().write, lambda tx: remove_closed(tx, 1, 2))
        )

    assert max(gone) == 2
    assert sum(gone) == 3 + 6  # uploads, and their links
    assert rows(house, "SELECT id FROM uploads") == rows(house, "SELECT id FROM links") == []


def test_a_sweep_with_nothing_to_do_does_nothing(alice, house):
    file = alice.upload(alice.home(), "a.txt", b"kept")

    swept(house)

    assert alice.get(f"files/{file['id']}/content").content == b"kept"


def test_a_sweep_looks_through_open_uploads_once_and_not_for_every_blob(alice, house):
    home = alice.home()
    idle = claim_steps(house, "before")
    for number in range(100):
        alice.declare(home, f"{number}.txt", 0)

    assert claim_steps(house, "after") < 2 * idle


def test_a_declaration_looks_through_no_uploads_of_other_workspaces(alice, bob, house):
    home = alice.home()
    alone = counting_steps(house, home)
    for number in range(100):
        bob.declare(bob.home(), f"{number}.txt", 0)

    assert counting_steps(house, home) < alone + 10


def counting_steps(house, workspace: str) -> int:
    """Count what may become files in a workspace, and say how much SQLite has to do for it."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def count(tx) -> None:
        connection = tx._connection.connection
        connection.set_progress_handler(step, 1)
        tx.files.count_awaited(workspace)
        connection.set_progress_handler(None, 0)

    house.client.portal.call(house.store().write, count)
    return steps


def claim_steps(house, prefix: str) -> int:
    """Claim a hundred blobs, and say how much SQLite has to do for it."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def claim(tx) -> None:
        keys = [f"{prefix}/{number}" for number in range(100)]
        for key in keys:
            tx.blobs.doom(key)
        connection = tx._connection.connection
        connection.set_progress_handler(step, 10)
        tx.blobs.forget(tx.blobs.claim(tx.now, len(keys)))
        connection.set_progress_handler(None, 0)

    house.client.portal.call(house.store().write, claim)
    return steps
