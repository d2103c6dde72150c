"""What was revoked is refused on the very next question, whoever revoked it and wherever."""

import asyncio
import subprocess
import sys
import uuid
from dataclasses import replace

import pytest

from backing import REDIS_PROGRAMS
from doorward.clerk.auth import ClerkAuth
from doorward.clerk.directory import Directory
from doorward.clerk.events import EventMalformed, read_event
from doorward.clerk.refusals import Refusal
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState, PostgresState, RedisState, SqliteState
from doorward.clerk.state.record import StateUnavailable
from doorward.identity.principal import Principal
from support import NOON

ALICE = Principal(
    "user_alice",
    "sess_1",
    org_id="org_acme",
    issued_at=NOON,
    credential_id="jti_1",
    claims={"sub": "user_alice"},
)


def event(name: str, data: dict, *, at: float = NOON, **more):
    return read_event("msg_1", {"type": name, "data": data, "timestamp": at * 1000} | more, at)


def session(status: str = "revoked") -> dict:
    return {"id": "sess_1", "user_id": "user_alice", "status": status}


def membership(role: str = "org:member") -> dict:
    return {
        "id": "orgmem_1",
        "role": role,
        "organization": {"id": "org_acme"},
        "public_user_data": {"user_id": "user_alice"},
    }


@pytest.fixture(params=["memory", "sqlite"])
def state(request, tmp_path, clock):
    return MemoryState(clock) if request.param == "memory" else SqliteState(tmp_path / "s", clock)


@pytest.fixture
def revocations(state, clock):
    return Revocations(state, now=clock)


def apply(to, *events):
    for one in events:
        asyncio.run(to.apply(one))


def test_nobody_is_revoked_to_begin_with(revocations):
    assert not revocations.revoked(ALICE)
    assert not revocations.revoked(Principal(None))


@pytest.mark.parametrize(
    "revoke",
    [
        lambda r: r.revoke_session("sess_1"),
        lambda r: r.revoke_user("user_alice"),
        lambda r: r.revoke_membership("user_alice", "org_acme"),
        lambda r: r.revoke_credential("jti_1"),
    ],
)
def test_a_session_a_user_a_membership_and_a_credential_can_be_revoked(revocations, revoke):
    bob = Principal("user_bob", "sess_2", org_id="org_acme", credential_id="jti_2")

    asyncio.run(revoke(revocations))

    assert revocations.revoked(ALICE)
    assert not revocations.revoked(bob)


def test_with_an_organization_go_its_members_tokens_for_it_and_its_own_keys(revocations):
    asyncio.run(revocations.revoke_organization("org_acme"))

    assert revocations.revoked(ALICE)
    assert revocations.revoked(Principal(None, org_id="org_acme", token_type="api_key"))
    assert not revocations.revoked(Principal("user_alice", "sess_1", org_id="org_other"))
    assert not revocations.revoked(Principal("user_alice", "sess_1"))


def test_a_token_made_after_its_user_was_revoked_is_let_in(revocations):
    asyncio.run(revocations.revoke_user("user_alice"))

    assert not revocations.revoked(Principal("user_alice", issued_at=NOON + 1))
    assert revocations.revoked(Principal("user_alice", issued_at=None))


def test_a_users_revocation_can_be_taken_back(revocations):
    asyncio.run(revocations.revoke_user("user_alice"))
    asyncio.run(revocations.allow_user("user_alice"))

    assert not revocations.revoked(ALICE)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("session.revoked", session()),
        ("session.ended", session("ended")),
        ("session.removed", session("removed")),
        ("user.deleted", {"id": "user_alice", "deleted": True}),
        ("user.updated", {"id": "user_alice", "banned": True}),
        ("user.updated", {"id": "user_alice", "locked": True}),
        ("organizationMembership.deleted", membership()),
        ("organizationMembership.updated", membership()),
        ("organization.deleted", {"id": "org_acme", "deleted": True}),
    ],
)
def test_clerks_webhooks_revoke(revocations, name, data):
    apply(revocations, event(name, data))

    assert revocations.revoked(ALICE)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("session.created", session("active")),
        ("user.updated", {"id": "user_alice", "banned": False, "locked": False}),
        ("organizationMembership.created", membership()),
        ("organization.deleted", {"id": "org_other", "deleted": True}),
        ("waitlistEntry.created", {}),
    ],
)
def test_other_events_revoke_nothing(revocations, name, data):
    apply(revocations, event(name, data))

    assert not revocations.revoked(ALICE)


