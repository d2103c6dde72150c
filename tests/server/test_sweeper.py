import asyncio

from support import problem


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
