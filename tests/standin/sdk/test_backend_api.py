"""@clerk/backend, unmodified, over the stand-in's Backend API: what it asks is done and shown."""

from itertools import count

import pytest

from standin.sdk.processes import SdkRefused

NUMBERS = count(1)


@pytest.fixture
def carol(backend):
    """A user whom the SDK made."""
    number = next(NUMBERS)
    return backend.call(
        "users.createUser",
        {
            "emailAddress": [f"carol{number}@example.com"],
            "username": f"carol{number}",
            "externalId": f"external-{number}",
            "firstName": "Carol",
            "publicMetadata": {"plan": "free", "seats": {"used": 1}},
        },
    )


@pytest.fixture
def office(backend, carol):
    """An organization that Carol made."""
    return backend.call(
        "organizations.createOrganization",
        {"name": "Office", "slug": f"office-{next(NUMBERS)}", "createdBy": carol["id"]},
    )


def refused(backend, method, *args):
    """Status and first code of what must be refused."""
    with pytest.raises(SdkRefused) as told:
        backend.call(method, *args)
    return told.value.status, told.value.codes[0]


def ids(found):
    return [one["id"] for one in found["data"]]


def test_a_user_is_read_as_it_was_made(backend, carol):
    found = backend.call("users.getUser", carol["id"])

    assert found["firstName"] == "Carol"
    assert found["primaryEmailAddressId"] == found["emailAddresses"][0]["id"]
    assert found["emailAddresses"][0]["verification"]["status"] == "verified"
    assert found["publicMetadata"] == {"plan": "free", "seats": {"used": 1}}
    assert found == carol


@pytest.mark.parametrize("by", ["emailAddress", "username", "externalId", "userId", "query"])
def test_a_user_is_found(backend, carol, by):
    known = {
        "emailAddress": carol["emailAddresses"][0]["emailAddress"],
        "username": carol["username"],
        "externalId": carol["externalId"],
        "userId": carol["id"],
        "query": carol["id"],
    }
    asked = {by: known[by] if by == "query" else [known[by]]}

    assert ids(backend.call("users.getUserList", asked)) == [carol["id"]]
    assert backend.call("users.getCount", asked) == 1


def test_users_come_in_pages_and_in_order(backend, office):
    for name in ("zoe", "yves", "xenia"):
        user = backend.call("users.createUser", {"firstName": name})
        membership = {"organizationId": office["id"], "userId": user["id"], "role": "org:member"}
        backend.call("organizations.createOrganizationMembership", membership)

    asked = {"organizationId": [office["id"]], "orderBy": "+first_name"}
    first = backend.call("users.getUserList", asked | {"limit": 2})
    rest = backend.call("users.getUserList", asked | {"limit": 2, "offset": 2})

    names = [one["firstName"] for one in first["data"] + rest["data"]]
    assert names == ["Carol", "xenia", "yves", "zoe"]
    assert first["totalCount"] == 4


def test_a_user_is_changed(backend, carol):
    changed = backend.call("users.updateUser", carol["id"], {"lastName": "Karlsen"})

    assert (changed["firstName"], changed["lastName"]) == ("Carol", "Karlsen")


def test_metadata_is_merged_deep_or_replaced(backend, carol):
    merged = backend.call(
        "users.updateUserMetadata",
        carol["id"],
        {"publicMetadata": {"plan": None, "seats": {"free": 2}}, "privateMetadata": {"a": 1}},
    )
    replaced = backend.call(
        "users.replaceUserMetadata", carol["id"], {"publicMetadata": {"plan": "pro"}}
    )

    assert merged["publicMetadata"] == {"seats": {"used": 1, "free": 2}}
    assert replaced["publicMetadata"] == {"plan": "pro"}
    assert replaced["privateMetadata"] == {"a": 1}


def test_a_ban_ends_all_sessions_and_is_taken_back(backend, standin, carol):
    session = backend.call("sessions.createSession", {"userId": carol["id"]})

    assert backend.call("users.banUser", carol["id"])["banned"]
    assert backend.call("sessions.getSession", session["id"])["status"] == "revoked"
    assert refused(backend, "sessions.createSession", {"userId": carol["id"]})[0] in {403, 422}
    assert not backend.call("users.unbanUser", carol["id"])["banned"]
    assert standin.sign_in(carol["id"]).status == "active"