def test_an_older_event_that_comes_late_takes_nothing_back(revocations):
    apply(
        revocations,
        event("user.deleted", {"id": "user_alice", "deleted": True}, at=NOON),
        event("user.updated", {"id": "user_alice", "banned": True}, at=NOON - 60),
    )

    assert revocations.revoked(ALICE)


def test_a_member_who_is_removed_long_after_joining_is_refused_with_the_token_of_today(revocations):
    """What is deleted still says when it last changed, which may be years ago."""
    joined = membership() | {"updated_at": (NOON - 86_400) * 1000}

    apply(revocations, event("organizationMembership.deleted", joined, at=NOON))

    assert revocations.revoked(ALICE)


def test_who_is_removed_and_comes_back_is_let_in_with_a_fresh_token_only(revocations):
    again = membership() | {"updated_at": (NOON + 60) * 1000}
    apply(
        revocations,
        event("organizationMembership.created", again, at=NOON + 60),
        event("organizationMembership.deleted", membership(), at=NOON + 30),
    )

    assert revocations.revoked(ALICE)
    assert not revocations.revoked(replace(ALICE, issued_at=NOON + 60))


def test_of_a_user_who_is_banned_and_unbanned_and_banned_only_fresh_tokens_count(revocations):
    def ban(*, at, banned):
        data = {"id": "user_alice", "banned": banned, "updated_at": at * 1000}
        return event("user.updated", data, at=at)

    first, pardon, second = (
        ban(at=NOON, banned=True),
        ban(at=NOON + 60, banned=False),
        ban(at=NOON + 120, banned=True),
    )
    between = replace(ALICE, issued_at=NOON + 90)
    apply(revocations, first, pardon)
    assert (revocations.revoked(ALICE), revocations.revoked(between)) == (True, False)

    apply(revocations, second, pardon, first)

    assert revocations.revoked(between)
    assert not revocations.revoked(replace(ALICE, issued_at=NOON + 180))


def test_a_token_of_the_same_second_is_revoked_with_it(revocations):
    """A token gives its time in whole seconds, an event in thousandths."""
    apply(revocations, event("user.updated", {"id": "user_alice", "banned": True}, at=NOON + 0.4))

    assert revocations.revoked(ALICE)


def test_an_entry_is_kept_as_long_as_the_longest_lived_token(state, clock):
    revocations = Revocations(state, keep_seconds=60, now=clock)
    asyncio.run(revocations.revoke_session("sess_1"))

    clock.advance(seconds=59)
    assert revocations.revoked(ALICE)
    clock.advance(seconds=1)
    assert not revocations.revoked(ALICE)


def test_a_credential_stays_revoked_as_long_as_it_lives(revocations, clock):
    """A machine's token may live for months, and Clerk itself can't revoke one in JWT form."""
    machine = Principal(None, token_type="m2m_token", subject="mch_1", credential_id="mt_1")
    asyncio.run(revocations.revoke_credential("mt_1", until=NOON + 90 * 86_400))

    clock.advance(seconds=90 * 86_400 - 1)
    assert revocations.revoked(machine)
    clock.advance(seconds=1)
    assert not revocations.revoked(machine)


