import pytest

from doorward.clerk.jwks import PemKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from doorward.standin import Standin
from support import NOON


def organization_in(standin, token):
    verifier = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: standin.now)
    return verifier.verify_sync(token).organization


def test_signing_in_to_an_organization_makes_it_and_a_member(standin, api):
    standin.sign_in("alice", org="acme", role="admin")

    acme = api("GET", "/v1/organizations/acme")
    (member,) = api("GET", "/v1/organizations/org_acme/memberships")["data"]

    assert (acme["id"], acme["name"], acme["slug"]) == ("org_acme", "Acme", "acme")
    assert (acme["created_by"], acme["members_count"]) == ("user_alice", 1)
    assert (member["role"], member["role_name"]) == ("org:admin", "Admin")
    assert member["public_user_data"]["identifier"] == "alice@example.com"
    assert member["organization"]["id"] == "org_acme"
    assert "org:sys_memberships:manage" in member["permissions"]
    of_alice = api("GET", "/v1/users/user_alice/organization_memberships")
    assert of_alice == {"data": [member], "total_count": 1}


def test_whoever_makes_an_organization_is_its_admin(standin, api):
    standin.sign_in("alice")

    made = api("POST", "/v1/organizations", {"name": "Acme & Sons", "created_by": "user_alice"})

    assert made["slug"].startswith("acme-sons-")
    path = f"/v1/organizations/{made['id']}/memberships?role=org:admin"
    assert api("GET", path)["total_count"] == 1
    assert standin.sign_in("alice", org=made["slug"]).org_role == "org:admin"


def test_a_token_carries_the_role_that_the_member_has_now(standin, api):
    session = standin.sign_in("alice", org="acme", permissions=["org:files:share"])
    path = "/v1/organizations/acme/memberships/user_alice"

    assert api("PATCH", path, {"role": "org:editor"})["role"] == "org:editor"

    for token in (standin.token(session), standin.mint("alice", org="acme")):
        assert organization_in(standin, token).role == "org:editor"
    assert organization_in(standin, standin.token(session)).permissions == ("org:files:share",)


def test_whoever_is_no_longer_a_member_has_no_organization_in_new_tokens(standin, api):
    session = standin.sign_in("alice", org="acme")

    gone = api("DELETE", "/v1/organizations/acme/memberships/user_alice")

    assert gone["public_user_data"]["user_id"] == "user_alice"
    assert organization_in(standin, standin.token(session)) is None
    assert organization_in(standin, standin.token(session, version=1)) is None


def test_an_admin_of_one_sign_in_is_a_plain_member_in_the_next(standin):
    standin.sign_in("alice", org="acme", role="admin")

    assert standin.sign_in("alice", org="acme").org_role == "org:member"


def test_members_are_added_once_and_only_users(standin, api, refused):
    standin.sign_in("alice", org="acme")
    bob = standin.create_user(username="bob")["id"]
    path = "/v1/organizations/acme/memberships"

    added = api("POST", path, {"user_id": bob, "role": "org:admin"})

    assert added["public_user_data"]["username"] == "bob"
    again = {"user_id": bob, "role": "org:admin"}
    assert refused("POST", path, again) == (400, "already_a_member_in_organization")
    nobody = {"user_id": "user_none", "role": "org:admin"}
    assert refused("POST", path, nobody) == (404, "resource_not_found")
    assert refused("POST", path, {"user_id": bob}) == (422, "form_param_missing")
    assert refused("POST", path, {"user_id": "user_alice", "role": "a b"})[0] in {400, 422}
    assert api("GET", f"{path}?user_id={bob}&limit=1")["total_count"] == 1


def test_an_organization_is_changed_found_and_deleted(standin, api, refused):
    session = standin.sign_in("alice", org="acme")
    standin.sign_in("bob", org="beta")

    changed = api("PATCH", "/v1/organizations/org_acme", {"name": "New", "slug": "new"})
    assert (changed["name"], changed["slug"]) == ("New", "new")
    assert organization_in(standin, standin.token(session)).slug == "new"
    taken = refused("PATCH", "/v1/organizations/new", {"slug": "beta"})
    assert taken == (422, "form_identifier_exists")
    assert refused("PATCH", "/v1/organizations/new", {"slug": "A B"})[0] == 422
    found = api("GET", "/v1/organizations?query=NEW")
    assert [one["id"] for one in found["data"]] == ["org_acme"]
    assert api("GET", "/v1/organizations?limit=1&order_by=-name")["total_count"] == 2
    deleted = api("DELETE", "/v1/organizations/org_acme")
    assert deleted["deleted"]
    assert refused("GET", "/v1/organizations/new") == (404, "resource_not_found")
    assert organization_in(standin, standin.token(session)) is None


@pytest.mark.parametrize("path", ["", "/memberships/user_alice"])
def test_metadata_of_organizations_and_members_is_merged(standin, api, path):
    standin.sign_in("alice", org="acme")
    path = f"/v1/organizations/acme{path}/metadata"
    api("PATCH", path, {"public_metadata": {"a": {"b": 1}}})

    assert api("PATCH", path, {"public_metadata": {"a": {"c": 2}}})["public_metadata"] == {
        "a": {"b": 1, "c": 2}
    }


