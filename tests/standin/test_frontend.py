from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.jwks import PemKey
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.rules import Rules
from doorward.clerk.tokens import parse
from doorward.clerk.verifier import Verifier
from doorward.standin import Standin
from doorward.standin.app import create_app
from support import Clock

HERE = "http://127.0.0.1:8041"
APP = "http://127.0.0.1:3000"
HANDSHAKE = "/v1/client/handshake"


@pytest.fixture
def standin(tmp_path, clock: Clock):
    return Standin.open(tmp_path, clock=clock)


@pytest.fixture
def browser(standin):
    app = create_app(standin)
    with TestClient(app, HERE, follow_redirects=False, client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.fixture
def session_id(browser, standin):
    """Alice, signed in with the browser."""
    browser.post("/sign-in", data={"user": "alice", "org": "acme"}, headers={"Origin": HERE})
    suffix = PublishableKey.parse(standin.publishable_key).cookie_suffix
    return browser.cookies[f"__client_{suffix}"].partition(".")[0]


def fresh(browser, session_id, origin=APP, **headers):
    given = {"Origin": origin} | headers if origin else headers
    return browser.post(f"/v1/client/sessions/{session_id}/tokens", headers=given)


def verified(standin, token, clock):
    return Verifier(PemKey(standin.public_key_pem), Rules(), clock).verify_sync(token)


def test_a_page_gets_a_fresh_token_after_its_minute(browser, standin, session_id, clock):
    old = browser.cookies["__session"]
    clock.advance(seconds=70)
    with pytest.raises(TokenVerificationError):
        verified(standin, old, clock)

    answer = fresh(browser, session_id)

    claims = verified(standin, answer.json()["jwt"], clock)
    assert (claims.session_id, claims["azp"]) == (session_id, APP)
    assert claims.organization.id == "org_acme"
    assert browser.cookies["__session"] == answer.json()["jwt"]


def test_the_page_itself_may_read_the_answer_and_no_other_may(browser, session_id):
    answer = fresh(browser, session_id)
    asked = browser.options("/v1/client", headers={"Origin": APP})

    for one in (answer, asked):
        assert one.headers["access-control-allow-origin"] == APP
        assert one.headers["access-control-allow-credentials"] == "true"
        assert one.headers["vary"] == "origin"
    assert "POST" in asked.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example:3000"},
        {"Origin": APP, "Host": "evil.example"},
        {"Origin": APP, "X-Forwarded-For": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_page_of_elsewhere_learns_nothing(browser, session_id, method, headers):
    token = browser.post(f"/v1/client/sessions/{session_id}/tokens", headers=headers)
    client = browser.request(method, "/v1/client", headers=headers)

    for answer in (token, client):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert "alice" not in answer.text
        assert "set-cookie" not in answer.headers


def test_a_page_is_told_who_is_signed_in_and_nothing_private(browser, standin, session_id):
    standin.set_metadata("alice", private_metadata={"a": "secret"}, public_metadata={"b": 1})

    told = browser.get("/v1/client", headers={"Origin": APP}).json()["response"]

    assert told["last_active_session_id"] == session_id
    (session,) = told["sessions"]
    assert session["user"]["first_name"] == "Alice"
    assert session["user"]["public_metadata"] == {"b": 1}
    assert "secret" not in str(told)


def test_a_browser_that_nobody_signed_in_with_gets_no_token(browser, standin):
    session = standin.sign_in("alice")

    answer = fresh(browser, session.id)

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "authentication_invalid"
    assert answer.headers["access-control-allow-origin"] == APP  # so that its script may read why
    assert browser.get("/v1/client").json()["response"] is None


@pytest.mark.usefixtures("session_id")
def test_another_browsers_session_is_not_found(browser, standin):
    other = standin.sign_in("bob")

    assert fresh(browser, other.id).status_code == 404


@pytest.mark.parametrize("end", ["revoked", "ended"])
def test_a_session_that_is_over_gives_no_more_tokens(browser, standin, session_id, end):
    standin.end(session_id, end)

    assert fresh(browser, session_id).status_code == 401


def test_after_a_week_the_browser_signs_in_anew(browser, session_id, clock):
    clock.advance(seconds=7 * 24 * 3600)

    assert fresh(browser, session_id).status_code == 401


def shake(browser, address, **more):
    return browser.get(HANDSHAKE, params={"redirect_url": address} | more)


def directives(answer):
    token = parse_qs(urlsplit(answer.headers["location"]).query)["__clerk_handshake"][0]
    lines = parse(token).claims["handshake"]
    return token, {line.partition("=")[0]: line for line in lines}


def test_a_handshake_renews_the_cookies_of_a_page(browser, standin, session_id, clock):
    clock.advance(seconds=70)

    answer = shake(browser, f"{APP}/notes?a=b&__clerk_handshake=old")

    assert answer.status_code == 307
    parts = urlsplit(answer.headers["location"])
    assert (parts.netloc, parts.path) == ("127.0.0.1:3000", "/notes")
    assert parse_qs(parts.query)["a"] == ["b"]
    _, lines = directives(answer)
    claims = verified(standin, lines["__session"].partition("=")[2].partition(";")[0], clock)
    assert (claims.session_id, claims["azp"]) == (session_id, APP)


def test_a_handshake_without_a_sign_in_says_signed_out(browser):
    _, lines = directives(shake(browser, APP))

    assert lines["__client_uat"].startswith("__client_uat=0;")
    assert lines["__session"].startswith("__session=;")
    assert "__clerk_db_jwt" in lines


@pytest.mark.usefixtures("session_id")
def test_a_handshakes_token_is_nobodys_session(browser, standin, clock):
    token, _ = directives(shake(browser, APP))

    with pytest.raises(TokenVerificationError):
        verified(standin, token, clock)


@pytest.mark.usefixtures("session_id")
@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", ""])
def test_a_handshake_leads_to_no_other_machine(browser, address):
    answer = shake(browser, address)

    assert answer.status_code == 422
    assert "location" not in answer.headers


@pytest.mark.usefixtures("session_id")
def test_a_handshake_takes_place_under_the_name_that_shares_cookies(browser):
    answer = shake(browser, "http://localhost:3000/")

    assert answer.headers["location"].startswith(f"http://localhost:8041{HANDSHAKE}?redirect_url=")
