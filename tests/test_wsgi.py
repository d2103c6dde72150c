"""The guard in a WSGI application: no event loop, and the same answers as everywhere."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doorward.asgi import ClerkAuth as AsgiAuth
from doorward.clerk.directory import Directory
from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState, RedisState, SqliteState, StateUnavailable
from doorward.webhooks import UserUpdated
from doorward.wsgi import (
    ClerkAuth,
    ConfigurationError,
    Forbidden,
    NotAuthenticated,
    Refusal,
    Unavailable,
    answer_to,
)
from support import NOON

PARTY = "http://127.0.0.1:8040"
NO_TOKEN = "session-token-and-uat-missing"


@pytest.fixture
def revocations(clock, tmp_path):
    return Revocations(SqliteState(tmp_path / "state.db", clock), now=clock)


@pytest.fixture
def auth(issuer, clock, revocations):
    return ClerkAuth(
        jwt_key=issuer.public_key_pem,
        authorized_parties=[PARTY],
        revocation=revocations,
        now=clock,
    )


def request(token=None, method="GET", **more):
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/"} | more
    return environ if token is None else environ | {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def reason_of(auth, environ):
    with pytest.raises(Refusal) as refused:
        auth.authenticate(environ)
    return refused.value.reason


def test_a_verified_caller_is_known_with_all_that_the_token_says(auth, issuer):
    who = auth.authenticate(request(issuer.mint("alice", org="acme", role="org:admin")))

    assert (who.user_id, who.org_id) == ("user_alice", "org_acme")
    assert who.has(role="org:admin")


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (request(), NO_TOKEN),
        (request("garbage"), "token-invalid"),
        (request(HTTP_AUTHORIZATION="Bearer a,Bearer b"), "token-invalid"),
        (request(HTTP_AUTHORIZATION="Bearer \xff"), "token-invalid"),
        (request(HTTP_AUTHORIZATION="Bearer \u20ac"), "token-invalid"),
        (request(HTTP_AUTHORIZATION="Basic x"), NO_TOKEN),
    ],
)
def test_nobody_else_gets_in(auth, environ, reason):
    assert reason_of(auth, environ) == reason


def test_an_expired_token_and_one_of_a_stranger_are_refused(auth, issuer, stranger):
    assert reason_of(auth, request(issuer.mint("alice", ttl=-60))) == "token-expired"
    assert reason_of(auth, request(stranger.mint("alice"))) == "token-invalid-signature"


def test_optional_lets_nobody_in_and_refuses_a_bad_token(auth, issuer):
    assert auth.authenticate_optional(request()) is None
    assert auth.authenticate_optional(request(issuer.mint("alice"))).user_id == "user_alice"
    with pytest.raises(NotAuthenticated):
        auth.authenticate_optional(request("garbage"))


def test_what_is_asked_for_must_be_there(auth, issuer):
    member = request(issuer.mint("bob", org="acme"))

    with pytest.raises(Forbidden) as refused:
        auth.requires(role="org:admin")(member)

    assert refused.value.missing == ("role org:admin",)
    assert auth.requires(role="org:member")(member).user_id == "user_bob"
    with pytest.raises(NotAuthenticated):
        auth.requires(role="org:member")(request())


def test_a_guard_that_asks_for_nothing_or_for_an_unknown_word_fails_when_it_is_made(auth):
    with pytest.raises(ValueError, match="Nothing is asked for"):
        auth.requires()
    with pytest.raises(TypeError):
        auth.requires(rolle="org:admin")


def test_a_revocation_acts_on_the_very_next_request(auth, issuer, revocations):
    session = issuer.sign_in("alice")
    environ = request(issuer.token(session))
    assert auth.authenticate(environ)

    asyncio.run(revocations.revoke_session(session.id))

    assert reason_of(auth, environ) == "session-revoked"


class TestCookies:
    def environ(self, issuer, method="GET", **more):
        cookie = f"__session={issuer.mint('alice')}; __client_uat={int(NOON) - 5}"
        return request(method=method, HTTP_COOKIE=cookie, **more)

    def test_count_where_a_page_of_ours_sent_them(self, auth, issuer):
        ours = self.environ(issuer, "POST", HTTP_ORIGIN=PARTY)
        same = self.environ(issuer, "POST", HTTP_SEC_FETCH_SITE="same-origin")

        assert auth.authenticate(ours).user_id == "user_alice"
        assert auth.authenticate(same).user_id == "user_alice"

    def test_do_not_count_where_another_sites_page_sent_them(self, auth, issuer):
        theirs = self.environ(issuer, "POST", HTTP_ORIGIN="https://evil.example")
        form = self.environ(issuer, "POST", HTTP_SEC_FETCH_SITE="cross-site")

        assert reason_of(auth, theirs) == reason_of(auth, form) == "cookie-origin-untrusted"

    def test_do_not_count_after_a_sign_out(self, auth, issuer):
        cookie = f"__session={issuer.mint('alice')}; __client_uat=0"

        assert reason_of(auth, request(HTTP_COOKIE=cookie)) == "session-token-but-no-client-uat"


@pytest.mark.parametrize("token", ["ak_secret", "mt_secret", "oat_secret"])
def test_what_only_clerk_can_judge_is_refused_and_nobody_is_asked(issuer, token):
    auth = ClerkAuth(
        secret_key="sk_test_of_nobody",
        jwt_key=issuer.public_key_pem,
        accepts=["session_token", "m2m_token", "oauth_token"],
        now=lambda: NOON,
    )

    assert reason_of(auth, request(token)) == "token-type-mismatch"
    with pytest.raises(NotAuthenticated):
        auth.verify(token)


def test_a_token_that_came_in_no_header_is_verified_too(auth, issuer):
    assert auth.verify(issuer.mint("alice")).user_id == "user_alice"


class TestSetUp:
    def test_refuses_credentials_that_need_an_event_loop(self, issuer):
        with pytest.raises(ConfigurationError, match=r"doorward\.asgi"):
            ClerkAuth(jwt_key=issuer.public_key_pem, accepts="api_key")

    def test_refuses_states_that_need_an_event_loop(self, issuer):
        state = RedisState("redis://127.0.0.1:1")

        with pytest.raises(ConfigurationError) as refused:
            ClerkAuth(
                jwt_key=issuer.public_key_pem,
                revocation=Revocations(state),
                directory=Directory(state),
            )

        assert [text.split()[0] for text in refused.value.mistakes] == ["revocation", "directory"]

    def test_takes_a_state_that_is_down_for_the_moment_and_lets_nobody_in(self, issuer):
        class Down:
            def revoked(self, _):
                raise StateUnavailable

        auth = ClerkAuth(jwt_key=issuer.public_key_pem, revocation=Down(), now=lambda: NOON)

        with pytest.raises(Unavailable) as refused:
            auth.authenticate(request(issuer.mint("alice")))
        assert refused.value.reason == "revocation-unavailable"

    def test_names_what_is_wrong(self):
        with pytest.raises(ConfigurationError, match="CLERK_JWT_KEY"):
            ClerkAuth()


def test_a_revocation_that_begins_to_wait_later_lets_nobody_in(issuer):
    class Later:
        asked = 0

        def revoked(self, _):
            self.asked += 1
            return False if self.asked == 1 else asyncio.sleep(0, result=False)

    auth = ClerkAuth(jwt_key=issuer.public_key_pem, revocation=Later(), now=lambda: NOON)

    with pytest.raises(RuntimeError, match="event loop"):
        auth.authenticate(request(issuer.mint("alice")))


def test_what_webhooks_told_of_a_user_is_known(issuer, clock):
    directory = Directory(MemoryState(clock), now=clock)
    auth = ClerkAuth(jwt_key=issuer.public_key_pem, directory=directory, now=clock)
    data = {"id": "user_alice", "public_metadata": {"tier": "gold"}}
    environ = request(issuer.mint("alice"))
    assert not auth.authenticate(environ).has(metadata={"tier": "gold"})

    asyncio.run(directory.apply(UserUpdated("msg_1", "user.updated", NOON, data)))

    assert auth.authenticate(environ).has(metadata={"tier": "gold"})


class TestRemoteKeys:
    @pytest.fixture
    def served(self, issuer):
        """An address that serves the keys, and counts how often it is asked."""
        asked = []

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                body = json.dumps(issuer.jwks()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks", asked
        server.shutdown()
        thread.join()
        server.server_close()

    def test_are_fetched_once_for_all_threads(self, served, issuer):
        url, asked = served
        auth = ClerkAuth(jwks_url=url, now=lambda: NOON)
        tokens = [issuer.mint("alice") for _ in range(16)]

        with ThreadPoolExecutor(8) as threads:
            known = [*threads.map(lambda token: auth.verify(token).user_id, tokens)]

        assert known == ["user_alice"] * 16
        assert asked == ["/jwks"]

    def test_can_be_had_before_the_first_request(self, served):
        url, asked = served
        ClerkAuth(jwks_url=url, now=lambda: NOON).warm_up()

        assert asked == ["/jwks"]

    def test_that_can_not_be_had_are_the_servers_fault(self, issuer):
        auth = ClerkAuth(jwks_url="http://127.0.0.1:1/jwks", now=lambda: NOON)

        with pytest.raises(TokenVerificationError):
            auth.warm_up()
        with pytest.raises(Unavailable) as refused:
            auth.verify(issuer.mint("alice"))
        assert answer_to(refused.value).status == 503


def test_a_refusal_can_be_answered_by_any_framework(auth):
    with pytest.raises(NotAuthenticated) as refused:
        auth.authenticate(request("garbage"))
    answer = answer_to(refused.value)

    assert answer.status == 401
    assert ("Www-Authenticate", 'Bearer realm="clerk", error="invalid_token"') in answer.headers
    assert ("X-Clerk-Auth-Reason", "token-invalid") in answer.headers
    assert json.loads(answer.body) == {"detail": "Not authenticated"}


def test_it_judges_as_the_guard_for_asgi_does(issuer, stranger):
    """One judgement for both: whatever the tokens, the same reason or the same caller."""
    options = {"jwt_key": issuer.public_key_pem, "authorized_parties": [PARTY]}
    wsgi, asgi = (kind(**options, now=lambda: NOON) for kind in (ClerkAuth, AsgiAuth))
    tokens = [
        issuer.mint("alice", org="acme", role="org:admin"),
        issuer.mint("alice", version=1),
        issuer.mint("alice", ttl=-60),
        issuer.mint("alice", azp="https://evil.example"),
        issuer.mint("alice", claims={"sts": "pending"}),
        issuer.mint("alice", claims={"nbf": NOON + 60}),
        stranger.mint("alice"),
        issuer.mint("alice")[:-4],
        "",
        "a.b.c",
    ]

    def outcome(judge):
        try:
            return judge()
        except Refusal as refusal:
            return refusal.reason

    for token in tokens:
        value = f"Bearer {token}"
        scope = {
            "type": "http",
            "method": "GET",
            "headers": [(b"authorization", value.encode())],
        }
        here = outcome(lambda value=value: wsgi.authenticate(request(HTTP_AUTHORIZATION=value)))
        assert here == outcome(lambda scope=scope: asyncio.run(asgi.authenticate(scope)))
