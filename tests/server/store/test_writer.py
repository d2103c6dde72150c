"""Commands that share a commit are each whole or not at all (B6)."""

import asyncio
import threading
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from doorward.server.problems import StorageFailed


class Refused(Exception):
    """What a command raises of its own."""


@pytest.fixture
def home(alice) -> str:
    return alice.home()


def rename(workspace_id: str, name: str, after: Exception | None = None):
    """Give a command that renames a workspace, and may think better of it."""

    def command(tx):
        tx.workspaces.change(replace(tx.workspaces.get(workspace_id), name=name))
        if after is not None:
            raise after
        return tx.workspaces.get(workspace_id).name

    return command


def all_at_once(house, *commands) -> list[object]:
    """Ask for all of them while the writer is busy, so that they share what comes next."""
    busy, free = threading.Event(), threading.Event()

    def keep_busy(_):
        busy.set()
        assert free.wait(30)

    async def ask():
        store = house.store()
        first = asyncio.ensure_future(store.write(keep_busy))
        await asyncio.to_thread(busy.wait, 30)
        asked = [asyncio.ensure_future(store.write(command)) for command in commands]
        await asyncio.sleep(0)
        free.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    return house.client.portal.call(ask)


@pytest.mark.parametrize("beside", [0, 1, 5])
def test_a_command_that_raises_changes_nothing_and_others_do(house, home, beside, alice):
    others = [rename(home, f"good {number}") for number in range(beside)]
    found = all_at_once(house, *others, rename(home, "bad", Refused()))

    assert found[:-1] == [f"good {number}" for number in range(beside)]
    assert isinstance(found[-1], Refused)
    kept = f"good {beside - 1}" if beside else "Personal"
    assert alice.get(f"workspaces/{home}").json()["name"] == kept


def test_a_command_sees_nothing_of_the_one_before_it_that_raised(house, home):
    seen = all_at_once(
        house, rename(home, "bad", Refused()), lambda tx: tx.workspaces.get(home).name
    )

    assert seen[1] == "Personal"


@pytest.mark.parametrize("beside", [0, 1])
def test_a_disk_that_fails_within_a_command_is_told_as_that(house, home, beside, alice):
    failure = OperationalError("UPDATE", {}, OSError("disk I/O error"))
    found = all_at_once(house, *[rename(home, "good")] * beside, rename(home, "bad", failure))

    assert isinstance(found[-1], StorageFailed)
    assert alice.get(f"workspaces/{home}").json()["name"] == ("good" if beside else "Personal")
