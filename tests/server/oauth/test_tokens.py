"""Codes and tokens: each is good once, for whom it was made, and for what was allowed."""

import pytest

from oauth_flow import CALLBACK, Application, challenge
from support import problem

OTHER = "http://127.0.0.1:5173/other"


def error(answer) -> str:
    assert answer.status_code in {400, 401}, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["error"]


@pytest.fixture
def app(house):
    return Application.registered(house, redirect_uris=[CALLBACK, OTHER])


def test_a_code_used_again_ends_all_that_it_gave(alice, app):
    code = app.code(alice)
    tokens = app.take_up(code).json()
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200

    assert error(app.take_up(code)) == "invalid_grant"

    assert problem(app.call(tokens["access_token"], "GET", "me")) == (401, "not_authenticated")
    assert error(app.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert alice.get("grants").json()["data"] == []


def test_a_code_is_bound_to_all_that_it_was_asked_for_with(house, alice, app):
    code = app.code(alice)
    other = Application.registered(house)
    here = "http://127.0.0.1:8040"

    assert error(other.take_up(code)) == "invalid_grant"
    assert error(app.take_up(code, redirect_uri=OTHER)) == "invalid_grant"
    assert error(app.take_up(code, redirect_uri=None)) == "invalid_grant"
    assert error(app.take_up(code, code_verifier="w" * 50)) == "invalid_grant"
    assert error(app.take_up(code, code_verifier=challenge())) == "invalid_grant"
    assert error(app.take_up(code, code_verifier=None)) == "invalid_request"
    assert error(app.take_up(code, resource="https://other.example.com")) == "invalid_target"
    assert error(app.take_up("dwc_nothing")) == "invalid_grant"
    assert app.take_up(code, resource=f"{here}/").status_code == 200


def test_a_code_lives_a_minute(alice, app, clock):
    early, late = app.code(alice), app.code(alice)
    clock.advance(seconds=59)
    assert app.take_up(early).status_code == 200
    clock.advance(seconds=1)
    assert error(app.take_up(late)) == "invalid_grant"


def test_a_refresh_token_used_again_ends_all_that_it_gave(alice, app):
    first = app.allowed(alice)
    second = app.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert app.call(second["access_token"], "GET", "me").status_code == 200

    assert error(app.refresh(first["refresh_token"])) == "invalid_grant"

    for tokens in (first, second):
        assert problem(app.call(tokens["access_token"], "GET", "me"))[0] == 401
    assert error(app.refresh(second["refresh_token"])) == "invalid_grant"


def test_a_refresh_token_is_its_clients_own_and_never_gives_more(house, alice, app):
    tokens = app.allowed(alice)
    stranger = Application.registered(house)

    assert error(stranger.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert error(app.refresh(tokens["refresh_token"], scope="files:write")) == "invalid_scope"
    other = {"resource": "https://other.example.com"}
    assert error(app.refresh(tokens["refresh_token"], **other)) == "invalid_target"
    narrow = app.refresh(tokens["refresh_token"], scope="files:read").json()
    assert narrow["scope"] == "files:read"
    assert problem(app.call(narrow["access_token"], "GET", "workspaces"))[0] == 403
    assert app.refresh(narrow["refresh_token"]).json()["scope"] == "files:read workspaces:read"


def test_an_access_token_lives_minutes_and_a_refresh_token_a_month(alice, app, clock):
    tokens = app.allowed(alice)
    assert tokens["expires_in"] == 600
    clock.advance(seconds=599)
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200
    clock.advance(seconds=1)
    assert problem(app.call(tokens["access_token"], "GET", "me"))[0] == 401
    clock.advance(seconds=30 * 86_400 - 601)
    tokens = app.refresh(tokens["refresh_token"]).json()
    clock.advance(seconds=30 * 86_400)
    assert error(app.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_a_client_with_a_secret_shows_it_in_the_way_that_it_registered(house, alice):
    app = Application.registered(house, token_endpoint_auth_method="client_secret_basic")
    code = app.code(alice)
    secret, app.secret = app.secret, None
    assert error(app.take_up(code)) == "invalid_client"
    assert error(app.take_up(code, client_secret=secret)) == "invalid_client"
    app.secret = "wrong"
    refused = app.take_up(code)
    assert error(refused) == "invalid_client"
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    app.secret = secret
    assert app.take_up(code).status_code == 200
    assert secret.encode() not in (house.data / "doorward.db").read_bytes()


def test_what_has_no_one_reading_is_refused(house, app):
    send = house.client.post
    twice = "grant_type=refresh_token&grant_type=authorization_code&client_id=x"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert error(send("/oauth/token", content=twice, headers=form)) == "invalid_request"
    assert error(send("/oauth/token", content=b"\xff=\xff", headers=form)) == "invalid_request"
    assert error(send("/oauth/token", json={"grant_type": "x"})) == "invalid_request"
    assert error(app.token({"grant_type": 'pass"word\u00e9'})) == "unsupported_grant_type"
    assert error(app.token({"grant_type": "client_credentials"})) == "unsupported_grant_type"
    broken = {"Authorization": "Basic /////w=="} | form
    sent = send("/oauth/token", content="grant_type=refresh_token", headers=broken)
    assert error(sent) == "invalid_client"
    unknown = Application(house, "client_nobody")
    assert error(unknown.refresh("x")) == "invalid_client"
    assert send("/oauth/token", content=b"x" * 20_000, headers=form).status_code == 413


def test_only_a_client_with_a_secret_learns_what_its_own_tokens_are_worth(house, alice):
    app = Application.registered(house, token_endpoint_auth_method="client_secret_basic")
    tokens = app.allowed(alice)

    told = app.token({"token": tokens["access_token"]}, "introspect").json()
    assert told["active"] is True
    assert told["sub"] == "user_alice"
    assert told["scope"] == "files:read workspaces:read"
    assert app.token({"token": tokens["refresh_token"]}, "introspect").json()["active"] is True
    assert app.token({"token": "nothing"}, "introspect").json() == {"active": False}

    other = Application.registered(house, token_endpoint_auth_method="client_secret_post")
    asked = {"token": tokens["access_token"], "client_secret": other.secret}
    other.secret = None
    assert other.token(asked, "introspect").json() == {"active": False}
    public = Application.registered(house)
    assert error(public.token({"token": tokens["access_token"]}, "introspect")) == "invalid_client"

    assert app.token({"token": tokens["refresh_token"]}, "revoke").status_code == 200
    assert app.token({"token": tokens["access_token"]}, "introspect").json() == {"active": False}


def test_a_client_gives_up_its_own_tokens_and_nobody_elses(house, alice, app):
    tokens, kept = app.allowed(alice), app.allowed(alice)
    stranger = Application.registered(house)

    assert error(stranger.token({"token": tokens["access_token"]}, "revoke")) == "invalid_grant"
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200
    assert app.token({"token": "nothing"}, "revoke").status_code == 200
    assert app.token({"token": tokens["access_token"]}, "revoke").status_code == 200
    assert problem(app.call(tokens["access_token"], "GET", "me"))[0] == 401
    assert error(app.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert app.call(kept["access_token"], "GET", "me").status_code == 200


def test_whoever_holds_a_token_ends_it_at_the_rest_door_too(alice, app):
    tokens = app.allowed(alice)
    ended = app.call(
        tokens["access_token"], "POST", "token/revoke", json={"token": tokens["access_token"]}
    )
    assert ended.status_code == 200
    assert problem(app.call(tokens["access_token"], "GET", "me"))[0] == 401


def test_no_token_opens_what_it_is_not_for(alice, app):
    tokens = app.allowed(alice)
    access = tokens["access_token"]

    for text in (tokens["refresh_token"], access[:-4] + "AAAA", access + "."):
        assert problem(app.call(text, "GET", "me"))[0] == 401
    assert problem(app.call(access, "GET", "keys")) == (403, "permission_denied")
    assert problem(app.call(access, "GET", "grants")) == (403, "permission_denied")
    page = app.asked(alice, token=access)
    assert page.status_code == 403


def test_a_missing_scope_is_named_with_those_that_are_held(house, alice, app):
    access = app.allowed(alice)["access_token"]
    home = alice.home()
    refused = app.call(access, "POST", f"workspaces/{home}/uploads", json={"name": "x", "size": 1})
    assert problem(refused) == (403, "permission_denied")
    said = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in said
    assert 'scope="files:read files:write workspaces:read"' in said
    stranger = house.client.get("/api/v1/me").headers["www-authenticate"]
    assert "error=" not in stranger
    assert (
        'resource_metadata="http://127.0.0.1:8040/.well-known/oauth-protected-resource"' in stranger
    )


def test_what_was_bought_under_a_grant_ends_with_it(house, alice, app):
    file = alice.upload(alice.home(), "plan.txt", b"plan")
    access = app.allowed(alice, scope="files:read files:write")["access_token"]
    link = app.call(access, "POST", f"files/{file['id']}/link", json={}).json()["url"]
    upload = app.call(
        access, "POST", f"workspaces/{alice.home()}/uploads", json={"name": "x", "size": 1}
    ).json()["url"]
    assert house.client.get(link).content == b"plan"

    (grant,) = alice.get("grants").json()["data"]
    alice.delete(f"grants/{grant['id']}")

    assert house.client.get(link).status_code in {403, 410}
    assert problem(house.send(upload, b"x")) == (404, "upload_not_found")


def test_the_trail_says_which_application_acted_for_whom(alice, app):
    access = app.allowed(alice, scope="workspaces:read files:read audit:read")["access_token"]
    home = alice.home()
    app.call(access, "GET", f"workspaces/{home}/files")
    rows = alice.get("audit", params={"workspace": home}).json()["data"]
    row = next(row for row in rows if row["action"] == "file:list")
    assert row["actor"] == {"type": "client", "id": app.client_id}
    assert row["credential"]["type"] == "oauth_token"
    assert row["on_behalf_of"] == "user_alice"
