"""The guard around a bare ASGI application, and around sockets while they are open."""

import asyncio
import threading

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from doorward.asgi import ClerkAuth, ClerkMiddleware, ConfigurationError, principal_of
from doorward.clerk.refusals import Forbidden, Unavailable
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.clerk.watch import close_code

NOWHERE = "https://evil.example"


async def application(scope, receive, send):
    """Say who is there; over a WebSocket, to every message."""
    if scope["type"] == "lifespan":
        return
    try:
        who = principal_of(scope).user_id
    except LookupError:
        who = "nobody"
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": who.encode()})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": who})


@pytest.fixture
def revocations(clock):
    return Revocations(MemoryState(clock), now=clock)


@pytest.fixture
def auth(issuer, clock, revocations):
    return ClerkAuth(
        jwt_key=issuer.public_key_pem, revocation=revocations, recheck_seconds=0.001, now=clock
    )


@pytest.fixture
def client_of(auth):
    def client_of(app=application, **options):
        return TestClient(ClerkMiddleware(app, auth, **options))

    return client_of


def listen(socket):
    while True:
        socket.receive_text()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_only_verified_callers_reach_the_application(client_of, issuer):
    client = client_of()

    assert client.get("/", headers=bearer(issuer.mint("alice"))).text == "user_alice"
    refused = client.get("/")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="clerk"'
    assert refused.json() == {"detail": "Not authenticated"}


def test_excluded_paths_are_open_and_nothing_that_could_mean_another_is(client_of):
    client = client_of(exclude=["/healthz", "/public/*"])

    def status(path):
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(client.app(scope, None, send))
        return sent[0]["status"]

    for path in ("/healthz", "/public/a", "/public/a/b.css", "/public/", "/public/100%.txt"):
        assert status(path) == 200
    for path in (
        "/healthz/",
        "/healthzz",
        "/public",
        "/publicity",
        "/public/../secret",
        "/public/..",
        "/public/.",
        "/public//secret",
        "/public/./x",
        "/public/..\\secret",
        "/public/%2e%2E/secret",
        "/public/a%2F..%2fsecret",
        "/public/%5c..%5Csecret",
        "/public/%252e%252e/secret",
        "//healthz",
    ):
        assert status(path) == 401, path


@pytest.mark.parametrize("path", ["healthz", "/a*", "/*/b", "*"])
def test_an_exclusion_that_would_be_misread_is_refused_at_start(client_of, path):
    with pytest.raises(ConfigurationError):
        client_of(exclude=[path])


def test_optional_lets_nobody_in_and_refuses_a_bad_token(client_of, issuer):
    client = client_of(optional=True)

    assert client.get("/").text == "nobody"
    assert client.get("/", headers=bearer(issuer.mint("alice"))).text == "user_alice"
    assert client.get("/", headers=bearer("garbage")).status_code == 401
    with client.websocket_connect("/") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "nobody"


def test_what_is_asked_for_is_asked_of_everybody(client_of, issuer):
    client = client_of(role="org:admin")
    member = client.get("/", headers=bearer(issuer.mint("bob", org="acme")))

    assert member.status_code == 403
    assert member.json()["missing"] == ["role org:admin"]
    admin = bearer(issuer.mint("alice", org="acme", role="org:admin"))
    assert client.get("/", headers=admin).text == "user_alice"
    with pytest.raises(TypeError):
        client_of(rolle="org:admin")


def test_the_lifespan_of_the_application_is_left_alone(client_of):
    client = client_of()

    asyncio.run(client.app({"type": "lifespan"}, None, None))


class TestSockets:
    def test_talk_while_the_credential_counts(self, client_of, issuer):
        with client_of().websocket_connect("/", headers=bearer(issuer.mint("alice"))) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "user_alice"

    def test_are_refused_with_an_answer_where_the_server_can_give_one(self, client_of):
        with pytest.raises(WebSocketDenialResponse) as refused, client_of().websocket_connect("/"):
            pass

        assert refused.value.status_code == 401
        assert "www-authenticate" in refused.value.headers

    def test_are_closed_with_a_code_where_it_can_not(self, client_of):
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "websocket", "path": "/", "headers": []}
        asyncio.run(client_of().app(scope, receive, send))

        reason = "session-token-and-uat-missing"
        assert sent == [{"type": "websocket.close", "code": 4401, "reason": reason}]

    def test_are_closed_when_their_session_is_revoked(self, client_of, issuer, revocations):
        session = issuer.sign_in("alice")
        headers = bearer(issuer.token(session))
        with client_of().websocket_connect("/", headers=headers) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "user_alice"

            asyncio.run(revocations.revoke_session(session.id))

            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (4401, "session-revoked")

    def test_are_closed_when_their_token_expires(self, client_of, issuer, clock):
        with client_of().websocket_connect("/", headers=bearer(issuer.mint("alice"))) as socket:
            clock.advance(seconds=66)

            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (4401, "token-expired")

    def test_that_only_send_are_stopped_as_by_a_client_that_went_away(
        self, client_of, issuer, clock
    ):
        stopped = threading.Event()

        async def sends(_, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            try:
                while True:
                    await send({"type": "websocket.send", "text": "tick"})
                    await asyncio.sleep(0)
            except OSError:
                stopped.set()

        client = client_of(sends)
        with client.websocket_connect("/", headers=bearer(issuer.mint("alice"))) as socket:
            clock.advance(seconds=66)
            with pytest.raises(WebSocketDisconnect):
                listen(socket)
        assert stopped.is_set()

    def test_are_closed_when_a_revocation_of_ones_own_fails(self, issuer, clock):
        """A watcher that dies of a bug must not leave its socket open for good."""

        class Breakable:
            broken = False

            def revoked(self, _):
                if self.broken:
                    raise KeyError("a bug")
                return False

        state = Breakable()
        auth = ClerkAuth(
            jwt_key=issuer.public_key_pem, revocation=state, recheck_seconds=0.001, now=clock
        )
        client = TestClient(ClerkMiddleware(application, auth))
        with client.websocket_connect("/", headers=bearer(issuer.mint("alice"))) as socket:
            state.broken = True
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (4503, "revocation-unavailable")

    def test_tell_what_can_not_be_found_out_from_what_is_refused(self):
        assert close_code(Unavailable("revocation-unavailable")) == 4503
        assert close_code(Forbidden(("role org:admin",), {"role": "org:admin"})) == 4403
