import pytest

from support import problem


def test_a_first_sight_gives_a_person_one_home_however_often_they_come(house):
    alice = house.person("alice")

    first, again = alice.get("workspaces").json(), alice.get("workspaces").json()

    assert first == again
    assert [(row["name"], row["role"]) for row in first["data"]] == [("Personal", "owner")]


@pytest.mark.parametrize("levels", [150, 900, 100_000])
def test_a_body_that_nests_too_deeply_is_malformed_and_never_read(house, levels):
    alice = house.person("alice")
    nested = b'{"name":' + b"[" * levels + b"]" * levels + b"}"

    sent = {"content": nested, "headers": {"content-type": "application/json"}}
    refused = alice.call("POST", "workspaces", **sent)

    assert problem(refused) == (400, "malformed_request")
    assert "nests too deeply" in refused.json()["detail"]


def test_an_organization_gets_one_home_for_all_its_members_with_their_roles(house):
    admin = house.person("alice", org="acme", role="org:admin")
    member = house.person("bob", org="acme", role="org:member")
    guest = house.person("vera", org="acme", role="org:guest")

    assert admin.office() == member.office() == guest.office()
    rows = {
        row["user_id"]: (row["role"], row["source"])
        for row in admin.get(f"workspaces/{admin.office()}/members").json()["data"]
    }
    assert rows == {
        "user_alice": ("admin", "clerk"),
        "user_bob": ("editor", "clerk"),
        "user_vera": ("viewer", "clerk"),
    }


def test_a_changed_organization_role_arrives_with_the_next_token(house):
    office = house.person("bob", org="acme", role="org:admin").office()
    demoted = house.person("bob", org="acme", role="org:guest")

    assert demoted.get(f"workspaces/{office}").json()["role"] == "viewer"
    assert problem(demoted.patch(f"workspaces/{office}", name="mine"))[0] == 403


def test_the_token_in_hand_decides_however_the_role_went_to_and_fro(house):
    admin = house.person("bob", org="acme", role="org:admin")
    member = house.person("bob", org="acme", role="org:guest")
    office = member.office()
    admin.get("me")

    assert member.get(f"workspaces/{office}").json()["role"] == "viewer"
    assert problem(member.get("audit", params={"workspace": office}))[0] == 403
    assert admin.get(f"workspaces/{office}").json()["role"] == "admin"
    rows = {row["id"]: row["role"] for row in member.get("workspaces").json()["data"]}
    assert rows[office] == "viewer"


def test_what_one_created_for_an_organization_is_left_behind_with_it(house):
    inside = house.person("alice", org="acme", role="org:member")
    made = inside.post("workspaces", name="Plans").json()
    outside = house.person("alice")

    assert made["role"] == "owner"
    assert problem(outside.get(f"workspaces/{made['id']}")) == (404, "workspace_not_found")
    assert made["id"] not in [row["id"] for row in outside.get("workspaces").json()["data"]]
    assert inside.get(f"workspaces/{made['id']}").json()["role"] == "owner"


def test_nobody_adds_themselves_to_stay_after_the_organization_is_left(house):
    admin = house.person("alice", org="acme", role="org:admin")

    answer = admin.post(f"workspaces/{admin.office()}/members", user_id="user_alice", role="admin")

    assert problem(answer) == (409, "member_exists")


def test_an_organization_role_without_a_mapping_gets_nothing(house_with):
    house = house_with(DOORWARD_ORGANIZATION_ROLES="org:admin=admin")
    guest = house.person("vera", org="acme", role="org:guest")

    rows = guest.get("workspaces").json()["data"]

    assert [row["organization_id"] for row in rows] == [None]


