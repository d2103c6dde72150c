import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import standardwebhooks
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from doorward import webhooks
from doorward.standin import Refused, Standin
from doorward.standin.deliveries import DISABLED_AFTER_SECONDS, RETRY_SECONDS, is_due
from doorward.standin.webhooks import TYPES
from support import NOON

URL = "http://127.0.0.1:3000/webhooks/clerk"


class Receiver:
    """An application of somebody's that verifies what comes with Doorward's own verifier."""

    def __init__(self, standin):
        self.standin = standin
        self.secret = standin.add_webhook(URL)
        self.status = 200
        self.headers = {}
        self.events, self.requests = [], []
        self.client = TestClient(
            Starlette(routes=[Route("/webhooks/clerk", self.take, methods=["POST"])])
        )

    async def take(self, request):
        body = await request.body()
        event = webhooks.verify(body, request.headers, self.secret, now=lambda: self.standin.now)
        self.events.append(event)
        self.requests.append((dict(request.headers), body))
        return Response(status_code=self.status, headers=self.headers)

    def deliver(self):
        return self.standin.deliver(self.client)

    def types(self):
        self.deliver()
        seen, self.events = [event.type for event in self.events], []
        return seen


@pytest.fixture
def receiver(standin):
    return Receiver(standin)


def test_signing_in_tells_of_everything_that_it_made(standin, receiver):
    session = standin.sign_in("alice", org="acme", role="admin")

    assert receiver.types() == [
        "user.created",
        "organization.created",
        "organizationMembership.created",
        "session.created",
    ]
    assert receiver.types() == []
    body = json.loads(receiver.requests[-1][1])
    assert (body["object"], body["instance_id"]) == ("event", standin.kid)
    assert body["timestamp"] == NOON * 1000
    assert body["data"]["id"] == session.id
    assert body["data"]["user"]["id"] == "user_alice"


def test_every_change_tells_of_itself(standin, receiver, api):
    session = standin.sign_in("alice", org="acme")
    other = standin.sign_in("alice")
    receiver.types()

    changes = [
        (("PATCH", "/v1/users/user_alice", {"first_name": "A"}), ["user.updated"]),
        (
            ("PATCH", "/v1/users/user_alice/metadata", {"public_metadata": {"a": 1}}),
            ["user.updated"],
        ),
        (("POST", "/v1/users/user_alice/lock"), ["user.updated"]),
        (("POST", f"/v1/sessions/{session.id}/revoke"), ["session.revoked"]),
        (("POST", "/v1/users/user_alice/ban"), ["session.revoked", "user.updated"]),
        (("PATCH", "/v1/organizations/acme", {"name": "New"}), ["organization.updated"]),
        (
            (
                "PATCH",
                "/v1/organizations/acme/memberships/user_alice",
                {"role": "org:admin"},
            ),
            ["organizationMembership.updated"],
        ),
        (
            (
                "POST",
                "/v1/organizations/acme/invitations",
                {"email_address": "x@b.example", "role": "org:member"},
            ),
            ["organizationInvitation.created"],
        ),
        (
            ("DELETE", "/v1/organizations/acme/memberships/user_alice"),
            ["organizationMembership.deleted"],
        ),
        (("DELETE", "/v1/organizations/acme"), ["organization.deleted"]),
        (("DELETE", "/v1/users/user_alice"), ["user.deleted"]),
        (("POST", "/v1/users", {"username": "ada"}), ["user.created"]),
    ]
    for call, expected in changes:
        api(*call)
        assert receiver.types() == expected, call
    assert standin.session(other.id).status == "revoked"


@pytest.mark.parametrize("status", ["ended", "removed"])
def test_signing_out_tells_how_once(standin, receiver, status):
    session = standin.sign_in("alice")
    receiver.types()

    assert standin.end(session.id, status)
    assert standin.end(session.id, status)

    assert receiver.types() == [f"session.{status}"]


def test_an_accepted_invitation_tells_who_came(standin, receiver, api, http):
    standin.sign_in("alice", org="acme")
    body = {"email_address": "new@b.example", "role": "org:member"}
    made = api("POST", "/v1/organizations/acme/invitations", body)
    receiver.types()

    user_id = http.post(f"/dev/invitations/{made['id']}/accept").json()["user_id"]

    expected = ["user.created", "organizationMembership.created", "organizationInvitation.accepted"]
    assert receiver.types() == expected
    assert json.loads(receiver.requests[-1][1])["data"]["user_id"] == user_id


def test_a_refused_change_tells_of_nothing(receiver, refused):
    refused("POST", "/v1/users", {"username": "ada", "email_address": ["none"]})

    assert receiver.types() == []


def test_an_endpoint_gets_what_it_asked_for(standin, receiver):
    standin.add_webhook("http://localhost:3001/", ["session.*", "user.deleted"])

    standin.sign_in("alice", org="acme")
    standin.delete_user("alice")

    sent = [one.type for one in receiver.deliver() if "localhost" in one.url]
    assert sent == ["session.created", "session.revoked", "user.deleted"]


def test_the_standards_own_library_accepts_what_is_sent(tmp_path):
    now = Standin.open(tmp_path / "now")
    receiver = Receiver(now)
    now.sign_in("alice")
    receiver.deliver()

    headers, body = receiver.requests[0]
    verifier = standardwebhooks.Webhook(receiver.secret)
    assert verifier.verify(body, headers)["type"] == "user.created"
    other = standardwebhooks.Webhook("whsec_" + "A" * 32)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        other.verify(body, headers)


