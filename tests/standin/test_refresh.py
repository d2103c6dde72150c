import pytest

from doorward.clerk.jwks import PemKey
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier

HERE = "http://127.0.0.1:8041"
APP = "http://127.0.0.1:3000"


@pytest.fixture
def cookies(http, standin):
    """What the browser holds in which Alice is signed in, by the names without the suffix."""
    http.post("/sign-in", data={"user": "alice", "org": "acme"}, headers={"Origin": HERE})
    suffix = PublishableKey.parse(standin.publishable_key).cookie_suffix
    held = dict(http.cookies)
    return {name: held[f"{name}_{suffix}"] for name in ("__session", "__refresh", "__client")}


@pytest.fixture
def refresh(ask, cookies):
    """Ask for a session's cookies to be renewed; gives the answer."""

    def call(session_id=None, **more):
        body = {
            "expired_token": cookies["__session"],
            "refresh_token": cookies["__refresh"],
            "request_origin": APP,
        }
        session_id = session_id or cookies["__client"].partition(".")[0]
        return ask("POST", f"/v1/sessions/{session_id}/refresh", body | more)

    return call


def verified(standin, token):
    return Verifier(PemKey(standin.public_key_pem), Rules(), lambda: standin.now).verify_sync(token)


def test_an_application_has_an_expired_token_renewed(refresh, standin):
    standin.advance(3600)

    answer = refresh()

    claims = verified(standin, answer.json()["jwt"])
    assert (claims.user_id, claims["azp"]) == ("user_alice", APP)
    assert claims.organization.id == "org_acme"


def test_or_all_of_a_browsers_cookies(refresh, standin):
    answer = refresh(format="cookie", request_headers={"cookie": ["a=b"]}).json()

    assert answer["object"] == "cookies"
    (session,) = [line for line in answer["cookies"] if line.startswith("__session=")]
    claims = verified(standin, session.partition("=")[2].partition(";")[0])
    assert claims.user_id == "user_alice"


@pytest.mark.parametrize(
    "more",
    [
        {"refresh_token": "0" * 64},
        {"refresh_token": "\u00e9"},
        {"expired_token": "a.b.c"},
        {"expired_token": "nothing"},
    ],
)
def test_tokens_that_are_not_of_the_session_renew_nothing(refresh, more):
    answer = refresh(**more)

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "authentication_invalid"


def test_another_sessions_tokens_renew_nothing(refresh, standin):
    other = standin.sign_in("bob")

    assert refresh(session_id=other.id).status_code == 401
    assert refresh(expired_token=standin.token(other)).status_code == 401


def test_what_shows_a_browser_to_the_stand_in_shows_it_to_no_application(refresh, cookies):
    assert refresh(refresh_token=cookies["__client"].partition(".")[2]).status_code == 401


@pytest.mark.parametrize("status", ["revoked", "ended"])
def test_a_session_that_is_over_is_not_renewed(refresh, cookies, standin, status):
    standin.end(cookies["__client"].partition(".")[0], status)

    assert refresh().status_code == 404


@pytest.mark.parametrize(
    "more", [{"format": "xml"}, {"refresh_token": None}, {"request_origin": None}, {"other": 1}]
)
def test_what_is_missing_or_of_another_form_is_named(refresh, more):
    (error,) = refresh(**more).json()["errors"]

    assert error["code"].startswith("form_param_")
    assert error["meta"]["param_name"] in more
