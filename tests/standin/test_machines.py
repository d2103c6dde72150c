import asyncio
import sqlite3

import httpx2
import pytest

from doorward.clerk.authenticator import Authenticator
from doorward.clerk.jwks import PemKey
from doorward.clerk.machine import OpaqueTokens
from doorward.clerk.refusals import NotAuthenticated
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from doorward.identity.credentials import CredentialShape
from doorward.standin.app import create_app
from doorward.standin.file import NAME


@pytest.fixture
def judge(standin):
    """The guard of an application that trusts the stand-in, in its own words about a token."""

    async def verdict(token, kind, machine):
        guard = Authenticator(
            Verifier(PemKey(standin.public_key_pem), Rules(), lambda: standin.now),
            accepts=frozenset({CredentialShape(kind)}),
            opaque=OpaqueTokens(
                "http://127.0.0.1:8041",
                standin.secret_key,
                lambda: standin.now,
                machine_secret_key=machine,
                transport=httpx2.ASGITransport(create_app(standin)),
            ),
        )
        try:
            return await guard.verify(token)
        except NotAuthenticated as refusal:
            return refusal.reason
        finally:
            await guard.aclose()

    return lambda token, kind, machine=None: asyncio.run(verdict(token, kind, machine))


@pytest.fixture
def machine(api):
    def make(name="worker", **more):
        return api("POST", "/v1/machines", {"name": name} | more)

    return make


def test_an_api_key_is_shown_once_listed_and_verified(standin, api):
    standin.sign_in("alice")
    body = {"name": "CI key", "subject": "user_alice", "scopes": ["files:read"], "claims": {"a": 1}}
    made = api("POST", "/v1/api_keys", body)

    secret = made.pop("secret")
    assert secret.startswith("ak_")
    assert api("GET", "/v1/api_keys?subject=user_alice") == {"data": [made], "total_count": 1}
    assert api("GET", f"/v1/api_keys/{made['id']}") == made
    assert api("GET", f"/v1/api_keys/{made['id']}/secret") == {"secret": secret}
    for path in ("/v1/api_keys/verify", "/api_keys/verify"):
        found = api("POST", path, {"secret": secret})
        assert found["last_used_at"] is not None
        assert found | {"last_used_at": None} == made


@pytest.mark.parametrize("end", ["revoke", "delete", "time", "user"])
def test_an_api_key_that_is_over_is_not_found(standin, api, refused, end, clock):
    key = standin.create_api_key("alice", seconds_until_expiration=60)
    if end == "revoke":
        revoked = api("POST", f"/v1/api_keys/{key['id']}/revoke", {"revocation_reason": "lost"})
        assert (revoked["revoked"], revoked["revocation_reason"]) == (True, "lost")
    elif end == "delete":
        assert api("DELETE", f"/v1/api_keys/{key['id']}")["deleted"]
    elif end == "user":
        standin.delete_user("alice")
    else:
        clock.advance(seconds=60)

    gone = (404, "resource_not_found")
    assert refused("POST", "/v1/api_keys/verify", {"secret": key["secret"]}) == gone
    assert api("GET", "/v1/api_keys?subject=user_alice")["total_count"] == 0
    every = api("GET", "/v1/api_keys?subject=user_alice&include_invalid=true")["total_count"]
    assert every == (end != "delete")


def test_an_api_key_is_changed(standin, api):
    key = standin.create_api_key("alice", "Old name")

    changes = {"description": "for tests", "scopes": ["a"], "seconds_until_expiration": 10}
    changed = api("PATCH", f"/v1/api_keys/{key['id']}", changes)

    assert (changed["description"], changed["scopes"]) == ("for tests", ["a"])
    assert changed["expiration"] == int((standin.now + 10) * 1000)
    assert api("PATCH", f"/v1/api_keys/{key['id']}", {"claims": {"b": 2}})["claims"] == {"b": 2}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "ab", "subject": "user_alice"}, (422, "form_param_invalid")),
        ({"name": "abc"}, (422, "form_param_missing")),
        ({"name": "abc", "subject": "user_none"}, (404, "resource_not_found")),
        ({"name": "abc", "subject": "odd"}, (404, "resource_not_found")),
        ({"name": "abc", "subject": "user_alice", "odd": 1}, (422, "form_param_unknown")),
    ],
)
def test_no_key_is_made_of_less(standin, refused, body, expected):
    standin.sign_in("alice")

    assert refused("POST", "/v1/api_keys", body) == expected
    assert refused("GET", "/v1/api_keys") == (422, "form_param_missing")


def test_the_guard_takes_an_api_key_until_it_is_revoked(standin, api, judge):
    key = standin.create_api_key("alice", scopes=["files:read"])

    who = judge(key["secret"], "api_key")
    assert (who.user_id, who.scopes) == ("user_alice", {"files:read"})
    api("POST", f"/v1/api_keys/{key['id']}/revoke")
    assert judge(key["secret"], "api_key") == "token-invalid"


