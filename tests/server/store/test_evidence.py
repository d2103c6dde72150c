"""A judgement stands for as long as what it read reads the same, and not a moment longer."""

import pytest

from doorward.server.problems import LinkEnded
from doorward.server.store.sql.evidence import Evidence


@pytest.fixture
def alice(house):
    return house.person("alice")


@pytest.fixture
def link(alice):
    file = alice.upload(alice.home(), "a.txt", b"abc")
    return alice.post(f"files/{file['id']}/link").json()


def judging(link, times):
    def still(tx):
        times.append(1)
        found = tx.links.get(link["id"])
        if found is None or found.killed_at is not None:
            raise LinkEnded(reason="killed")

    return still


def test_what_was_not_touched_is_not_judged_again(house, alice, link):
    times = []
    store, still = house.store(), judging(link, times)
    evidence = store.judge(still)

    alice.post("workspaces", name="Another")

    assert store.judge(still, evidence) is evidence
    assert len(times) == 1


def test_what_was_touched_is_judged_again(house, alice, link):
    times = []
    store, still = house.store(), judging(link, times)
    evidence = store.judge(still)

    alice.patch(f"links/{link['id']}", uses=3)

    assert isinstance(store.judge(still, evidence), Evidence)
    assert len(times) == 2


def test_what_ended_is_said_at_once_by_whichever_thread(house, alice, link):
    store, still = house.store(), judging(link, [])
    evidence = store.judge(still)
    elsewhere = house.client.portal.call(lambda: store.judge(still, evidence))
    assert elsewhere is evidence

    alice.delete(f"links/{link['id']}")

    with pytest.raises(LinkEnded):
        store.judge(still, evidence)
