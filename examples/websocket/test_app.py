"""The chat as its page meets it."""

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app import app

client = TestClient(app)


def connect(token):
    return client.websocket_connect("/live", subprotocols=["doorward.bearer", token])


def test_what_one_says_the_other_hears(clerk_standin):
    with connect(clerk_standin.mint("alice")) as alice, connect(clerk_standin.mint("bob")) as bob:
        bob.send_text("hello")
        assert alice.receive_text() == bob.receive_text() == "user_bob: hello"


def test_the_token_is_not_sent_back_as_the_protocol(clerk_standin):
    with connect(clerk_standin.mint("alice")) as socket:
        assert socket.accepted_subprotocol == "doorward.bearer"


@pytest.mark.parametrize("token", ["garbage", ""])
def test_nobody_gets_in_without_a_good_token(token):
    with pytest.raises(WebSocketDisconnect) as refused, connect(token):
        pass
    assert refused.value.code == 4401


def test_an_expired_token_does_not_open_a_socket(clerk_standin):
    with pytest.raises(WebSocketDisconnect) as refused, connect(clerk_standin.mint("al", ttl=-9)):
        pass
    assert (refused.value.code, refused.value.reason) == (4401, "token-expired")


def test_signing_out_closes_what_is_open(clerk_standin):
    session = clerk_standin.sign_in("alice")
    headers = {"Authorization": f"Bearer {clerk_standin.token(session)}"}
    with connect(clerk_standin.token(session)) as socket:
        assert client.post("/sign-out", headers=headers).status_code == 204
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert (closed.value.code, closed.value.reason) == (4401, "session-revoked")


def test_anybody_may_have_the_page():
    assert "<title>Chat</title>" in client.get("/").text
    assert client.get("/live.js").headers["content-type"].startswith("text/javascript")