def test_a_machine_gives_tokens_to_the_machines_of_its_scope(api, refused, machine, judge):
    other, stranger = machine("other"), machine("stranger")
    worker = machine(scoped_machines=[other["id"]])

    made = api("POST", "/m2m_tokens", {"claims": {"a": 1}}, key=worker["secret_key"])

    assert (made["subject"], made["scopes"]) == (worker["id"], [other["id"]])
    token = {"token": made["token"]}
    found = api("POST", "/v1/m2m_tokens/verify", token, key=other["secret_key"])
    assert (found["id"], found["claims"]) == (made["id"], {"a": 1})
    assert "token" not in found
    gone = (404, "resource_not_found")
    assert refused("POST", "/m2m_tokens/verify", token, key=stranger["secret_key"]) == gone
    assert api("POST", "/m2m_tokens/verify", token)["id"] == made["id"]
    assert judge(made["token"], "m2m_token").subject == worker["id"]
    assert judge(made["token"], "m2m_token", machine=stranger["secret_key"]) == "token-invalid"
    listed = api("GET", f"/v1/m2m_tokens?subject={worker['id']}")
    assert [one["id"] for one in listed["m2m_tokens"]] == [made["id"]]
    assert refused("GET", f"/v1/m2m_tokens?subject={worker['id']}", key=other["secret_key"]) == gone
    revoke = f"/v1/m2m_tokens/{made['id']}/revoke"
    assert refused("POST", revoke, key=other["secret_key"]) == gone
    assert api("POST", revoke, key=worker["secret_key"])["revoked"]
    assert refused("POST", "/m2m_tokens/verify", token) == gone
    assert judge(made["token"], "m2m_token") == "token-invalid"


def test_only_a_machine_makes_its_tokens(refused):
    assert refused("POST", "/v1/m2m_tokens", {}) == (401, "machine_secret_key_invalid")
    assert refused("POST", "/v1/m2m_tokens", {}, key="ak_other") == (401, "clerk_key_invalid")


def test_a_machine_key_opens_nothing_else(refused, machine):
    key = machine()["secret_key"]

    for path in ("/v1/users", "/v1/machines", "/v1/jwks"):
        assert refused("GET", path, key=key) == (401, "clerk_key_invalid")


def test_a_machine_token_in_jwt_form_verifies_itself(api, machine, judge):
    worker = machine(scoped_machines=[machine("other")["id"]])

    body = {"token_format": "jwt", "claims": {"a": 1, "sub": "user_alice"}}
    made = api("POST", "/v1/m2m_tokens", body, key=worker["secret_key"])

    who = judge(made["token"], "m2m_token")
    assert (who.subject, who.claims["a"]) == (worker["id"], 1)
    assert judge(made["token"], "session_token") == "token-type-mismatch"
    listed = api("GET", f"/v1/m2m_tokens?subject={worker['id']}")
    assert listed == {"m2m_tokens": [], "total_count": 0}


def test_a_token_that_lives_long_enough_is_given_again(api, machine, clock):
    key = machine(default_token_ttl=100)["secret_key"]
    body = {"min_remaining_ttl_seconds": 50}
    first = api("POST", "/m2m_tokens", body, key=key)

    clock.advance(seconds=50)
    again = api("POST", "/m2m_tokens", body, key=key)
    other = api("POST", "/m2m_tokens", body | {"claims": {"a": 1}}, key=key)
    clock.advance(seconds=1)
    later = api("POST", "/m2m_tokens", body, key=key)

    assert (again["id"], again["token"]) == (first["id"], first["token"])
    assert len({first["id"], other["id"], later["id"]}) == 3


def test_a_rotated_machine_key_is_good_for_as_long_as_was_asked(api, refused, machine, clock):
    worker = machine()
    rotate = f"/v1/machines/{worker['id']}/secret_key/rotate"

    new = api("POST", rotate, {"previous_token_ttl": 60})["secret"]

    assert new == api("GET", f"/v1/machines/{worker['id']}/secret_key")["secret"]
    assert new != worker["secret_key"]
    for key in (new, worker["secret_key"]):
        api("POST", "/m2m_tokens", {}, key=key)
    clock.advance(seconds=60)
    assert refused("POST", "/m2m_tokens", {}, key=worker["secret_key"])[0] == 401
    api("POST", rotate, {"previous_token_ttl": 0})
    assert refused("POST", "/m2m_tokens", {}, key=new)[0] == 401