def test_what_is_not_taken_is_sent_again_on_clerks_schedule_under_one_id(standin, receiver):
    receiver.status = 500
    standin.create_user(username="ada")
    waits = []

    for seconds in (*RETRY_SECONDS, None):
        (attempt,) = receiver.deliver()
        waits.append(attempt.status)
        if seconds is not None:
            standin.advance(seconds - 1)
            assert receiver.deliver() == []
            standin.advance(1)

    assert waits == ["waiting"] * 7 + ["failed"]
    assert len({event.id for event in receiver.events}) == 1
    assert len({headers["svix-timestamp"] for headers, _ in receiver.requests}) == 8
    assert sum(RETRY_SECONDS) < 28 * 3600


def test_a_replay_keeps_its_id(standin, receiver):
    standin.create_user(username="ada")
    (first,) = receiver.deliver()

    standin.replay(first.id)
    (second,) = receiver.deliver()

    assert (first.id, first.status) == (second.id, second.status)
    assert receiver.requests[0][1] == receiver.requests[1][1]
    with pytest.raises(Refused):
        standin.replay("msg_none")


def test_a_receiver_that_wants_no_other_attempt_gets_none(standin, receiver):
    receiver.status, receiver.headers = 400, {"webhook-delivery": "abort-message"}
    standin.create_user(username="ada")

    assert [one.status for one in receiver.deliver()] == ["failed"]


def test_an_endpoint_that_fails_for_days_is_left_alone(standin, receiver):
    receiver.status = 500
    standin.create_user(username="ada")
    receiver.deliver()
    standin.advance(DISABLED_AFTER_SECONDS)
    receiver.deliver()

    standin.create_user(username="eve")

    assert receiver.deliver() == []
    assert not is_due(standin.read())


def test_a_redirect_is_a_failure_and_is_not_followed(standin, receiver):
    receiver.status, receiver.headers = 307, {"location": "http://127.0.0.1/elsewhere"}
    standin.create_user(username="ada")

    (attempt,) = receiver.deliver()
    assert (attempt.status, attempt.outcome) == ("waiting", "307")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://192.0.2.1/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://me:password@127.0.0.1/",
        "http://[::ffff:192.0.2.1]/",
        "http://[",
        "",
    ],
)
def test_nobody_elsewhere_is_told(standin, url):
    with pytest.raises(Refused) as refusal:
        standin.add_webhook(url)
    assert refusal.value.param == "url"


def test_an_event_that_there_is_not_can_not_be_asked_for(standin):
    with pytest.raises(Refused):
        standin.add_webhook(URL, ["user.create"])
    assert "user.created" in TYPES


class Counting(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()
        self.server.arrived.release()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Counting) as listening:
        listening.bodies, listening.arrived = [], threading.Semaphore(0)
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def test_over_a_real_connection_it_is_the_same(standin, server):
    secret = standin.add_webhook(f"http://127.0.0.1:{server.server_port}/hook")
    standin.sign_in("alice")

    assert [one.outcome for one in standin.deliver()] == ["204", "204"]

    headers, body = server.bodies[0]
    event = webhooks.verify(body, headers, secret, now=lambda: NOON)
    assert (event.type, event.user.id) == ("user.created", "user_alice")


def test_a_receiver_that_is_not_there_is_tried_again(standin, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")
    standin.add_webhook("http://127.0.0.1:9/hook")
    standin.create_user(username="ada")

    (attempt,) = standin.deliver()

    assert (attempt.status, attempt.outcome) == ("waiting", "ConnectError")


def test_a_change_in_another_process_is_sent_from_this_one(standin, receiver):
    signing = "import sys; from pathlib import Path; from doorward.standin import Standin; "
    signing += f"Standin.open(Path(sys.argv[1]), clock=lambda: {NOON}).sign_in('alice')"
    subprocess.run([sys.executable, "-c", signing, standin.folder], check=True)

    assert receiver.types() == ["user.created", "session.created"]


def test_the_server_sends_by_itself(standin, server):
    from doorward.standin.app import create_app

    standin.add_webhook(f"http://127.0.0.1:{server.server_port}/hook")
    with TestClient(create_app(standin)):
        standin.sign_in("alice")
        for _ in range(2):
            assert server.arrived.acquire(timeout=60)

    assert len(server.bodies) == 2


def test_the_house_sends_by_itself_too(house, server):
    house.standin.add_webhook(f"http://127.0.0.1:{server.server_port}/hook", ["user.created"])

    house.standin.sign_in("alice")

    assert server.arrived.acquire(timeout=60)
    assert b"user_alice" in server.bodies[0][1]


def test_an_address_that_can_not_be_asked_keeps_nobody_waiting(standin, server):
    standin.add_webhook("http://127.0.0.1:9/\x7f", ["user.created"])
    standin.add_webhook(f"http://127.0.0.1:{server.server_port}/hook", ["user.created"])

    standin.create_user(username="ada")

    assert [one.status for one in standin.deliver()] == ["waiting", "delivered"]


def test_neither_the_file_nor_the_log_has_the_signing_secret(standin, receiver, caplog):
    receiver.status = 500
    standin.create_user(username="ada")
    receiver.deliver()

    kept = b"".join(path.read_bytes() for path in standin.folder.glob("sessions.db*"))
    assert receiver.secret.removeprefix("whsec_").encode() not in kept
    assert receiver.secret.removeprefix("whsec_") not in caplog.text
    assert "user.created" in caplog.text
