"""Whoever registers can do nothing yet, is bounded, and goes by itself."""

import pytest

from doorward.server.oauth import registration
from oauth_flow import CALLBACK, Application

SAID = {"redirect_uris": [CALLBACK]}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": CALLBACK}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK] * 17}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://evil.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        (SAID | {"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        (SAID | {"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        (SAID | {"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        (SAID | {"grant_types": "authorization_code"}, "invalid_client_metadata"),
        (SAID | {"response_types": ["token"]}, "invalid_client_metadata"),
        (SAID | {"client_name": {}}, "invalid_client_metadata"),
        (SAID | {"client_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
    ],
)
def test_what_can_not_be_used_is_refused_in_the_standards_words(house, said, error):
    answer = house.client.post("/oauth/register", json=said)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_what_is_no_json_or_too_much_of_it_is_refused(house):
    send = house.client.post
    for content in (b"", b"{", b"\xff", b"[" * 10_000):
        assert send("/oauth/register", content=content).json()["error"] == "invalid_client_metadata"
    assert send("/oauth/register", content=b" " * 20_000).status_code == 413


def test_a_secret_is_shown_once_and_only_to_whoever_can_keep_one(house):
    send = house.client.post
    kept = send("/oauth/register", json=SAID | {"software_id": "unknown members are passed over"})
    assert kept.json()["token_endpoint_auth_method"] == "client_secret_basic"
    assert kept.json()["client_secret"].startswith("dws_")
    assert kept.json()["client_secret_expires_at"] == 0
    assert kept.headers["cache-control"] == "no-store"
    public = send("/oauth/register", json=SAID | {"token_endpoint_auth_method": "none"}).json()
    assert "client_secret" not in public


def test_a_client_that_did_not_register_for_it_gets_no_refresh_token(house, alice):
    app = Application.registered(house, grant_types=["authorization_code"])
    assert "refresh_token" not in app.allowed(alice)


def test_so_many_may_wait_and_no_more(house, alice, clock, monkeypatch):
    monkeypatch.setattr(registration, "WAITING_OF_ADDRESS_MAX", 2)
    used = Application.registered(house)
    used.allowed(alice)
    Application.registered(house)
    Application.registered(house)
    full = house.client.post("/oauth/register", json=SAID)
    assert full.status_code == 429
    assert full.headers["retry-after"]
    clock.advance(seconds=3601)
    assert house.client.post("/oauth/register", json=SAID).status_code == 201


def test_a_client_that_nobody_allows_anything_goes_after_a_day(house, alice, clock):
    idle, used = Application.registered(house), Application.registered(house)
    tokens = used.allowed(alice)
    clock.advance(seconds=86_401)
    house.sweep()

    assert "client_id" in idle.asked(alice).text
    assert used.refresh(tokens["refresh_token"]).status_code == 200
    clock.advance(seconds=61 * 86_400)
    house.sweep()
    house.sweep()
    assert used.asked(alice).status_code == 400


def test_registration_can_be_closed(house_with):
    house = house_with(DOORWARD_OAUTH_REGISTRATION="off")
    assert house.client.post("/oauth/register", json=SAID).status_code == 404
    said = house.client.get("/.well-known/oauth-authorization-server").json()
    assert "registration_endpoint" not in said
