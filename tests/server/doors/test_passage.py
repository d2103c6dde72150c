"""Whoever waits for the passage to be empty sees all out who were in, and keeps the others out."""

import asyncio
import threading

import pytest

from doorward.server.doors.passage import Passage


@pytest.fixture
def passages(tmp_path):
    """As two processes have it."""
    return Passage(tmp_path), Passage(tmp_path)


class Guest(threading.Thread):
    """Somebody who goes in, and comes out when told."""

    def __init__(self, passage):
        super().__init__()
        self.passage = passage
        self.is_in, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.passage.inside():
            self.is_in.set()
            assert self.may_go.wait(60)

    def leave(self):
        self.may_go.set()
        self.join(60)


async def not_yet(task):
    """Let everything happen that can, which is nothing that ends the task."""
    await asyncio.wait([task], timeout=0.05)
    assert not task.done()


def test_whoever_waits_is_told_only_when_those_inside_are_out(passages):
    async def wait():
        guests = [Guest(passage) for passage in passages]
        assert all(guest.is_in.wait(60) for guest in guests)
        waiting = asyncio.create_task(passages[0].empty())
        await not_yet(waiting)
        guests[0].leave()
        await not_yet(waiting)
        guests[1].leave()
        await asyncio.wait_for(waiting, 60)

    asyncio.run(wait())


def test_those_who_come_while_somebody_waits_do_not_keep_it_from_being_empty(passages):
    async def wait():
        first = Guest(passages[0])
        assert first.is_in.wait(60)
        waiting = asyncio.create_task(passages[1].empty())
        await not_yet(waiting)
        second = Guest(passages[0])
        assert not second.is_in.wait(0.05)
        first.leave()
        await asyncio.wait_for(waiting, 60)
        assert second.is_in.wait(60)
        second.leave()

    asyncio.run(wait())


def test_who_fails_inside_is_out(passages):
    with pytest.raises(ValueError, match="inside"), passages[0].inside():
        raise ValueError("inside")

    asyncio.run(passages[1].empty())


def test_a_thread_that_ends_leaves_no_descriptor_behind(passages, tmp_path):
    from pathlib import Path

    def opened():
        links = (link.resolve() for link in Path("/proc/self/fd").iterdir())
        return sum(1 for link in links if tmp_path in link.parents)

    before = opened()
    guest = Guest(passages[0])
    guest.leave()

    assert opened() == before
