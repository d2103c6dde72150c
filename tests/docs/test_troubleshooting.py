"""Every symptom that can be provoked is, and the page names what was seen in its section."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from standardwebhooks import Webhook
from starlette.middleware.cors import CORSMiddleware
from starlette.websockets import WebSocketDisconnect

from doorward.asgi import ClerkMiddleware
from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.jwks import RemoteKeys
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState, StateUnavailable
from doorward.fastapi import ClerkAuth, ClerkWebhook, Event, Principal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/troubleshooting.md").read_text()
SECTIONS = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE),
)
REASON = "x-clerk-auth-reason"
ORIGIN = "http://127.0.0.1:8040"


@pytest.fixture
def client_of(issuer, clock):
    """An application behind a guard with these options."""

    def client_of(**options) -> TestClient:
        keys = {} if options.keys() & {"jwks_url"} else {"jwt_key": issuer.public_key_pem}
        options = keys | {"authorized_parties": [ORIGIN]} | options
        clerk = ClerkAuth(**options, now=clock, recheck_seconds=0.001)
        app = FastAPI()

        @app.get("/me")
        async def me(who: Annotated[Principal, Depends(clerk.required)]):
            return who.user_id

        @app.get("/admin", dependencies=[Depends(clerk.requires(role="org:admin"))])
        async def admin():
            return None

        @app.websocket("/live")
        async def live(websocket: WebSocket, _: Annotated[Principal, Depends(clerk.websocket)]):
            await websocket.accept(subprotocol="doorward.bearer")
            async for text in websocket.iter_text():
                await websocket.send_text(text)

        return TestClient(app)

    return client_of


def reason_for(client, token=None, **headers) -> str:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = client.get("/me", headers=bearer | headers)
    assert answer.status_code == 401, answer.text
    return answer.headers[REASON]


def named_in(section: str) -> set[str]:
    """The reasons that a section links to the table of refusals."""
    return set(re.findall(r"refusals\.md#([\w-]+)\)", SECTIONS[section]))


ALWAYS = "401 on every request"


@pytest.mark.parametrize("value", ["", "Token eyJ", "Basic eyJ"])
def test_a_header_with_another_word_than_bearer_is_no_credential(client_of, value):
    headers = {"Authorization": value} if value else {}

    assert reason_for(client_of(), **headers) in named_in(ALWAYS)
    assert reason_for(client_of(), **headers) in named_in("Behind a proxy")
    assert reason_for(client_of(), **headers) in named_in("Works with curl and not in the browser")


@pytest.mark.parametrize(
    "token", ["undefined", "null", '"eyJ.eyJ.x"', "Bearer eyJ.eyJ.x", "[object Promise]"]
)
def test_what_pages_send_by_mistake_is_no_jwt(client_of, token):
    assert reason_for(client_of(), token) == "token-invalid"
    assert "token-invalid" in named_in(ALWAYS)


def test_a_pasted_key_of_another_instance(client_of, stranger):
    reason = reason_for(client_of(), stranger.mint("alice"))

    assert reason == "token-invalid-signature"
    assert reason in named_in(ALWAYS) & named_in("Development works and production does not")


def test_fetched_keys_of_another_instance(issuer, stranger, clock):
    fetched = httpx2.Response(200, json=issuer.jwks())
    keys = RemoteKeys(
        "https://clerk.example.com/jwks",
        clock,
        sync_transport=httpx2.MockTransport(lambda _: fetched),
    )

    with pytest.raises(TokenVerificationError) as refused:
        keys.get_sync(stranger.kid)

    named = named_in(ALWAYS) & named_in("Development works and production does not")
    assert refused.value.reason.value in named


@pytest.mark.parametrize(
    "azp",
    [None, "http://localhost:8040", "https://127.0.0.1:8040", "http://127.0.0.1", ORIGIN + "/"],
)
def test_an_authorized_party_that_is_missing_or_another(client_of, issuer, azp):
    token = issuer.mint("alice", azp=azp)
    reason = reason_for(client_of(), token)
    section = "The authorized party is missing, or another"

    assert reason in named_in(section) & named_in(ALWAYS)
    assert reason in named_in("Works with curl and not in the browser")
    assert "`ClerkAuth(authorized_parties=[])`" in SECTIONS[section]
    native = client_of(authorized_parties=[])
    assert native.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_an_issuer_that_is_not_the_instances(client_of, issuer):
    client = client_of(issuer="https://clerk.example.com")
    reason = reason_for(client, issuer.mint("alice"))

    assert reason in named_in("Development works and production does not")


def test_a_token_that_was_kept_for_a_minute(client_of, issuer, clock):
    token = issuer.mint("alice")
    clock.advance(seconds=66)

    assert reason_for(client_of(), token) in named_in("401 after a minute")


@pytest.mark.parametrize("behind_seconds", [-70, 10, 30])
def test_a_clock_that_is_off(client_of, issuer, clock, behind_seconds):
    clock.advance(seconds=-behind_seconds)
    reason = reason_for(client_of(), issuer.mint("alice"))

    assert reason in named_in("401 only on some machines, or only at times")


class TestCors:
    SECTION = SECTIONS["The browser says CORS"]

    def preflight(self, app, **more):
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        return TestClient(app).options("/me", headers=asked | more)

    def test_inside_of_the_guard_answers_the_browser_with_401(self, issuer):
        auth = ClerkAuth(jwt_key=issuer.public_key_pem, authorized_parties=[ORIGIN])
        app = FastAPI()
        app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN])
        app.add_middleware(ClerkMiddleware, auth=auth)
        answer = self.preflight(app)

        assert answer.status_code == 401
        assert "access-control-allow-origin" not in answer.headers
        assert "| 401 | CORS stands inside of the guard" in self.SECTION

        repaired = FastAPI()
        auth.add_cors(repaired)
        repaired.add_middleware(ClerkMiddleware, auth=auth)
        assert self.preflight(repaired).status_code == 200

    def test_without_any_answers_404_or_405(self, client_of):
        assert self.preflight(client_of().app).status_code == 405
        assert self.preflight(FastAPI()).status_code == 404
        assert "| 404 or 405 |" in self.SECTION

    def test_of_another_origin_or_with_another_header_says_so(self, issuer):
        auth = ClerkAuth(jwt_key=issuer.public_key_pem, authorized_parties=[ORIGIN])
        app = FastAPI()
        auth.add_cors(app)
        origin = self.preflight(app, Origin="http://localhost:8040")
        header = self.preflight(app, **{"Access-Control-Request-Headers": "x-request-id"})

        for answer in (origin, header):
            assert f"| {answer.status_code} `{answer.text}` |" in self.SECTION


class TestCookies:
    @pytest.fixture
    def reason(self, client_of, issuer, clock):
        def reason(*, session=True, uat=5, **headers) -> str:
            token = f"__session={issuer.mint('alice')}; " if session else ""
            seen = "" if uat is None else f"__client_uat={int(clock.now) - uat if uat else 0}"
            return reason_for(client_of(), Cookie=token + seen, **headers)

        return reason

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ({"session": False, "uat": None}, "session-token-and-uat-missing"),
            ({"Origin": "https://evil.example"}, "cookie-origin-untrusted"),
            ({"uat": None}, "session-token-but-no-client-uat"),
            ({"uat": 0}, "session-token-but-no-client-uat"),
            ({"session": False}, "client-uat-but-no-session-token"),
            ({"uat": -5}, "session-token-iat-before-client-uat"),
        ],
    )
    def test_that_do_not_count_say_why(self, reason, sent, expected):
        assert reason(**sent) == expected
        assert expected in named_in("Cookies don't count")

    def test_are_off_without_authorized_parties(self, client_of, issuer):
        client = client_of(authorized_parties=[])
        cookie = f"__session={issuer.mint('alice')}; __client_uat=1"

        assert reason_for(client, Cookie=cookie) == "session-token-and-uat-missing"


def test_what_is_missing_is_named(client_of, issuer):
    alone = client_of().get("/admin", headers={"Authorization": f"Bearer {issuer.mint('alice')}"})

    assert alone.status_code == 403
    assert alone.json()["detail"]["missing"] == ["role org:admin"]
    assert "is an organization active?" in SECTIONS["403, and something is missing"]


class TestUnavailable:
    def unavailable(self, client, issuer, caplog) -> str:
        headers = {"Authorization": f"Bearer {issuer.mint('alice')}"}
        answer = client.get("/me", headers=headers)
        assert answer.status_code == 503
        assert REASON not in answer.headers
        (logged,) = [one for one in caplog.records if one.name == "doorward.clerk.refusals"]
        return logged.getMessage().rpartition(" ")[2]

    def test_keys_that_can_not_be_had(self, client_of, issuer, caplog):
        client = client_of(jwks_url="http://127.0.0.1:1/jwks")

        assert self.unavailable(client, issuer, caplog) in named_in("503")

    def test_a_state_that_does_not_answer(self, client_of, issuer, caplog):
        class Down:
            def revoked(self, _):
                raise StateUnavailable

        client = client_of(revocation=Down())

        assert self.unavailable(client, issuer, caplog) in named_in("503")


class TestSockets:
    SECTION = "WebSockets close"

    def closed(self, client, token, between=lambda: None) -> tuple[int, str]:
        protocols = ["doorward.bearer", token]
        with client.websocket_connect("/live", subprotocols=protocols) as socket:
            between()
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
        return closed.value.code, closed.value.reason

    def test_close_with_what_the_page_says(self, client_of, issuer, clock):
        session, revocations = issuer.sign_in("alice"), Revocations(MemoryState(clock), now=clock)
        client = client_of(revocation=revocations)

        def revoke():
            asyncio.run(revocations.revoke_session(session.id))

        def wait():
            clock.advance(seconds=66)

        seen = [
            self.closed(client, issuer.token(session), revoke),
            self.closed(client, issuer.mint("alice"), wait),
        ]

        assert [code for code, _ in seen] == [4401, 4401]
        assert {reason for _, reason in seen} <= named_in(self.SECTION)

    def test_that_were_never_open_are_refused(self, client_of):
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client_of().websocket_connect("/live"),
        ):
            pass

        assert refused.value.code == 4401
        assert "| 1006 at once | the handshake was refused" in SECTIONS[self.SECTION]


def test_a_token_of_a_template(client_of, issuer):
    template = issuer.sign(
        {"sub": "user_alice", "azp": ORIGIN, "iat": issuer.now, "exp": issuer.now + 60},
        {"cat": "cl_B7d4PD222AAA"},
    )
    section = "Tokens of a template"

    assert reason_for(client_of(), template) in named_in(section) & named_in(ALWAYS)
    assert reason_for(client_of(), "mt_" + "a" * 32) in named_in(section)


def test_a_session_that_is_pending(client_of, issuer):
    assert reason_for(client_of(), issuer.mint("al", claims={"sts": "pending"})) in named_in(ALWAYS)


class TestWebhooks:
    SECTION = SECTIONS["A webhook is refused with 400"]
    SECRET = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"
    BODY = '{"type": "user.deleted", "data": {"id": "user_alice"}}'

    @pytest.fixture
    def reason(self, clock):
        app = FastAPI()

        @app.post("/webhooks/clerk")
        async def take(_: Annotated[Event, Depends(ClerkWebhook(self.SECRET, now=clock))]):
            return None

        sent_at = datetime.fromtimestamp(clock.now, UTC)
        headers = {
            "svix-id": "msg_1",
            "svix-timestamp": str(int(clock.now)),
            "svix-signature": Webhook(self.SECRET).sign("msg_1", sent_at, self.BODY),
        }

        def reason(body=self.BODY, headers=headers) -> str:
            answer = TestClient(app).post("/webhooks/clerk", content=body, headers=headers)
            assert answer.status_code in {200, 400}
            return answer.json()["detail"].rpartition(" ")[2] if answer.json() else "taken"

        return reason

    def test_whose_body_was_parsed_and_written_anew(self, reason):
        anew = json.dumps(json.loads(self.BODY), separators=(",", ":"))

        assert reason() == "taken"
        assert f"| `{reason(anew)}` |" in self.SECTION

    def test_whose_headers_were_taken_away(self, reason):
        assert f"| `{reason(headers={})}` |" in self.SECTION

    @pytest.mark.parametrize("seconds", [301, -301])
    def test_that_comes_to_a_clock_that_is_off(self, reason, clock, seconds):
        clock.advance(seconds=seconds)

        assert f"`{reason()}`" in self.SECTION


def test_every_section_is_one_that_the_page_links_to_itself_by():
    slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}

    for target in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert target in slugs


def test_every_link_into_a_page_finds_its_place():
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    for page in pages:
        for target, place in re.findall(r"\]\(([^)#:]+)#([^)]+)\)", page.read_text()):
            text = (page.parent / target).read_text()
            titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
            places = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles}
            assert place in places | set(re.findall(r'id="([^"]+)"', text)), f"{page}: {place}"
