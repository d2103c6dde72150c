"""What was bought with a credential ends with it, however long ago the row was written."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState, SqliteState
from doorward.server.doors.revoked import Revoked
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.store.sql.callers import caller_from, kept_caller
from support import NOON, no_room, problem

ALICE = Caller("user_alice", Credential("session", "sess_1"), Origin("req_1"), issued_at=NOON)


class NoKeys:
    """No key is asked about here."""

    def by_handle(self, handle):
        raise AssertionError(handle)

    by_id = by_handle


def judging(told, standing=None):
    return Revoked(told, standing, NoKeys(), NoKeys(), lambda: datetime.fromtimestamp(NOON, UTC))


@pytest.fixture
def told(clock):
    return Revocations(MemoryState(clock), now=clock)


def test_a_row_keeps_when_the_credential_was_made():
    assert caller_from(kept_caller(ALICE)) == replace(ALICE, lasting=True)


def test_what_an_earlier_version_kept_without_that_ends_with_whatever_is_heard_of_its_buyer(told):
    kept = kept_caller(ALICE)
    del kept["issued_at"]
    revoked = judging(told)
    assert not revoked(caller_from(kept))

    asyncio.run(told.revoke_user("user_alice", at=NOON - 1))

    assert revoked(caller_from(kept))
    assert not revoked(ALICE)


def test_whoever_of_several_knows_is_believed(told, clock):
    other = Revocations(MemoryState(clock), now=clock)
    asyncio.run(other.revoke_session("sess_1"))

    assert judging(told, other)(ALICE)
    assert not judging(told)(ALICE)


def test_an_answer_that_would_have_to_be_waited_for_counts_as_a_yes():
    """The road of bytes can't wait, and must not take a promise for a no."""
    asked = []

    class Slow:
        def revoked(self, _):
            asked.append(asyncio.Future(loop=loop))
            return asked[0]

    loop = asyncio.new_event_loop()
    try:
        assert judging(Slow())(ALICE)
    finally:
        loop.close()
    assert asked


# Where nobody can say, or be told, what is revoked

FILES = ("revocations.db", "revocations.db-wal", "revocations.db-shm")


def remove(house):
    for name in FILES:
        (house.data / name).unlink(missing_ok=True)


def replace_it(house):
    """As a process that starts anew would, without the others."""
    remove(house)
    SqliteState(house.data / FILES[0])


def break_it(house):
    for name in FILES:
        (house.data / name).write_bytes(b"this is no database" * 1000)


without_the_file = pytest.mark.parametrize("lose", [remove, replace_it, break_it])


@without_the_file
def test_without_the_file_of_revocations_nobody_is_let_in_by_a_session(house, alice, lose):
    declared = alice.declare(alice.home(), "a.txt", 1).json()
    lent = alice.lend(alice.key("files:read"))
    lose(house)

    assert alice.get("me").status_code == 503
    assert problem(lent.get("me")) == (503, "busy")
    assert problem(house.send(declared["url"], b"1")) == (503, "busy")


@without_the_file
def test_without_the_file_of_revocations_nobody_is_told_that_a_token_has_ended(house, alice, lose):
    agent = alice.key("files:read")
    lent = alice.lend(agent)
    lose(house)

    assert problem(agent.post("token/revoke", token=lent.secret)) == (503, "busy")


def test_a_token_whose_end_does_not_fit_on_the_disk_is_not_said_to_have_ended(alice):
    agent = alice.key("files:read")
    lent = alice.lend(agent)
    assert lent.get("me").status_code == 200

    with no_room():
        assert problem(agent.post("token/revoke", token=lent.secret)) == (503, "busy")

    assert lent.get("me").status_code == 200
    assert agent.post("token/revoke", token=lent.secret).status_code == 200
    assert lent.get("me").status_code == 401


def test_a_key_whose_end_does_not_fit_on_the_disk_is_not_said_to_have_ended(alice):
    agent, other = alice.key("files:read"), alice.key("keys:manage")

    with no_room():
        assert other.delete(f"keys/{agent.id}").status_code >= 500

    assert agent.get("me").status_code == 200
    assert other.delete(f"keys/{agent.id}").status_code == 204
    assert agent.get("me").status_code == 401


@without_the_file
def test_a_key_is_asked_of_its_row_and_needs_no_file_of_revocations(house, alice, lose):
    agent, other = alice.key("files:read"), alice.key("keys:manage")
    lose(house)
    assert agent.get("me").status_code == 200

    assert other.delete(f"keys/{agent.id}").status_code == 204

    assert agent.get("me").status_code == 401
