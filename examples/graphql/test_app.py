"""The market as a client of GraphQL meets it."""

import pytest
from fastapi.testclient import TestClient

from app import app


@pytest.fixture
def client():
    return TestClient(app)


def ask(client, query):
    return client.post("/graphql", json={"query": query}).json()


def refusal(answer):
    (error,) = answer["errors"]
    return error["extensions"]


def test_open_fields_are_for_everybody(client):
    assert ask(client, "{ openingHours }")["data"] == {"openingHours": "9 to 5"}
    assert refusal(ask(client, "{ me }"))["code"] == "UNAUTHENTICATED"


def test_fields_ask_for_permissions_and_roles(client, signed_in):
    signed_in(client, "bob", org="acme", permissions=["org:trades:read"])
    assert ask(client, "{ me trades }")["data"] == {
        "me": "user_bob",
        "trades": ["a trade of org_acme"],
    }
    assert refusal(ask(client, "{ fees }")) == {"code": "FORBIDDEN", "missing": ["role org:admin"]}
    signed_in(client, "alice", org="acme", role="org:admin")
    assert ask(client, "{ fees }")["data"] == {"fees": 7}


def test_a_subscription_ends_with_the_session(client, signed_in):
    alice = signed_in(client, "alice")
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        payload = {"Authorization": f"Bearer {alice.token()}"}
        socket.send_json({"type": "connection_init", "payload": payload})
        assert socket.receive_json()["type"] == "connection_ack"
        query = "subscription { prices(everyMs: 10) }"
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        assert socket.receive_json()["payload"]["data"] == {"prices": 100}

        assert ask(client, "mutation { signOut }")["data"] == {"signOut": True}

        while (message := socket.receive_json())["payload"].get("data"):
            pass
    (error,) = message["payload"]["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": "session-revoked"}


def test_a_subscription_without_a_token_gets_nothing(client):
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": {}})
        socket.receive_json()
        query = {"query": "subscription { prices }"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": query})
        answer = socket.receive_json()
    assert answer["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
