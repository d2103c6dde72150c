"""The bakery as its customers meet it: real tokens, real webhooks, nothing patched."""

import pytest

from app import app


@pytest.fixture
def get(clerk_standin):
    """Ask as somebody, or as nobody."""

    def get(path, user=None, **sign_in):
        token = clerk_standin.mint(user, **sign_in) if user else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return app.test_client().get(path, headers=headers)

    return get


def test_anybody_sees_the_menu_and_only_people_see_themselves(get):
    assert get("/").status_code == 200
    refused = get("/me")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="clerk"'
    assert get("/me", "alice", org="acme").json == {
        "user": "user_alice",
        "organization": "org_acme",
    }


def test_an_expired_token_says_so(get):
    assert get("/me", "alice", ttl=-60).headers["X-Clerk-Auth-Reason"] == "token-expired"


def test_only_bakers_use_the_oven(get):
    refused = get("/oven", "bob", org="acme")
    assert (refused.status_code, refused.json["missing"]) == (403, ["permission org:oven:use"])
    assert get("/oven", "alice", org="acme", permissions=["org:oven:use"]).status_code == 200


def test_the_till_takes_a_fresh_factor(get):
    admin = {"org": "acme", "role": "org:admin"}
    refused = get("/till", "alice", **admin, claims={"fva": [99, -1]})
    assert refused.json["clerk_error"]["reason"] == "reverification-error"
    assert get("/till", "alice", **admin, claims={"fva": [1, -1]}).status_code == 200


def test_a_session_cookie_of_our_own_page_counts(clerk_standin):
    client = app.test_client()
    client.set_cookie("__session", clerk_standin.mint("alice"))
    client.set_cookie("__client_uat", "1")

    ours = client.get("/me", headers={"Sec-Fetch-Site": "same-origin"})
    theirs = client.get("/me", headers={"Origin": "https://evil.example"})

    assert ours.status_code == 200
    assert theirs.headers["X-Clerk-Auth-Reason"] == "cookie-origin-untrusted"


def test_a_session_that_ended_is_refused_as_soon_as_clerk_says_so(clerk_standin, clerk_webhook):
    client, session = app.test_client(), clerk_standin.sign_in("mallory")
    headers = {"Authorization": f"Bearer {clerk_standin.token(session)}"}
    assert client.get("/me", headers=headers).status_code == 200

    ended = clerk_webhook("session.ended", {"id": session.id, "user_id": session.user_id})
    told = client.post("/webhooks/clerk", data=ended["content"], headers=ended["headers"])

    assert told.status_code == 204
    assert client.get("/me", headers=headers).headers["X-Clerk-Auth-Reason"] == "session-revoked"


def test_regulars_get_the_secret_menu_once_a_webhook_told(get, clerk_webhook):
    assert get("/secret-menu", "grace").status_code == 403
    told = {"id": "user_grace", "public_metadata": {"regular": True}}
    event = clerk_webhook("user.updated", told)
    app.test_client().post("/webhooks/clerk", data=event["content"], headers=event["headers"])
    assert get("/secret-menu", "grace").json == {"menu": ["croissant"]}


def test_a_webhook_that_nobody_signed_changes_nothing():
    refused = app.test_client().post("/webhooks/clerk", json={"type": "user.deleted"})
    assert (refused.status_code, refused.text) == (400, "missing-headers")
