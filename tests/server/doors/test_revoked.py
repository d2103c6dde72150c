"""What was bought with a credential ends with it, however long ago the row was written."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.server.doors.revoked import Revoked
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.store.sql.callers import caller_from, kept_caller
from support import NOON

ALICE = Caller("user_alice", Credential("session", "sess_1"), Origin("req_1"), issued_at=NOON)


class NoKeys:
    """No key is asked about here."""

    def by_handle(self, handle):
        raise AssertionError(handle)

    by_id = by_handle


def judging(told, standing=None):
    return Revoked(told, standing, NoKeys(), lambda: datetime.fromtimestamp(NOON, UTC))


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
