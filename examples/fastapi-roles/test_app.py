"""The notes as their users meet them: real tokens, real webhooks, nothing patched."""

import pytest
from fastapi.testclient import TestClient

from app import app

PAGE = "http://127.0.0.1:8040"
READ, WRITE = "org:notes:read", "org:notes:write"


@pytest.fixture
def client():
    with TestClient(app) as client:
        yield client


def test_anybody_is_greeted_and_a_bad_token_is_not(client, signed_in):
    assert client.get("/").json() == {"hello": "stranger"}
    assert client.get("/", headers={"Authorization": "Bearer garbage"}).status_code == 401
    signed_in(client, "alice")
    assert client.get("/").json() == {"hello": "user_alice"}


def test_members_read_and_only_writers_write(client, signed_in):
    signed_in(client, "alice", org="acme", permissions=[READ, WRITE])
    assert client.post("/notes", json={"text": "buy milk"}).status_code == 201

    signed_in(client, "bob", org="acme", permissions=[READ])
    assert "buy milk" in client.get("/notes").json()
    refused = client.post("/notes", json={"text": "sell milk"})
    assert refused.status_code == 403
    assert refused.json()["detail"]["missing"] == [f"permission {WRITE}"]


def test_another_organization_sees_nothing(client, signed_in):
    signed_in(client, "alice", org="secretive", permissions=[READ, WRITE])
    client.post("/notes", json={"text": "a secret"})

    signed_in(client, "eve", org="curious", permissions=[READ])
    assert client.get("/notes").json() == []


def test_who_is_in_no_organization_has_no_permission(client, signed_in):
    signed_in(client, "alice", permissions=[READ])
    assert client.get("/notes").status_code == 403


def test_only_admins_get_to_the_admin_pages(client, signed_in):
    signed_in(client, "bob", org="acme", role="org:member")
    assert client.get("/admin/notes/count").status_code == 403
    signed_in(client, "alice", org="acme", role="org:admin")
    assert client.get("/admin/notes/count").status_code == 200


def test_removing_everything_takes_a_fresh_factor(client, signed_in):
    signed_in(client, "alice", org="gone", role="org:admin", claims={"fva": [99, -1]})
    refused = client.delete("/admin/notes")
    assert refused.status_code == 403
    assert refused.json()["clerk_error"]["reason"] == "reverification-error"

    signed_in(client, "alice", org="gone", role="org:admin", claims={"fva": [1, -1]})
    assert client.delete("/admin/notes").json() == 0


def test_signing_out_everywhere_acts_on_the_next_request(client, signed_in):
    token = signed_in(client, "frank").token()
    assert client.post("/sign-out-everywhere").status_code == 204

    client.auth = None
    refused = client.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert refused.headers["X-Clerk-Auth-Reason"] == "session-revoked"


def test_a_banned_user_is_refused_as_soon_as_clerk_says_so(client, signed_in, clerk_webhook):
    headers = {"Authorization": f"Bearer {signed_in(client, 'mallory').token()}"}
    client.auth = None
    assert client.get("/me", headers=headers).status_code == 200

    banned = clerk_webhook("user.updated", {"id": "user_mallory", "banned": True})
    assert client.post("/webhooks/clerk", **banned).status_code == 204

    assert client.get("/me", headers=headers).status_code == 401


def test_metadata_that_a_webhook_told_opens_the_beta(client, signed_in, clerk_webhook):
    signed_in(client, "grace")
    assert client.get("/beta").status_code == 403

    told = {"id": "user_grace", "public_metadata": {"beta": True}}
    client.post("/webhooks/clerk", **clerk_webhook("user.updated", told))

    assert client.get("/beta").json() == "welcome"


def test_a_webhook_that_nobody_signed_changes_nothing(client):
    assert client.post("/webhooks/clerk", json={"type": "user.deleted"}).status_code == 400


def test_our_page_may_read_a_refusal_and_no_other_page_anything(client):
    ours = client.get("/me", headers={"Origin": PAGE})
    theirs = client.get("/me", headers={"Origin": "https://evil.example"})

    assert ours.status_code == theirs.status_code == 401
    assert ours.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Access-Control-Allow-Origin" not in theirs.headers
