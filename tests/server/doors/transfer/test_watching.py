"""Downloads under way are judged each by itself: one that can't be is cut, and hides no other."""

import asyncio
import threading

from doorward.server.doors.passage import Passage
from doorward.server.doors.transfer import watching
from doorward.server.doors.transfer.watching import Watch, Welcome
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.problems import Busy, LinkEnded

ALICE = Caller("user_alice", Credential("session_token", "sess_1"), Origin("req_1"))


async def watched(watch, welcome):
    with watch.over(welcome) as one:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return one.was_ended()


def test_a_download_that_can_not_be_judged_is_cut_and_the_others_are_judged(house, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0)

    def broken(_):
        raise ValueError

    def ended(_):
        raise LinkEnded

    async def all_of_them():
        watch = Watch(house.store(), lambda _: False, Passage(house.data))
        downloads = (watched(watch, Welcome(ALICE, still)) for still in (broken, ended))
        async with asyncio.timeout(30):
            return await asyncio.gather(*downloads)

    assert house.client.portal.call(all_of_them) == [True, True]


def test_where_nobody_can_say_what_is_revoked_every_download_ends(house, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0)

    def unknown(_):
        raise Busy

    async def all_of_them():
        watch = Watch(house.store(), unknown, Passage(house.data))
        downloads = (watched(watch, Welcome(ALICE, lambda _: None)) for _ in range(2))
        async with asyncio.timeout(5):
            return await asyncio.gather(*downloads)

    assert house.client.portal.call(all_of_them) == [True, True]


def test_what_follows_a_download_is_not_cut_by_a_look_that_began_before_its_end(house, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0)
    looking, left = threading.Event(), threading.Event()

    def ended(_):
        looking.set()
        assert left.wait(30)
        raise LinkEnded

    async def goes_on():
        watch = Watch(house.store(), lambda _: False, Passage(house.data))
        with watch.over(Welcome(ALICE, ended)):
            assert await asyncio.to_thread(looking.wait, 30)
        left.set()
        async with asyncio.timeout(30):
            await watch._looking
        return asyncio.current_task().cancelling()

    assert house.client.portal.call(goes_on) == 0
