"""@clerk/express and @clerk/fastify, unmodified: a small application each, by bearer tokens."""

from collections.abc import Iterator

import httpx2
import pytest

from standin.sdk.processes import NodeProcess


@pytest.fixture(scope="module", params=["express.mjs", "fastify.mjs"])
def application(request, dev) -> Iterator[str]:
    request.getfixturevalue("node")
    with NodeProcess(request.param, dev.environment()) as process:
        yield f"http://127.0.0.1:{process.read()['port']}"


@pytest.fixture
def ask(application):
    """Ask the application with a token, or as nobody."""

    def call(path, token=None, method="GET"):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx2.request(method, f"{application}{path}", headers=headers)

    return call


def test_somebody_is_let_in_and_known(ask, standin):
    session = standin.sign_in("alice", org="acme", role="org:admin")

    me = ask("/me", standin.token(session)).json()

    assert (me["userId"], me["sessionId"]) == ("user_alice", session.id)
    assert (me["orgId"], me["orgRole"]) == ("org_acme", "org:admin")


@pytest.mark.parametrize("path", ["/me", "/admin", "/profile", "/machine", "/careful"])
def test_nobody_is_not_let_in(ask, path):
    answer = ask(path)

    assert answer.status_code == 401
    assert answer.headers["x-clerk-auth-status"] == "signed-out"


def test_what_is_open_is_open_to_nobody_too(ask):
    assert ask("/public").json() == {"userId": None}


def test_an_expired_token_lets_nobody_in(ask, standin):
    assert ask("/me", standin.mint("alice", ttl=-10)).status_code == 401


def test_another_stand_ins_token_lets_nobody_in(ask, stranger):
    assert ask("/me", stranger.mint("alice", ttl=10**9)).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("org:admin", 200), ("org:member", 403)])
def test_only_the_role_that_is_asked_for_is_enough(ask, standin, role, status):
    assert ask("/admin", standin.mint("ivan", org="acme", role=role)).status_code == status


def test_a_role_in_no_organization_is_none(ask, standin):
    assert ask("/admin", standin.mint("judy")).status_code == 403


def test_a_handler_asks_the_api_about_the_caller(ask, standin):
    answer = ask("/profile", standin.mint("mallory"))

    assert answer.json() == {"name": "Mallory", "email": "mallory@example.com"}


def test_after_a_revocation_the_token_lasts_its_minute_and_the_api_knows_at_once(ask, standin):
    session = standin.sign_in("alice")
    token = standin.token(session)
    assert ask("/careful", token).json() == {"status": "active"}

    standin.revoke(session.id)

    assert ask("/me", token).status_code == 200
    assert ask("/careful", token).json() == {"error": "revoked"}


def test_the_application_revokes_a_session_itself(ask, standin):
    session = standin.sign_in("alice")

    answer = ask("/sign-out-everywhere", standin.token(session), "POST")

    assert answer.json() == {"status": "revoked"}
    assert standin.session(session.id).status == "revoked"


def test_machines_come_in_by_their_own_door(ask, standin):
    key = standin.create_api_key("alice")
    machine = standin.create_machine("worker")
    jwt = standin.create_machine_token(machine["id"], token_format="jwt")
    oauth = standin.create_oauth_token("alice")

    assert ask("/machine", key["secret"]).json()["tokenType"] == "api_key"
    assert ask("/machine", jwt["token"]).json()["subject"] == machine["id"]
    assert ask("/machine", oauth["access_token"]).json()["tokenType"] == "oauth_token"
    for token in (key["secret"], jwt["token"], oauth["access_token"]):
        assert ask("/me", token).status_code == 401
    assert ask("/machine", standin.mint("alice")).status_code == 401
