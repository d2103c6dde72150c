"""@clerk/backend, unmodified, verifies the webhooks that the stand-in signs and sends."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from doorward.standin import Standin
from standin.sdk.processes import SdkRefused


class Receiver(HTTPServer):
    """An address that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.url = f"http://127.0.0.1:{self.server_port}/webhooks"
        self.received: list[tuple[dict[str, str], str]] = []


class _Keep(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.received.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sent(tmp_path, receiver):
    """The secret, and every event of Alice's first sign-in as it arrived."""
    standin = Standin.open(tmp_path)
    secret = standin.add_webhook(receiver.url)
    standin.sign_in("alice", org="acme", role="org:admin")
    standin.deliver()
    return secret, receiver.received


def verify(backend, secret, headers, body):
    return backend.ask(operation="verifyWebhook", headers=headers, body=body, secret=secret)


def test_every_event_is_verified_and_read(backend, sent):
    secret, received = sent

    events = [verify(backend, secret, *one) for one in received]

    found = {event["type"]: event["data"] for event in events}
    assert found["user.created"]["first_name"] == "Alice"
    assert found["organizationMembership.created"]["role"] == "org:admin"
    assert {"organization.created", "session.created"} <= found.keys()
    assert all(event["instance_id"].startswith("ins_") for event in events)


def test_a_body_that_was_changed_is_refused(backend, sent):
    secret, received = sent
    headers, body = received[0]

    with pytest.raises(SdkRefused):
        verify(backend, secret, headers, body.replace("alice", "mallory"))


def test_another_endpoints_secret_verifies_nothing(backend, sent, tmp_path):
    other = Standin.open(tmp_path / "other").add_webhook("http://127.0.0.1:9/")

    with pytest.raises(SdkRefused):
        verify(backend, other, *sent[1][0])