def test_a_lock_is_shown_and_taken_back(backend, carol):
    assert backend.call("users.lockUser", carol["id"])["locked"]
    assert not backend.call("users.unlockUser", carol["id"])["locked"]


def test_a_deleted_user_is_not_found(backend, carol):
    assert backend.call("users.deleteUser", carol["id"])["deleted"]

    assert refused(backend, "users.getUser", carol["id"]) == (404, "resource_not_found")
    assert backend.call("users.getCount", {"userId": [carol["id"]]}) == 0


def test_an_address_is_added_becomes_the_primary_one_and_is_taken_away(backend, carol):
    address = f"new{next(NUMBERS)}@example.com"
    made = backend.call(
        "emailAddresses.createEmailAddress",
        {"userId": carol["id"], "emailAddress": address, "verified": True},
    )
    backend.call("emailAddresses.updateEmailAddress", made["id"], {"primary": True})
    assert backend.call("users.getUser", carol["id"])["primaryEmailAddressId"] == made["id"]

    assert backend.call("emailAddresses.deleteEmailAddress", made["id"])["deleted"]

    found = backend.call("users.getUser", carol["id"])
    assert found["emailAddresses"] == carol["emailAddresses"]


def test_an_address_that_somebody_has_is_taken(backend, carol):
    taken = {"emailAddress": [carol["emailAddresses"][0]["emailAddress"]]}

    assert refused(backend, "users.createUser", taken) == (422, "form_identifier_exists")


def test_a_session_begins_and_ends(backend, carol):
    session = backend.call("sessions.createSession", {"userId": carol["id"]})
    asked = {"userId": carol["id"], "status": "active"}
    assert ids(backend.call("sessions.getSessionList", asked)) == [session["id"]]

    assert backend.call("sessions.revokeSession", session["id"])["status"] == "revoked"
    assert ids(backend.call("sessions.getSessionList", asked)) == []
    assert refused(backend, "sessions.getToken", session["id"]) == (404, "resource_not_found")


def test_a_sessions_token_lives_as_long_as_it_was_asked_to(backend, standin, carol):
    session = backend.call("sessions.createSession", {"userId": carol["id"]})
    key = {"jwtKey": standin.public_key_pem}

    lives = []
    for seconds in (None, 600):
        made = backend.call("sessions.getToken", session["id"], None, seconds)
        claims = backend.ask(operation="verifyToken", token=made["jwt"], options=key)
        assert (claims["sub"], claims["sid"]) == (carol["id"], session["id"])
        lives.append(claims["exp"] - claims["iat"])

    assert lives == [60, 600]


def test_a_template_token_is_no_session(backend, carol):
    session = backend.call("sessions.createSession", {"userId": carol["id"]})

    made = backend.call("sessions.getToken", session["id"], "hasura")
    headers = {"Authorization": f"Bearer {made['jwt']}"}
    state = backend.ask(operation="authenticateRequest", headers=headers)

    assert (state["status"], state["reason"]) == ("signed-out", "token-type-mismatch")


def test_a_session_that_is_not_there_is_not_found(backend):
    assert refused(backend, "sessions.getSession", "sess_none") == (404, "resource_not_found")


def test_an_organization_is_found_by_id_and_by_slug(backend, carol, office):
    for known in ({"organizationId": office["id"]}, {"slug": office["slug"]}):
        found = backend.call("organizations.getOrganization", known | {"includeMembersCount": True})
        assert (found["id"], found["membersCount"]) == (office["id"], 1)
    asked = {"userId": [carol["id"]]}
    assert ids(backend.call("organizations.getOrganizationList", asked)) == [office["id"]]


def test_an_organization_is_changed(backend, office):
    backend.call("organizations.updateOrganization", office["id"], {"name": "Bureau"})
    for method in ("updateOrganizationMetadata", "replaceOrganizationMetadata"):
        value = {"publicMetadata": {method: 1}}
        changed = backend.call(f"organizations.{method}", office["id"], value)

    assert changed["name"] == "Bureau"
    assert changed["publicMetadata"] == {"replaceOrganizationMetadata": 1}


def test_whoever_makes_an_organization_is_its_admin(backend, carol, office):
    asked = {"organizationId": office["id"]}

    (member,) = backend.call("organizations.getOrganizationMembershipList", asked)["data"]

    assert (member["role"], member["publicUserData"]["userId"]) == ("org:admin", carol["id"])
    assert "org:sys_memberships:manage" in member["permissions"]


