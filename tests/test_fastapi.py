"""The guard as an integrator uses it: in an application of their own."""

import asyncio
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from doorward.clerk.jwks import RemoteKeys
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.fastapi import ClerkAuth, ClerkWebhook, ConfigurationError, Event, Principal
from support import NOON


def application(clerk) -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(who: Annotated[Principal, Depends(clerk.required)]):
        return {"user": who.user_id, "org": who.org_id}

    @app.get("/feed")
    async def feed(who: Annotated[Principal | None, Depends(clerk.optional)]):
        return {"user": who.user_id if who else None}

    admin = APIRouter(dependencies=[Depends(clerk.requires(role="org:admin"))])

    @admin.get("/admin")
    async def read_admin():
        return {}

    app.include_router(admin)
    return app


@pytest.fixture
def clerk(issuer):
    return ClerkAuth(
        jwt_key=issuer.public_key_pem,
        authorized_parties=["http://127.0.0.1:8040"],
        now=lambda: NOON,
    )


@pytest.fixture
def get(clerk):
    with TestClient(application(clerk)) as client:

        def get(path, token=None, **headers):
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            return client.get(path, headers=headers)

        yield get


def test_a_verified_caller_gets_in_and_the_route_knows_who(get, issuer):
    answer = get("/me", issuer.mint("alice", org="acme"))

    assert answer.json() == {"user": "user_alice", "org": "org_acme"}


def test_nobody_is_refused_without_being_told_of_an_invalid_token(get):
    answer = get("/me")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="clerk"'
    assert answer.headers["x-clerk-auth-reason"] == "session-token-and-uat-missing"
    assert answer.json() == {"detail": "Not authenticated"}


def test_a_bad_token_is_refused_with_its_reason_in_the_header(get, issuer):
    answer = get("/me", issuer.mint("alice", ttl=-60))

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.headers["x-clerk-auth-reason"] == "token-expired"


def test_optional_lets_nobody_in_and_still_refuses_a_bad_token(get, issuer):
    assert get("/feed").json() == {"user": None}
    assert get("/feed", issuer.mint("alice")).json() == {"user": "user_alice"}
    assert get("/feed", "garbage").status_code == 401
    assert get("/feed", Authorization="Bearer").status_code == 401
    assert get("/feed", Authorization="Basic x").json() == {"user": None}


def test_a_role_guards_a_router_and_a_refusal_names_it(get, issuer):
    assert get("/admin", issuer.mint("alice", org="acme", role="org:admin")).status_code == 200
    refused = get("/admin", issuer.mint("bob", org="acme", role="org:member"))

    assert refused.status_code == 403
    assert refused.json()["detail"]["missing"] == ["role org:admin"]
    assert get("/admin").status_code == 401


@pytest.mark.parametrize("token", ["ak_secret", "mt_secret", "oat_secret"])
def test_a_machines_credential_is_no_session(get, token):
    assert get("/me", token).headers["x-clerk-auth-reason"] == "token-type-mismatch"


def test_a_pending_session_is_signed_out(get, issuer):
    answer = get("/me", issuer.mint("alice", claims={"sts": "pending"}))

    assert answer.headers["x-clerk-auth-reason"] == "session-pending"


def test_a_revocation_acts_on_the_very_next_request(issuer):
    revoked = set()

    class Revocations:
        def revoked(self, who):
            return who.session_id in revoked

    clerk = ClerkAuth(jwt_key=issuer.public_key_pem, revocation=Revocations(), now=lambda: NOON)
    token = issuer.mint("alice", claims={"sid": "sess_1"})
    client = TestClient(application(clerk))
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/me", headers=headers).status_code == 200

    revoked.add("sess_1")

    answer = client.get("/me", headers=headers)
    assert answer.headers["x-clerk-auth-reason"] == "session-revoked"