def test_metadata_of_an_organization_is_replaced_whole(standin, api):
    standin.sign_in("alice", org="acme")
    api("PATCH", "/v1/organizations/acme/metadata", {"private_metadata": {"a": 1}})

    path, body = "/v1/organizations/acme/metadata", {"private_metadata": {"b": 2}}
    assert api("PUT", path, body)["private_metadata"] == {"b": 2}


def test_sessions_are_listed_made_and_revoked(standin, api, refused, clock):
    first = standin.sign_in("alice")
    clock.advance(seconds=1)

    made = api("POST", "/v1/sessions", {"user_id": "user_alice"})

    newest_first = [made["id"], first.id]
    assert [one["id"] for one in api("GET", "/v1/sessions?user_id=user_alice")] == newest_first
    api("POST", f"/v1/sessions/{first.id}/revoke")
    query = f"client_id={made['client_id']}&paginated=true&status=active"
    assert api("GET", f"/v1/sessions?{query}")["total_count"] == 1
    assert api("GET", "/v1/sessions?user_id=user_alice&status=revoked")[0]["id"] == first.id
    assert refused("GET", "/v1/sessions") == (422, "form_param_missing")
    assert refused("GET", "/v1/sessions?user_id=u&status=odd") == (422, "form_param_invalid")
    assert refused("POST", "/v1/sessions", {"user_id": "user_x"}) == (404, "resource_not_found")


def test_a_session_ends_by_itself_after_a_week(standin, refused, api):
    session = standin.sign_in("alice")

    standin.advance(7 * 24 * 3600)

    assert standin.session(session.id).status == "expired"
    assert refused("POST", f"/v1/sessions/{session.id}/tokens") == (404, "resource_not_found")
    assert api("GET", "/v1/sessions?user_id=user_alice&status=expired")[0]["id"] == session.id


def test_a_template_gives_a_token_that_is_no_sessions(standin, api):
    from doorward.standin.issuer import TEMPLATE

    session = standin.sign_in("alice")

    minted = api("POST", f"/v1/sessions/{session.id}/tokens/mobile", {"expires_in_seconds": 600})

    import jwt

    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(minted["jwt"], standin.public_key_pem, ["RS256"], options=options)
    assert jwt.get_unverified_header(minted["jwt"])["cat"] == TEMPLATE["cat"]
    assert claims.keys() == {"azp", "exp", "iat", "iss", "jti", "nbf", "sub"}
    assert claims["exp"] == NOON + 600


def test_an_organization_has_no_more_members_than_it_may_have(standin, api, refused):
    standin.sign_in("alice", org="acme")
    bob = standin.create_user(username="bob")["id"]
    api("PATCH", "/v1/organizations/acme", {"max_allowed_memberships": 1})

    body = {"user_id": bob, "role": "org:member"}
    full = (403, "organization_membership_quota_exceeded")
    assert refused("POST", "/v1/organizations/acme/memberships", body) == full
    assert standin.sign_in("alice", org="acme").org_role == "org:member"
    api("PATCH", "/v1/organizations/acme", {"max_allowed_memberships": 0})
    api("POST", "/v1/organizations/acme/memberships", body)
    found = api("GET", "/v1/organizations/acme/memberships?query=BOB")
    assert found["total_count"] == 1


def test_code_does_what_the_api_does(standin):
    session = standin.sign_in("alice", org="acme")

    standin.set_role("alice", "acme", "editor")
    assert organization_in(standin, standin.token(session)).role == "org:editor"
    standin.remove_member("alice", "acme")
    assert organization_in(standin, standin.token(session)) is None
    changed = standin.set_metadata("alice", public_metadata={"plan": "gold"})
    assert changed["public_metadata"] == {"plan": "gold"}
    assert standin.users("ALI") == [changed]


def test_names_that_look_like_ids_are_told_apart(standin, api):
    first = api("POST", "/v1/organizations", {"name": "First", "slug": "acme"})["id"]
    api("POST", "/v1/organizations", {"name": "Second", "slug": "org_acme"})

    assert standin.sign_in("alice", org="acme").org_id == first
    assert api("GET", "/v1/organizations/org_acme")["name"] == "Second"
    third = standin.sign_in("alice", org="org_other").org_id
    assert api("GET", f"/v1/organizations/{third}")["slug"] == "other"
    api("PATCH", f"/v1/organizations/{first}", {"slug": "taken"})
    assert standin.sign_in("alice", org="org_taken").org_id == "org_taken"
    assert standin.sign_in("alice", org="taken").org_id == "org_taken"


def test_sessions_of_long_ago_are_forgotten_but_for_those_that_were_revoked(standin, clock):
    old, revoked = standin.sign_in("alice"), standin.sign_in("alice")
    standin.revoke(revoked.id)
    clock.advance(seconds=61 * 24 * 3600)
    new = standin.sign_in("alice")

    again = Standin.open(standin.folder, clock=clock)

    assert again.session(old.id) is None
    assert again.session(revoked.id).status == "revoked"
    assert again.session(new.id).status == "active"


def test_a_clock_that_was_moved_makes_nothing_forgotten(standin, clock):
    session = standin.sign_in("alice")
    standin.advance(365 * 24 * 3600)

    again = Standin.open(standin.folder, clock=clock)

    again.set_clock_offset(0)
    assert again.session(session.id).status == "active"