class TestAState:
    """One that can't be asked, or that answers later, as Redis does."""

    class Later:
        def __init__(self, state):
            self.state = state

        async def get(self, keys):
            if self.state is None:
                raise StateUnavailable("gone")
            return self.state.get(keys)

    def reason(self, issuer, clock, state, **more):
        auth = ClerkAuth(
            jwt_key=issuer.public_key_pem,
            revocation=Revocations(state, now=clock),
            now=clock,
            **more,
        )
        token = issuer.mint("alice", org="acme", claims={"sid": "sess_1"})
        headers = [(b"authorization", f"Bearer {token}".encode())]
        try:
            scope = {"type": "http", "method": "GET", "headers": headers}
            return asyncio.run(auth.authenticate(scope))
        except Refusal as refusal:
            return refusal.reason

    def test_is_waited_for_where_it_answers_later(self, issuer, clock):
        kept = MemoryState(clock)
        assert self.reason(issuer, clock, self.Later(kept)).user_id == "user_alice"

        asyncio.run(Revocations(kept, now=clock).revoke_session("sess_1"))

        assert self.reason(issuer, clock, self.Later(kept)) == "session-revoked"

    def test_lets_nobody_in_while_it_can_not_be_asked(self, issuer, clock):
        assert self.reason(issuer, clock, self.Later(None)) == "revocation-unavailable"

    def test_of_roles_that_can_not_be_asked_lets_nobody_in_either(self, issuer, clock):
        directory = Directory(self.Later(None), now=clock)

        found = self.reason(issuer, clock, MemoryState(clock), directory=directory)
        assert found == "revocation-unavailable"

    def test_of_roles_is_waited_for_too(self, issuer, clock):
        kept = MemoryState(clock)
        user = {"id": "user_alice", "public_metadata": {"can_upload": True}}
        apply(Directory(kept, now=clock), event("user.created", user))
        directory = Directory(self.Later(kept), now=clock)

        who = self.reason(issuer, clock, MemoryState(clock), directory=directory)
        assert who.has(metadata={"can_upload": True})


ANOTHER_PROCESS = """
import asyncio, sys
from doorward.clerk import state
from doorward.clerk.revocation import Revocations

kind, address, name = sys.argv[1:]
if kind == "sqlite":
    kept = state.SqliteState(address)
elif kind == "postgres":
    kept = state.PostgresState(address, table=name)
else:
    kept = state.RedisState(address, prefix=name)

async def steps():
    await Revocations(kept).revoke_session("sess_1")
    if kind != "sqlite":
        await kept.aclose()

asyncio.run(steps())
"""


class TestAcrossTwoProcesses:
    @pytest.fixture(
        params=[
            "sqlite",
            *REDIS_PROGRAMS,
            pytest.param("postgres", marks=pytest.mark.xdist_group("postgres")),
        ]
    )
    def place(self, request, tmp_path):
        """A kind of state, where it is, and a name in it that no other test uses."""
        kind = request.param
        if kind == "sqlite":
            address = str(tmp_path / "s")
        elif kind == "postgres":
            address = request.getfixturevalue("postgres").url
        else:
            address = request.getfixturevalue("redis_url")(kind)
        return kind, address, f"t_{uuid.uuid4().hex}"

    def kept(self, kind, address, name):
        if kind == "sqlite":
            return SqliteState(address)
        if kind == "postgres":
            return PostgresState(address, table=name)
        return RedisState(address, prefix=name)

    def test_what_one_revokes_the_other_refuses_with_its_very_next_request(
        self, place, issuer, clock
    ):
        kept = self.kept(*place)
        key = issuer.public_key_pem
        auth = ClerkAuth(jwt_key=key, revocation=Revocations(kept), now=clock)
        token = issuer.mint("alice", claims={"sid": "sess_1"})

        async def steps():
            try:
                assert (await auth.authenticator.verify(token)).user_id == "user_alice"
                command = [sys.executable, "-c", ANOTHER_PROCESS, *place]
                await asyncio.to_thread(subprocess.run, command, check=True)
                with pytest.raises(Refusal) as refused:
                    await auth.authenticator.verify(token)
                return refused.value.reason
            finally:
                if not isinstance(kept, SqliteState):
                    await kept.aclose()

        assert asyncio.run(steps()) == "session-revoked"