def test_machines_are_listed_changed_scoped_and_deleted(api, refused, machine):
    worker, other = machine(), machine("other")
    path = f"/v1/machines/{worker['id']}"

    api("POST", f"{path}/scopes", {"to_machine_id": other["id"]})
    assert [one["id"] for one in api("GET", path)["scoped_machines"]] == [other["id"]]
    api("DELETE", f"{path}/scopes/{other['id']}")
    assert refused("DELETE", f"{path}/scopes/{other['id']}")[0] == 404
    assert api("PATCH", path, {"name": "new"})["name"] == "new"
    assert api("GET", "/v1/machines?query=NEW")["total_count"] == 1
    token = api("POST", "/m2m_tokens", {}, key=worker["secret_key"])["token"]
    assert api("DELETE", path)["deleted"]
    assert refused("POST", "/m2m_tokens/verify", {"token": token})[0] == 404
    assert refused("POST", "/m2m_tokens", {}, key=worker["secret_key"])[0] == 401


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_an_oauth_token_is_verified_until_its_time_is_over(standin, ask, api, judge, clock, form):
    made = standin.create_oauth_token("alice", scopes=["profile"], token_format=form)
    token = {"access_token": made["access_token"]}

    found = api("POST", "/oauth_applications/access_tokens/verify", token)

    assert (found["subject"], found["scopes"]) == ("user_alice", ["profile"])
    assert found["expiration"] == int(standin.now) + 24 * 3600
    assert judge(made["access_token"], "oauth_token").user_id == "user_alice"
    assert judge(made["access_token"], "session_token") in {"token-type-mismatch", "token-invalid"}
    clock.advance(seconds=24 * 3600)
    over = ask("POST", "/v1/oauth_applications/access_tokens/verify", token)
    assert over.status_code == (200 if form == "jwt" else 404)
    assert over.json() == {"active": False} or form == "opaque"


def test_an_oauth_token_is_made_by_a_tool_on_this_machine_alone(http):
    body = {"user": "alice", "scopes": ["a"]}

    made = http.post("/dev/oauth_tokens", json=body)
    elsewhere = http.post("/dev/oauth_tokens", json=body, headers={"Origin": "http://evil.example"})

    assert made.json()["access_token"].startswith("oat_")
    assert elsewhere.status_code == 403


def test_the_file_holds_no_secret_of_a_key_or_machine(standin):
    key, machine = standin.create_api_key("alice"), standin.create_machine("worker")
    token = standin.create_machine_token(machine["id"])
    oauth = standin.create_oauth_token("alice")

    with sqlite3.connect(standin.folder / NAME) as connection:
        dump = "\n".join(connection.iterdump()).lower()

    for secret in (key["secret"], machine["secret_key"], token["token"], oauth["access_token"]):
        assert secret.partition("_")[2].lower() not in dump
    assert key["id"] in dump


def test_invitations_to_an_organization_are_made_accepted_and_taken_back(
    standin, api, refused, http
):
    standin.sign_in("alice", org="acme", role="admin")
    path = "/v1/organizations/acme/invitations"
    body = {"email_address": "new@b.example", "role": "org:editor", "inviter_user_id": "user_alice"}

    made = api("POST", path, body | {"public_metadata": {"a": 1}})
    assert (made["status"], made["role_name"]) == ("pending", "Editor")
    assert made["public_inviter_data"]["first_name"] == "Alice"
    assert refused("POST", path, body) == (400, "duplicate_record")
    accepted = http.post(f"/dev/invitations/{made['id']}/accept").json()
    (member,) = api("GET", f"/v1/users/{accepted['user_id']}/organization_memberships")["data"]
    assert (member["role"], member["public_metadata"]) == ("org:editor", {"a": 1})
    assert api("GET", f"{path}/{made['id']}")["status"] == "accepted"
    assert refused("POST", path, body) == (400, "already_a_member_in_organization")
    bulk = [{"email_address": f"{n}@b.example", "role": "org:member"} for n in "xy"]
    second = api("POST", f"{path}/bulk", bulk)["data"][0]
    assert api("POST", f"{path}/{second['id']}/revoke", {})["status"] == "revoked"
    assert refused("POST", f"{path}/{second['id']}/revoke", {})[0] == 400
    assert http.post(f"/dev/invitations/{second['id']}/accept").status_code == 400
    assert api("GET", f"{path}?status=pending")["total_count"] == 1


def test_invitations_to_the_application_are_made_and_taken_back(api, refused, http, clock):
    made = api("POST", "/v1/invitations", {"email_address": "n@b.example", "notify": False})

    assert api("GET", "/v1/invitations") == [made]
    accepted = http.post(f"/dev/invitations/{made['id']}/accept").json()
    again = {"email_address": "N@b.example"}
    assert api("GET", f"/v1/users/{accepted['user_id']}")["email_addresses"]
    assert refused("POST", "/v1/invitations", again) == (422, "form_identifier_exists")
    bulk = [{"email_address": "x@b.example", "expires_in_days": 1}]
    (other,) = api("POST", "/v1/invitations/bulk", bulk)
    clock.advance(seconds=24 * 3600)
    assert api("GET", "/v1/invitations?paginated=true&status=expired")["total_count"] == 1
    assert refused("POST", f"/v1/invitations/{other['id']}/revoke")[0] == 400
    third = api("POST", "/v1/invitations", {"email_address": "x@b.example"})
    assert api("POST", f"/v1/invitations/{third['id']}/revoke")["revoked"]
