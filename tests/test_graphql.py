"""The guard for Strawberry, asked as a client of GraphQL asks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import strawberry
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from strawberry.fastapi import GraphQLRouter

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.fastapi import ClerkAuth
from doorward.graphql import SignedIn, context, principal, requires, while_valid

PROTOCOL = "graphql-transport-ws"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "everybody"

    @strawberry.field(permission_classes=[SignedIn])
    async def me(self, info: strawberry.Info) -> str:
        return (await principal(info)).user_id

    @strawberry.field(permission_classes=[requires(role="org:admin")])
    def report(self) -> str:
        return "only admins"


@strawberry.type
class Subscription:
    @strawberry.subscription(permission_classes=[SignedIn])
    async def ticks(self, info: strawberry.Info) -> AsyncIterator[int]:
        async def numbers():
            for number in range(1_000_000):
                yield number
                await asyncio.sleep(0.001)

        async for number in while_valid(info, numbers()):
            yield number


@pytest.fixture
def revocations(clock):
    return Revocations(MemoryState(clock), now=clock)


@pytest.fixture
def client(issuer, clock, revocations):
    auth = ClerkAuth(jwt_key=issuer.public_key_pem, revocation=revocations, now=clock)
    router = GraphQLRouter(
        strawberry.Schema(Query, subscription=Subscription), context_getter=context(auth)
    )
    app = FastAPI()
    app.include_router(router, prefix="/graphql")
    return TestClient(app)


def ask(client, query, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post("/graphql", json={"query": query}, headers=headers)


def extensions(answer):
    (error,) = answer.json()["errors"]
    return error["extensions"]


def test_a_field_knows_who_asks(client, issuer):
    assert ask(client, "{ me }", issuer.mint("alice")).json()["data"] == {"me": "user_alice"}


def test_nobody_gets_open_fields_alone(client):
    assert ask(client, "{ hello }").json()["data"] == {"hello": "everybody"}
    assert extensions(ask(client, "{ me }")) == {
        "code": "UNAUTHENTICATED",
        "reason": "session-token-and-uat-missing",
    }


def test_a_bad_token_gets_nothing_at_all(client):
    answer = ask(client, "{ hello }", "garbage")

    assert answer.status_code == 401
    assert answer.headers["x-clerk-auth-reason"] == "token-invalid"


def test_a_refused_field_names_what_was_missing(client, issuer):
    refused = ask(client, "{ report }", issuer.mint("bob", org="acme"))
    admin = issuer.mint("alice", org="acme", role="org:admin")

    assert extensions(refused) == {"code": "FORBIDDEN", "missing": ["role org:admin"]}
    assert ask(client, "{ report }", admin).json()["data"] == {"report": "only admins"}


def test_a_permission_that_asks_for_nothing_fails_when_it_is_made():
    with pytest.raises(ValueError, match="Nothing is asked"):
        requires()


def connected(client, token, *, in_header=False):
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    socket = client.websocket_connect(
        "/graphql", subprotocols=[PROTOCOL], headers=bearer if in_header else {}
    )
    socket.__enter__()
    payload = {} if in_header else bearer
    socket.send_json({"type": "connection_init", "payload": payload})
    assert socket.receive_json()["type"] == "connection_ack"
    return socket


@pytest.mark.parametrize("in_header", [True, False])
class TestOperationsOverAnOpenSocket:
    def ask(self, socket, query):
        socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        answer = socket.receive_json()["payload"]
        assert socket.receive_json()["type"] == "complete"
        return answer

    @pytest.fixture
    def session(self, issuer):
        return issuer.sign_in("alice", org="acme", role="org:admin")

    @pytest.fixture
    def socket(self, client, issuer, session, in_header):
        socket = connected(client, issuer.token(session), in_header=in_header)
        assert self.ask(socket, "{ me }")["data"] == {"me": "user_alice"}
        yield socket
        socket.close()

    @pytest.mark.parametrize("query", ["{ me }", "{ report }"])
    def test_are_refused_once_the_session_is_revoked(self, socket, session, revocations, query):
        asyncio.run(revocations.revoke_session(session.id))

        (error,) = self.ask(socket, query)["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": "session-revoked"}

    def test_are_refused_once_the_token_is_over(self, socket, clock):
        clock.advance(seconds=66)

        (error,) = self.ask(socket, "{ me }")["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": "token-expired"}


class TestSubscriptions:
    def subscribe(self, client, token):
        socket = connected(client, token)
        query = {"query": "subscription { ticks }"}
        socket.send_json({"id": "1", "type": "subscribe", "payload": query})
        return socket

    def refused(self, socket):
        while (message := socket.receive_json())["type"] == "next":
            if "errors" in message["payload"]:
                return message["payload"]["errors"][0]["extensions"]
        return message["payload"][0]["extensions"]

    def test_take_their_token_when_the_connection_begins(self, client, issuer):
        socket = self.subscribe(client, issuer.mint("alice"))

        assert socket.receive_json()["payload"]["data"] == {"ticks": 0}
        socket.close()

    @pytest.mark.parametrize(
        ("token", "reason"),
        [(None, "session-token-and-uat-missing"), ("garbage", "token-invalid")],
    )
    def test_without_a_good_token_begin_with_a_refusal(self, client, token, reason):
        socket = self.subscribe(client, token)

        assert self.refused(socket) == {"code": "UNAUTHENTICATED", "reason": reason}
        socket.close()

    def test_are_refused_at_the_handshake_with_a_bad_token_in_a_header(self, client):
        with pytest.raises(WebSocketDisconnect) as refused:
            client.websocket_connect(
                "/graphql", subprotocols=[PROTOCOL], headers={"Authorization": "Bearer garbage"}
            ).__enter__()

        assert refused.value.code == 4401

    def test_end_when_the_session_is_revoked(self, client, issuer, revocations):
        session = issuer.sign_in("alice")
        socket = self.subscribe(client, issuer.token(session))
        assert socket.receive_json()["payload"]["data"] == {"ticks": 0}

        asyncio.run(revocations.revoke_session(session.id))

        assert self.refused(socket) == {"code": "UNAUTHENTICATED", "reason": "session-revoked"}
        socket.close()
