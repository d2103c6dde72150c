import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from doorward.identity.principal import Principal
from doorward.standin.revocations import StandinRevocations

WATCH = """
import sys
from pathlib import Path
from doorward.standin.revocations import StandinRevocations
seen = StandinRevocations(Path(sys.argv[1]))
for line in sys.stdin:
    sys.stdout.write(str(seen.session_revoked(line.strip())) + "\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def revocations(standin):
    return StandinRevocations(standin.folder)


def test_a_revocation_is_seen_by_the_very_next_question(standin, revocations):
    session = standin.sign_in("alice")
    assert not revocations.session_revoked(session.id)

    standin.revoke(session.id)

    assert revocations.session_revoked(session.id)


def test_revoking_one_session_of_a_person_leaves_the_others(standin, revocations):
    first, second = standin.sign_in("alice"), standin.sign_in("alice")

    standin.revoke(first.id)

    assert revocations.session_revoked(first.id)
    assert not revocations.session_revoked(second.id)


@pytest.mark.parametrize("session_id", [None, "sess_unknown"])
def test_a_caller_of_no_session_of_the_folder_is_not_revoked(revocations, session_id):
    assert not revocations.revoked(Principal("user_alice", session_id))


def test_a_token_for_an_organization_is_over_with_the_membership(standin, revocations):
    at_acme = standin.sign_in("alice", org="acme")
    alone = standin.sign_in("alice")
    one = Principal("user_alice", session_id=at_acme.id, org_id=at_acme.org_id)
    assert not revocations.revoked(one)

    standin.remove_member("alice", "acme")

    assert revocations.revoked(one)
    assert not revocations.revoked(Principal("user_alice", session_id=alone.id))


def test_another_process_that_asked_before_sees_a_revocation_at_once(standin):
    session = standin.sign_in("alice")
    with subprocess.Popen(
        [sys.executable, "-c", WATCH, str(standin.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:

        def asked() -> str:
            watcher.stdin.write(f"{session.id}\n")
            watcher.stdin.flush()
            return watcher.stdout.readline().strip()

        assert asked() == "False"
        standin.revoke(session.id)
        assert asked() == "True"
        watcher.stdin.close()


def test_every_thread_sees_a_revocation(standin, revocations):
    session = standin.sign_in("alice")
    together = threading.Barrier(4, timeout=60)

    def before_and_after(_: int) -> tuple[bool, bool]:
        before = revocations.session_revoked(session.id)
        if together.wait() == 0:
            standin.revoke(session.id)
        together.wait()
        return before, revocations.session_revoked(session.id)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(before_and_after, range(4))) == [(False, True)] * 4


def test_a_session_that_was_revoked_before_is_known_from_the_start(standin):
    session = standin.sign_in("alice")
    standin.revoke(session.id)

    assert StandinRevocations(standin.folder).session_revoked(session.id)


def test_a_revoked_session_is_refused_by_the_house_at_once(house, alice):
    session = house.standin.sign_in("alice")
    me = {"headers": {"Authorization": f"Bearer {house.standin.token(session)}"}}
    assert house.client.get("/api/v1/me", **me).status_code == 200

    house.standin.revoke(session.id)

    assert house.client.get("/api/v1/me", **me).status_code == 401
    assert alice.get("me").status_code == 200


def test_whoever_was_banned_deleted_or_left_is_gone_at_once(standin, revocations):
    standin.sign_in("alice", org="acme")
    session = standin.sign_in("bob", org="acme")
    org = session.org_id
    assert not revocations.gone("user_bob", org)

    standin.remove_member("bob", "acme")
    assert revocations.gone("user_bob", org)
    assert not revocations.gone("user_bob", None)

    standin.ban("bob")
    assert revocations.gone("user_bob", None)
    standin.unban("bob")
    assert not revocations.gone("user_bob", None)
    standin.delete_user("bob")
    assert revocations.gone("user_bob", None)
    assert not revocations.gone("user_alice", org)