def test_a_members_role_is_in_the_next_token(backend, office):
    dave = backend.call("users.createUser", {"firstName": "Dave"})
    at = {"organizationId": office["id"], "userId": dave["id"]}
    backend.call("organizations.createOrganizationMembership", at | {"role": "org:member"})
    active = {"userId": dave["id"], "activeOrganizationId": office["id"]}
    session = backend.call("sessions.createSession", active)

    def role():
        token = backend.call("sessions.getToken", session["id"])["jwt"]
        headers = {"Authorization": f"Bearer {token}"}
        state = backend.ask(operation="authenticateRequest", headers=headers)
        return state["auth"].get("orgRole")

    seen = [role()]
    backend.call("organizations.updateOrganizationMembership", at | {"role": "org:admin"})
    seen.append(role())
    backend.call("organizations.deleteOrganizationMembership", at)
    seen.append(role())

    assert seen == ["org:member", "org:admin", None]


def test_a_memberships_metadata_is_its_own(backend, carol, office):
    at = {"organizationId": office["id"], "userId": carol["id"]}

    backend.call(
        "organizations.updateOrganizationMembershipMetadata", at | {"publicMetadata": {"desk": 5}}
    )

    (found,) = backend.call("users.getOrganizationMembershipList", {"userId": carol["id"]})["data"]
    assert found["publicMetadata"] == {"desk": 5}
    assert found["organization"]["id"] == office["id"]


def test_a_deleted_organization_is_not_found(backend, office):
    assert backend.call("organizations.deleteOrganization", office["id"])["deleted"]

    asked = {"organizationId": office["id"]}
    assert refused(backend, "organizations.getOrganization", asked) == (404, "resource_not_found")


def test_an_invitation_to_an_organization_is_made_and_revoked(backend, carol, office):
    at = {"organizationId": office["id"]}
    made = backend.call(
        "organizations.createOrganizationInvitation",
        at
        | {"emailAddress": "erin@example.com", "role": "org:member", "inviterUserId": carol["id"]},
    )
    pending = at | {"status": ["pending"]}
    found = backend.call("organizations.getOrganizationInvitationList", pending)
    assert ids(found) == [made["id"]]

    one = at | {"invitationId": made["id"]}
    backend.call(
        "organizations.revokeOrganizationInvitation", one | {"requestingUserId": carol["id"]}
    )

    assert backend.call("organizations.getOrganizationInvitation", one)["status"] == "revoked"
    assert ids(backend.call("organizations.getOrganizationInvitationList", pending)) == []


def test_an_invitation_to_the_application_is_made_and_revoked(backend):
    address = f"frank{next(NUMBERS)}@example.com"
    made = backend.call("invitations.createInvitation", {"emailAddress": address})
    asked = {"status": "pending", "query": address}
    assert made["id"] in ids(backend.call("invitations.getInvitationList", asked))

    assert backend.call("invitations.revokeInvitation", made["id"])["status"] == "revoked"
    assert made["id"] not in ids(backend.call("invitations.getInvitationList", asked))


def test_an_invitation_that_is_deleted_is_not_listed(backend):
    made = backend.call("invitations.createInvitation", {"emailAddress": "gone@example.com"})

    assert backend.call("invitations.deleteInvitation", made["id"])["deleted"]

    assert ids(backend.call("invitations.getInvitationList", {"query": "gone@example.com"})) == []


def test_a_user_sees_the_organizations_that_invite_them(backend, office):
    address = f"heidi{next(NUMBERS)}@example.com"
    heidi = backend.call("users.createUser", {"emailAddress": [address]})
    made = backend.call(
        "organizations.createOrganizationInvitation",
        {"organizationId": office["id"], "emailAddress": address, "role": "org:member"},
    )

    found = backend.call("users.getOrganizationInvitationList", {"userId": heidi["id"]})

    assert ids(found) == [made["id"]]


def test_all_memberships_of_the_instance_are_listed(backend, carol, office):
    asked = {"orderBy": "-created_at", "limit": 1}

    (newest,) = backend.call("organizations.getInstanceOrganizationMembershipList", asked)["data"]

    assert newest["organization"]["id"] == office["id"]
    assert newest["publicUserData"]["userId"] == carol["id"]