def test_whoever_creates_a_workspace_owns_it_and_may_rename_and_delete_it(alice):
    made = alice.post("workspaces", name="Plans").json()

    assert made["role"] == "owner"
    assert alice.patch(f"workspaces/{made['id']}", name="Plans 2").json()["name"] == "Plans 2"
    assert alice.delete(f"workspaces/{made['id']}").status_code == 204
    assert problem(alice.get(f"workspaces/{made['id']}")) == (404, "workspace_not_found")


def test_a_deleted_workspace_takes_its_files_out_of_sight(alice):
    made = alice.post("workspaces", name="Plans").json()["id"]
    file = alice.upload(made, "a.txt", b"1")["id"]

    alice.delete(f"workspaces/{made}")

    assert problem(alice.get(f"files/{file}")) == (404, "file_not_found")


def test_a_home_workspace_is_not_deleted(alice):
    assert problem(alice.delete(f"workspaces/{alice.home()}")) == (409, "home_workspace")


def test_a_member_who_was_let_in_sees_the_workspace_until_taken_out(alice, bob):
    made = alice.post("workspaces", name="Plans").json()["id"]
    bob.home()

    assert alice.post(f"workspaces/{made}/members", user_id="user_bob", role="viewer").is_success
    assert bob.get(f"workspaces/{made}").json()["role"] == "viewer"
    alice.delete(f"workspaces/{made}/members/user_bob")
    assert problem(bob.get(f"workspaces/{made}")) == (404, "workspace_not_found")


def test_nobody_hands_out_or_takes_a_role_above_their_own(alice, bob):
    made = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{made}/members", user_id="user_bob", role="admin")

    for answer in (
        bob.post(f"workspaces/{made}/members", user_id="user_eve", role="owner"),
        bob.patch(f"workspaces/{made}/members/user_bob", role="owner"),
        bob.patch(f"workspaces/{made}/members/user_alice", role="viewer"),
        bob.delete(f"workspaces/{made}/members/user_alice"),
    ):
        assert problem(answer) == (403, "permission_denied")


def test_a_workspace_keeps_an_owner(alice):
    made = alice.post("workspaces", name="Plans").json()["id"]

    assert problem(alice.delete(f"workspaces/{made}/members/user_alice")) == (409, "last_owner")
    demoted = alice.patch(f"workspaces/{made}/members/user_alice", role="viewer")
    assert problem(demoted) == (409, "last_owner")


def test_anybody_may_leave(alice, bob):
    made = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{made}/members", user_id="user_bob", role="viewer")

    assert bob.delete(f"workspaces/{made}/members/user_bob").status_code == 204


def test_a_second_membership_and_an_unknown_member_are_said_to_be_so(alice):
    made = alice.post("workspaces", name="Plans").json()["id"]

    again = alice.post(f"workspaces/{made}/members", user_id="user_alice", role="owner")
    nobody = alice.delete(f"workspaces/{made}/members/user_nobody")

    assert problem(again) == (409, "member_exists")
    assert problem(nobody) == (404, "member_not_found")


def test_a_membership_that_clerk_decides_is_changed_there(house):
    admin = house.person("alice", org="acme", role="org:admin")
    house.person("bob", org="acme", role="org:member").office()

    answer = admin.delete(f"workspaces/{admin.office()}/members/user_bob")

    assert problem(answer) == (409, "member_from_clerk")


@pytest.mark.parametrize("user_id", ["bob", "", "user_" + "x" * 99, "user_a b", "org_acme"])
def test_only_a_user_id_is_let_in(alice, user_id):
    made = alice.post("workspaces", name="Plans").json()["id"]

    answer = alice.post(f"workspaces/{made}/members", user_id=user_id, role="viewer")

    assert problem(answer) == (422, "invalid_request")


def test_me_says_who_asks_and_with_what(house):
    admin = house.person("alice", org="acme", role="org:admin")

    me = admin.get("me").json()

    assert me["user_id"] == "user_alice"
    assert me["organization"] == {"id": "org_acme", "role": "admin"}
    assert me["credential"]["type"] == "session"
    assert "files:read" in me["scopes"]