def test_keys_that_can_not_be_had_are_the_servers_fault(issuer):
    def no_answer(_):
        raise httpx2.ConnectError("no route")

    clerk = ClerkAuth(jwks_url="https://clerk.example.com/jwks", now=lambda: NOON)
    clerk.authenticator.verifier.keys = RemoteKeys(
        "https://clerk.example.com/jwks",
        lambda: NOON,
        transport=httpx2.MockTransport(no_answer),
    )
    client = TestClient(application(clerk))
    headers = {"Authorization": f"Bearer {issuer.mint('alice')}"}

    for path in ("/me", "/feed"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


def test_a_reverification_is_asked_for_in_the_form_that_clerks_front_end_knows(issuer):
    clerk = ClerkAuth(jwt_key=issuer.public_key_pem, now=lambda: NOON)
    app = FastAPI()
    guard = Depends(clerk.requires(reverification="strict"))

    @app.get("/danger", dependencies=[guard])
    async def danger():
        return {}

    token = issuer.mint("alice", claims={"fva": [99, -1]})
    answer = TestClient(app).get("/danger", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    assert answer.json() == {
        "clerk_error": {
            "type": "forbidden",
            "reason": "reverification-error",
            "metadata": {"reverification": "strict"},
        }
    }


def test_a_wrong_set_up_fails_when_it_is_made():
    with pytest.raises(ConfigurationError):
        ClerkAuth()
    with pytest.raises(ConfigurationError):
        ClerkAuth(jwt_key="garbage")


def test_a_guard_that_asks_for_nothing_or_for_an_unknown_word_fails_when_it_is_made(clerk):
    with pytest.raises(ValueError, match="Nothing is asked for"):
        clerk.requires()
    with pytest.raises(TypeError):
        clerk.requires(rolle="admin")


def test_a_kind_of_credential_that_is_not_taken_yet_is_said_to_be_so(issuer):
    with pytest.raises(ConfigurationError, match="api_key"):
        ClerkAuth(jwt_key=issuer.public_key_pem, accepts=["api_key"])


def test_guarded_routes_show_their_credential_in_the_description(clerk):
    described = application(clerk).openapi()

    assert described["paths"]["/me"]["get"]["security"] == [{"Clerk": []}]
    assert described["components"]["securitySchemes"]["Clerk"]["bearerFormat"] == "JWT"


def test_keys_can_be_had_before_the_first_request(clerk):
    import asyncio

    asyncio.run(clerk.warm_up())


def listen(socket):
    while True:
        socket.receive_text()


class TestWebSockets:
    @pytest.fixture
    def application(self, issuer, clock):
        revocations = Revocations(MemoryState(clock), now=clock)
        clerk = ClerkAuth(
            jwt_key=issuer.public_key_pem,
            revocation=revocations,
            recheck_seconds=0.001,
            now=clock,
        )
        app = FastAPI()

        @app.websocket("/live")
        async def live(websocket: WebSocket, who: Annotated[Principal, Depends(clerk.websocket)]):
            await websocket.accept()
            async for text in websocket.iter_text():
                await websocket.send_text(f"{who.user_id}: {text}")

        @app.websocket("/ticker")
        async def ticker(websocket: WebSocket, _: Annotated[Principal, Depends(clerk.websocket)]):
            await websocket.accept()
            while True:
                await websocket.send_text("tick")
                await asyncio.sleep(0)

        @app.websocket("/broken")
        async def broken(websocket: WebSocket, _: Annotated[Principal, Depends(clerk.websocket)]):
            await websocket.accept()
            raise RuntimeError("a bug of the route")

        @app.websocket("/once")
        async def once(websocket: WebSocket, who: Annotated[Principal, Depends(clerk.required)]):
            await websocket.accept()
            await websocket.send_text(who.user_id)

        for path, guard in {
            "/required": clerk.required,
            "/optional": clerk.optional,
            "/admins": clerk.requires(role="org:admin"),
        }.items():

            @app.websocket(path, dependencies=[Depends(guard)])
            async def echo(websocket: WebSocket):
                await websocket.accept()
                async for text in websocket.iter_text():
                    await websocket.send_text(text)

        return TestClient(app), revocations

    def open(self, client, issuer, path="/live"):
        token = issuer.mint("alice", org="acme", role="org:admin", claims={"sid": "sess_1"})
        headers = {"Authorization": f"Bearer {token}"}
        return client.websocket_connect(path, headers=headers)

    def test_a_socket_knows_who_is_there(self, application, issuer):
        client, _ = application
        with self.open(client, issuer) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "user_alice: hello"
        with self.open(client, issuer, "/once") as socket:
            assert socket.receive_text() == "user_alice"

    @pytest.mark.parametrize("path", ["/live", "/once"])
    def test_a_handshake_without_a_credential_is_refused(self, application, path):
        client, _ = application
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(path):
            pass

        assert refused.value.code == 4401

    def test_whoever_needs_no_credential_is_not_judged_again(self, application):
        client, _ = application
        with client.websocket_connect("/optional") as socket:
            for word in ("still", "there"):
                socket.send_text(word)
                assert socket.receive_text() == word

    @pytest.mark.parametrize("path", ["/live", "/ticker", "/required", "/optional", "/admins"])
    def test_a_revocation_closes_an_open_socket(self, application, issuer, path):
        client, revocations = application
        with self.open(client, issuer, path) as socket:
            asyncio.run(revocations.revoke_session("sess_1"))
            with pytest.raises(WebSocketDisconnect) as closed:
                listen(socket)

        assert (closed.value.code, closed.value.reason) == (4401, "session-revoked")

    def test_a_bug_of_the_route_is_not_swallowed(self, application, issuer):
        client, _ = application
        with pytest.raises(RuntimeError, match="a bug"), self.open(client, issuer, "/broken"):
            pass


class TestWebhooks:
    SECRET = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"

    @pytest.fixture
    def client(self):
        app = FastAPI()
        webhook = ClerkWebhook(self.SECRET, now=lambda: 1_700_000_000)

        @app.post("/webhooks/clerk")
        async def take(event: Annotated[Event, Depends(webhook)]):
            return {"type": event.type, "id": event.id}

        return TestClient(app)

    def post(self, client, body):
        headers = {
            "svix-id": "msg_123",
            "svix-timestamp": "1700000000",
            "svix-signature": "v1,kLln/mW/qoI9eUisvvoz9O/1VqBkTyNgcAAorkVSisc=",
        }
        return client.post("/webhooks/clerk", content=body, headers=headers)

    def test_are_verified_over_the_raw_body(self, client):
        answer = self.post(client, b'{"type":"user.created","data":{"id":"user_123"}}')

        assert answer.json() == {"type": "user.created", "id": "msg_123"}

    def test_that_are_not_clerks_get_400(self, client):
        answer = self.post(client, b'{"type": "user.created", "data": {"id": "user_123"}}')

        assert answer.status_code == 400
        assert answer.json() == {"detail": "Not a webhook of Clerk's: signature-mismatch"}

    def test_that_are_too_large_are_not_read_to_their_end(self, client):
        assert self.post(client, b"x" * (1 << 20 | 1)).status_code == 413


def test_a_reverification_goes_below_detail_where_starlette_hides_its_handlers(clerk, issuer):
    """Without the application's handlers at hand the body still says what is needed."""
    guard = clerk.requires(reverification="strict")
    token = issuer.mint("alice", claims={"fva": [99, -1]})
    headers = [(b"authorization", f"Bearer {token}".encode())]
    connection = HTTPConnection({"type": "http", "method": "GET", "headers": headers})

    with pytest.raises(HTTPException) as refused:
        asyncio.run(guard(connection))

    assert refused.value.detail["clerk_error"]["reason"] == "reverification-error"


def test_openapi_describes_the_credential_once(clerk):
    schema = application(clerk).openapi()

    assert schema["components"]["securitySchemes"] == {
        "Clerk": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert schema["paths"]["/me"]["get"]["security"] == [{"Clerk": []}]
