"""A person is asked by nobody but this server, and gives no more than they see and choose."""

import base64
import json
import logging
import re

import pytest

from doorward.server.oauth.model import OFFERED
from oauth_flow import CALLBACK, ORIGIN, Application, challenge, form_of, returned

PAGE = "http://127.0.0.1:8040/oauth/authorize"


@pytest.fixture
def app(house):
    return Application.registered(house)


def refused(page, status: int = 400) -> str:
    """What a page says that asks nothing, and leads nowhere by itself."""
    assert page.status_code == status, page.text
    assert "location" not in page.headers
    assert "<form" not in page.text
    return re.search(r'role="alert">(.*?)</p>', page.text)[1]


def back(page) -> dict:
    """What the client would learn, if the person follows the link."""
    (address,) = re.findall(r'<a href="([^"]*)"', page.text)
    address = address.replace("&amp;", "&")
    assert address.startswith(CALLBACK)
    return returned(type("Sent", (), {"headers": {"location": address}}))


def read(token: str) -> dict:
    """What a token says, for whoever does not ask whether it is true."""
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_a_person_sees_who_wants_what_and_where_it_leads(app, alice):
    page = app.asked(alice)
    for text in ("Summariser", "user_alice", "an application on this computer"):
        assert text in page.text
    assert "See and download your files" in page.text
    assert "nobody has checked it" in page.text
    assert "Delete files" not in page.text
    assert "Personal" in page.text
    assert form_of(page.text)["scope"] == ["files:read", "workspaces:read"]


def test_what_comes_back_names_the_state_and_the_issuer(app, alice):
    answer = app.decided(app.asked(alice))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(CALLBACK + "?")
    said = returned(answer)
    assert said["state"] == "xyz"
    assert said["iss"] == "http://127.0.0.1:8040"


def test_a_person_refuses_and_the_client_is_told(app, alice):
    said = returned(app.decided(app.asked(alice), decision="deny"))
    assert said["error"] == "access_denied"
    assert said["state"] == "xyz"
    assert said["iss"] == "http://127.0.0.1:8040"
    assert alice.get("grants").json()["data"] == []


def test_whoever_allows_nothing_refuses(app, alice):
    page = app.asked(alice)
    assert returned(app.decided(page, scope=[]))["error"] == "access_denied"
    assert returned(app.decided(page, where="some"))["error"] == "access_denied"


def test_a_person_drops_scopes_and_names_workspaces(app, alice):
    home, other = alice.home(), alice.post("workspaces", name="Other").json()["id"]
    page = app.asked(alice)
    answer = app.decided(page, scope="files:read", where="some", workspace=other)
    tokens = app.take_up(returned(answer)["code"]).json()

    assert tokens["scope"] == "files:read"
    access = tokens["access_token"]
    assert app.call(access, "GET", f"workspaces/{other}/files").status_code == 200
    assert app.call(access, "GET", f"workspaces/{home}/files").status_code == 404
    assert app.call(access, "GET", "workspaces").status_code == 403
    (grant,) = alice.get("grants").json()["data"]
    assert (grant["scopes"], grant["workspaces"]) == (["files:read"], [other])


def test_a_form_gives_no_more_than_was_asked_for_and_than_the_person_has(app, alice, bob):
    page = app.asked(alice)
    assert refused(app.decided(page, scope=["files:read", "files:delete"]), 403)
    assert refused(app.decided(page, scope="nothing:read"))
    assert refused(app.decided(page, where="some", workspace=bob.home()), 403)
    assert refused(app.decided(page, where="some", workspace="ws_nowhere"), 403)
    assert alice.get("grants").json()["data"] == []


def test_no_other_page_asks_or_decides(app, alice):
    page = app.asked(alice)
    for origin in (None, "null", "https://evil.example", "http://127.0.0.1:5173", ORIGIN + "/"):
        assert "Only a page of this server" in refused(app.asked(alice, origin=origin))
        assert "Only a page of this server" in refused(app.decided(page, origin=origin))
    assert alice.get("grants").json()["data"] == []


def test_a_decision_needs_what_was_sealed_for_this_person(app, alice, clock):
    page = app.asked(alice)
    ticket = form_of(page.text)["ticket"]
    head, _, mac = ticket.split(".")
    claims = read(ticket)
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "user_bob"}).encode()).decode()
    access = app.allowed(alice)["access_token"]

    for wrong in (f"{head}.{forged.rstrip('=')}.{mac}", "", "x", access, alice.token()):
        refused(app.decided(page, ticket=wrong))
    assert app.call(ticket, "GET", "me").status_code == 401
    clock.advance(seconds=600)
    assert "too long" in refused(app.decided(page))


def test_whoever_signed_out_in_between_decides_nothing(house, app, alice):
    page = app.asked(alice)
    house.standin.revoke(read(form_of(page.text)["ticket"])["sid"])
    assert refused(app.decided(page), 401)


def test_nobody_is_asked_without_a_session_of_their_own(app, alice):
    key = alice.post("keys", name="CI", scopes=["files:read"]).json()["secret"]
    assert refused(app.asked(alice, token="nothing"), 401)
    assert refused(app.asked(alice, token=key), 403)
    other = alice.token(azp="https://evil.example")
    assert refused(app.asked(alice, token=other), 401)