class TestTheDirectory:
    @pytest.fixture
    def directory(self, state, clock):
        return Directory(state, now=clock)

    def test_adds_a_role_that_the_token_leaves_out(self, directory):
        apply(directory, event("organizationMembership.created", membership("org:admin")))

        who = directory.complete(ALICE)

        assert who.has(role="org:admin")

    def test_never_goes_over_what_the_token_says(self, directory):
        apply(directory, event("organizationMembership.updated", membership("org:admin")))
        apply(directory, event("user.updated", {"id": "user_alice", "public_metadata": {"a": 1}}))
        says = replace(ALICE, org_role="org:member", claims={"metadata": {"a": 2}})

        who = directory.complete(says)

        assert who is says
        assert (who.has(role="org:member"), who.has(metadata={"a": 1})) == (True, False)

    def test_knows_a_users_public_metadata(self, directory):
        user = {"id": "user_alice", "public_metadata": {"can_upload": True}}
        apply(directory, event("user.created", user))

        assert directory.complete(ALICE).has(metadata={"can_upload": True})

    def test_knows_the_metadata_of_a_keys_user_whatever_the_key_says(self, directory):
        user = {"id": "user_alice", "public_metadata": {"can_upload": True}}
        apply(directory, event("user.created", user))
        key = Principal("user_alice", token_type="api_key", claims={"metadata": {"admin": True}})

        who = directory.complete(key)

        assert who.has(metadata={"can_upload": True})
        assert not who.has(metadata={"admin": True})

    def test_forgets_who_is_gone_however_late_older_news_come(self, directory):
        gone = event("organizationMembership.deleted", membership("org:admin"), at=NOON)
        older = event("organizationMembership.created", membership("org:admin"), at=NOON - 5)
        deleted = event("user.deleted", {"id": "user_alice", "deleted": True})
        apply(directory, gone, older, deleted, event("session.created", session("active")))

        assert directory.complete(ALICE) is ALICE

    def test_gives_no_role_to_who_is_removed_however_long_ago_the_membership_changed(
        self, directory
    ):
        joined = membership("org:admin") | {"updated_at": (NOON - 86_400) * 1000}
        gone = event("organizationMembership.deleted", joined, at=NOON)
        late = event("organizationMembership.created", joined, at=NOON - 86_400)
        apply(directory, gone, late)

        assert directory.complete(ALICE) is ALICE

    def test_leaves_machines_alone(self, directory):
        machine = Principal(None, token_type="m2m_token")

        assert directory.complete(machine) is machine


class TestEvents:
    def test_are_typed_and_keep_what_clerk_adds(self):
        data = {"id": "user_1", "public_metadata": None, "new_field": 1, "updated_at": NOON * 1000}

        found = event("user.created", data, instance_id="ins_1")

        assert found.user.id == "user_1"
        assert found.user.public_metadata == {}
        assert found.user.data["new_field"] == 1
        assert (found.happened_at, found.instance_id) == (NOON, "ins_1")

    def test_tell_of_organizations(self):
        data = {"id": "org_1", "name": "Acme", "slug": "acme"}

        assert event("organization.created", data).organization.slug == "acme"
        assert event("organization.updated", data | {"slug": None}).organization.slug is None
        deleted = event("organization.deleted", {"id": "org_1", "deleted": True})
        assert deleted.id_of_organization == "org_1"

    def test_of_unknown_types_are_given_as_they_are(self):
        assert event("comet.passed", {"tail": 2}).data == {"tail": 2}

    def test_say_when_they_were_sent_where_they_say_nothing_else(self):
        found = read_event("msg_1", {"type": "x", "data": {"updated_at": True}}, 7.0)

        assert found.happened_at == 7.0

    def test_give_their_time_in_seconds_or_milliseconds(self):
        envelope = {"type": "x", "data": {}, "timestamp": 1_700_000_000}

        assert read_event("msg_1", envelope, 7.0).happened_at == 1_700_000_000

    @pytest.mark.parametrize(
        "odd", [10**400, 1e308, -1, 0, True, "2026", None], ids=lambda odd: str(odd)[:5]
    )
    def test_pass_over_a_time_that_is_none(self, odd):
        """One in the far future would outdo every later event."""
        assert event("user.created", {"id": "user_1", "updated_at": odd}).happened_at == NOON

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("user.created", {}),
            ("user.created", {"id": ""}),
            ("user.deleted", {"deleted": True}),
            ("session.revoked", {"id": "sess_1"}),
            ("organization.created", {"name": "Acme"}),
            ("organizationMembership.created", {"id": "orgmem_1"}),
            ("user.created", []),
            (7, {}),
        ],
    )
    def test_without_what_their_type_promises_are_refused(self, name, data):
        with pytest.raises(EventMalformed):
            event(name, data)