def test_whoever_impersonates_somebody_decides_nothing_for_them(house, app, alice):
    own = read(alice.token(azp=ORIGIN))
    assert app.asked(alice, token=house.standin.sign(own)).status_code == 200
    assert refused(
        app.asked(alice, token=house.standin.sign(own | {"act": {"sub": "user_bob"}})), 403
    )


def test_a_request_that_would_not_come_back_whole_is_refused(app, alice):
    assert app.asked(alice, app.query(state="x" * 3500)).status_code == 200
    assert "length" in refused(app.asked(alice, app.query(state="x" * 4096)))


def test_every_scope_that_is_offered_has_words(alice, app):
    page = app.asked(alice, app.query(scope=" ".join(OFFERED)))
    assert set(form_of(page.text)["scope"]) == OFFERED


def test_no_code_or_token_is_logged(app, alice, caplog):
    caplog.set_level(logging.DEBUG)
    code = app.code(alice)
    tokens = app.take_up(code).json()
    app.refresh(tokens["refresh_token"])
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "doorward.access" in {record.name for record in caplog.records}
    for secret in (code, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in said


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": challenge() + "A"}, "invalid_request"),
        ({"code_challenge": "v" * 42 + "="}, "invalid_request"),
        ({"response_type": "token"}, "invalid_request"),
        ({"response_type": 'c"\u00e9'}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "files:read nothing:read"}, "invalid_scope"),
        ({"scope": "keys:manage"}, "invalid_scope"),
        ({"resource": "https://other.example.com"}, "invalid_target"),
        ({"resource": "http://127.0.0.1:8040/elsewhere"}, "invalid_target"),
    ],
)
def test_what_can_not_be_had_leads_back_only_by_the_persons_own_step(app, alice, asked, error):
    page = app.asked(alice, app.query(**asked))
    assert refused(page)
    said = back(page)
    assert (said["error"], said["state"]) == (error, "xyz")
    assert said["iss"] == "http://127.0.0.1:8040"


@pytest.mark.parametrize(
    "asked",
    [
        {"client_id": "client_nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "#x"},
        {"redirect_uri": 'http://127.0.0.1:5173/"\u00e9'},
        {"client_id": "http://127.0.0.1/client"},
    ],
)
def test_a_client_or_an_address_that_is_not_known_leads_nowhere(app, alice, asked):
    page = app.asked(alice, app.query(**asked))
    assert refused(page)
    assert "<a " not in page.text


def test_what_comes_twice_has_no_one_reading(app, alice):
    for name in ("client_id", "redirect_uri", "scope", "state", "code_challenge"):
        assert "twice" in refused(app.asked(alice, f"{app.query()}&{name}=other"))
    both = f"{app.query()}&resource=http://127.0.0.1:8040&resource=http://127.0.0.1:8040/"
    assert app.asked(alice, both).status_code == 200
    assert refused(app.asked(alice, f"{both}&resource=https://other.example.com"))


def test_where_nothing_is_named_what_only_reads_is_asked_for(app, alice):
    page = app.asked(alice, app.query(scope=None))
    assert form_of(page.text)["scope"] == [
        "files:read",
        "workspaces:read",
        "search:read",
        "events:read",
    ]


def test_a_name_is_shown_as_a_name(house, alice):
    name = '<script>alert(1)</script>\u202egnp.exe\n\x07"'
    app = Application.registered(house, client_name=name)
    page = app.asked(alice)
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;gnp.exe" in page.text


def test_pages_are_never_framed_and_run_nothing_inline(house, app, alice):
    pages = (
        house.client.get("/oauth/authorize?" + app.query()),
        app.asked(alice),
        app.asked(alice, "client_id=x"),
    )
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert "set-cookie" not in page.headers
        assert not re.search(r"<script(?![^>]*src=)|<style| on\w+=| style=", page.text)
    assert (
        "form-action 'self' http://127.0.0.1:5173;" in pages[1].headers["content-security-policy"]
    )


def test_the_first_page_asks_whoever_is_there_and_repeats_nothing_unescaped(house, app):
    page = house.client.get("/oauth/authorize?" + app.query(state='"><b>'))
    assert page.status_code == 200
    assert 'data-standin="/standin"' in page.text
    assert "<b>" not in page.text
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert house.client.get(f"/oauth/{asset}").status_code == 200


def test_with_clerk_the_first_page_loads_clerks_own_script(house_with, issuer):
    key = "pk_test_" + base64.b64encode(b"glad-owl-1.clerk.accounts.dev$").decode()
    house = house_with(CLERK_JWT_KEY=issuer.public_key_pem, CLERK_PUBLISHABLE_KEY=key)
    page = house.client.get("/oauth/authorize?client_id=x")
    assert f'data-clerk-publishable-key="{key}"' in page.text
    assert 'src="https://glad-owl-1.clerk.accounts.dev/npm/@clerk/clerk-js@6' in page.text
    assert (
        "script-src 'self' https://glad-owl-1.clerk.accounts.dev;"
        in (page.headers["content-security-policy"])
    )


def test_without_a_publishable_key_the_page_says_what_is_missing(house_with, issuer):
    house = house_with(CLERK_JWT_KEY=issuer.public_key_pem)
    page = house.client.get("/oauth/authorize?client_id=x")
    assert page.status_code == 503
    assert "CLERK_PUBLISHABLE_KEY" in page.text
