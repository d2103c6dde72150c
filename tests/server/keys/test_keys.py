"""Keys at the REST door: made once, bounded, rotated, revoked; never more than their maker."""

import sqlite3
from contextlib import closing

import pytest

from support import problem

ALL = (
    "files:read",
    "files:write",
    "files:delete",
    "workspaces:read",
    "members:read",
    "members:manage",
    "keys:read",
    "keys:manage",
    "audit:read",
)


@pytest.fixture
def alice(house):
    return house.person("alice", org="acme", role="org:admin")


@pytest.fixture
def agent(alice):
    return alice.key(*ALL)


def test_a_key_acts_for_its_maker_and_says_so(alice, agent):
    office = alice.office()

    file = agent.upload(office, "a.txt", b"by an agent")
    me = agent.get("me").json()

    assert alice.get(f"files/{file['id']}").json()["created_by"] == alice.user_id
    assert me["user_id"] == alice.user_id
    assert me["credential"] == {"type": "api_key", "id": agent.id}
    assert me["scopes"] == sorted(ALL)


def test_the_secret_is_shown_once_and_lies_nowhere(house, alice, agent):
    shown = [alice.get("keys").text, alice.get(f"keys/{agent.id}").text]
    agent.get("me")
    trail = alice.get("audit", params={"workspace": alice.office()}).text
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        kept = "\n".join(database.iterdump())

    for text in [*shown, trail, kept]:
        assert agent.secret[8:] not in text
        assert agent.secret[24:64] not in text


def test_a_read_only_key_that_deletes_is_told_the_scope_that_it_lacks(alice):
    office = alice.office()
    file = alice.upload(office, "a.txt", b"kept")
    reader = alice.key("files:read")

    refused = reader.delete(f"files/{file['id']}")

    assert problem(refused) == (403, "permission_denied")
    assert refused.json()["missing"] == "scope files:delete"
    assert alice.get(f"files/{file['id']}").status_code == 200


def test_a_key_for_one_workspace_sees_no_other_in_any_list(alice):
    one = alice.post("workspaces", name="One").json()["id"]
    other = alice.post("workspaces", name="Other").json()["id"]
    bound = alice.key("workspaces:read", "files:read", "workspaces:create", workspaces=[one])

    assert [row["id"] for row in bound.get("workspaces").json()["data"]] == [one]
    assert problem(bound.get(f"workspaces/{other}")) == (404, "workspace_not_found")
    made = bound.post("workspaces", name="Third")
    assert (made.status_code, made.json()["missing"]) == (
        403,
        "credential that is not bound to workspaces",
    )


def test_a_scope_that_there_is_not_is_named_with_those_that_there_are(alice):
    answer = alice.post("keys", name="x", scopes=["files:read", "files:fly"])

    assert problem(answer) == (422, "scope_unknown")
    assert answer.json()["unknown"] == ["files:fly"]
    assert "files:delete" in answer.json()["known"]


def test_a_workspace_that_one_is_not_in_is_named_as_excess(house, alice):
    bobs = house.person("bob").home()

    answer = alice.post("keys", name="x", scopes=["files:read"], workspaces=[bobs])
    missing = alice.post("keys", name="x", scopes=["files:read"], workspaces=["ws_" + "a" * 26])

    assert problem(answer) == problem(missing) == (403, "permission_denied")
    assert answer.json()["excess"] == [f"workspace {bobs}"]


def test_making_one_takes_a_sign_in_of_not_long_ago(house):
    session = house.standin.sign_in("alice", org="acme", role="org:admin")
    house.clock.advance(seconds=3661)
    token = house.standin.token(session)

    answer = house.client.post(
        "/api/v1/keys",
        json={"name": "x", "scopes": ["files:read"]},
        headers={"Authorization": f"Bearer {token}"},
    )

    assert problem(answer) == (403, "reverification_needed")
    assert answer.json()["clerk_error"] == {
        "type": "forbidden",
        "reason": "reverification-error",
        "metadata": {"reverification": {"level": "first_factor", "afterMinutes": 60}},
    }


def test_a_key_makes_no_keys(agent):
    assert problem(agent.post("keys", name="x", scopes=["files:read"])) == (
        403,
        "permission_denied",
    )


def test_a_revoked_key_opens_nothing_and_neither_does_what_it_bought(house, alice, agent):
    office = alice.office()
    file = agent.upload(office, "a.txt", b"bytes")
    link = agent.post(f"files/{file['id']}/link").json()["url"]
    upload = agent.declare(office, "later.txt", 3).json()["url"]
    assert house.client.get(link).status_code == 200

    assert alice.delete(f"keys/{agent.id}").status_code == 204

    assert problem(agent.get("me")) == (401, "not_authenticated")
    assert house.client.get(link).status_code == 410
    assert house.send(upload, b"abc").status_code == 404


def test_an_upload_under_way_ends_when_its_key_is_revoked(house, alice, agent):
    url = agent.declare(alice.office(), "big.bin", 20).json()["url"]

    answer = house.send_in_two(url, b"x" * 10, lambda: alice.delete(f"keys/{agent.id}"), b"y" * 10)

    assert answer.status_code == 404
    assert not alice.get(f"workspaces/{alice.office()}/files").json()["data"]


def test_an_expired_key_opens_nothing(house, alice):
    brief = alice.key("files:read", expires_in=60)
    assert brief.get("me").status_code == 200

    house.clock.advance(seconds=60)

    assert problem(brief.get("me")) == (401, "not_authenticated")
    assert alice.get(f"keys/{brief.id}").json()["status"] == "expired"


def test_while_a_key_is_rotated_both_secrets_count_and_then_the_new_one_alone(house, agent):
    rotated = agent.post(f"keys/{agent.id}/rotate", overlap=600)
    new = type(agent)(house, "alice", {}, agent.id, rotated.json()["secret"])
    assert rotated.json()["id"] == agent.id
    assert agent.get("me").status_code == new.get("me").status_code == 200

    house.clock.advance(seconds=600)

    assert agent.get("me").status_code == 401
    assert new.get("me").status_code == 200


def test_rotated_with_no_overlap_the_old_secret_is_dead_at_once(alice, agent):
    alice.post(f"keys/{agent.id}/rotate", overlap=0)

    assert agent.get("me").status_code == 401


def test_a_key_on_a_schedule_stops_unless_it_is_rotated(house, alice):
    day = 86_400
    key = alice.key("files:read", "keys:manage", rotate_every=day)
    house.clock.advance(seconds=day - 10)
    rotated = key.post(f"keys/{key.id}/rotate").json()["secret"]
    house.clock.advance(seconds=20)

    assert key.get("me").status_code == 401
    assert type(key)(house, "alice", {}, key.id, rotated).get("me").status_code == 200


def test_a_key_rotates_itself_and_no_other(alice, agent):
    other = alice.key("files:read")

    assert agent.post(f"keys/{agent.id}/rotate").status_code == 200
    assert problem(agent.post(f"keys/{other.id}/rotate")) == (403, "permission_denied")


def test_a_key_is_taken_from_its_networks_alone(house, alice):
    bound = alice.key("files:read", networks=["192.0.2.0/24"])
    bearer = {"Authorization": f"Bearer {bound.secret}"}

    inside = house.ask("GET", "/api/v1/me", client=("192.0.2.7", 1), **bearer)
    outside = house.ask("GET", "/api/v1/me", client=("198.51.100.1", 1), **bearer)

    assert inside.status_code == 200
    assert problem(outside) == (403, "key_network_refused")


def test_a_key_loses_what_its_maker_loses(house, alice):
    bob = house.person("bob")
    room = alice.post("workspaces", name="Room").json()["id"]
    alice.post(f"workspaces/{room}/members", user_id="user_bob", role="editor")
    agent = bob.key("files:read", "files:write")
    assert agent.get(f"workspaces/{room}/files").status_code == 200

    alice.patch(f"workspaces/{room}/members/user_bob", role="viewer")
    demoted = agent.post(f"workspaces/{room}/folders", name="x")
    alice.delete(f"workspaces/{room}/members/user_bob")

    assert (demoted.status_code, demoted.json()["missing"]) == (403, "role editor")
    assert problem(agent.get(f"workspaces/{room}/files")) == (404, "workspace_not_found")


def test_a_key_ends_with_its_makers_membership_of_the_organization(house, alice, agent):
    office = alice.office()
    assert agent.get(f"workspaces/{office}/files").status_code == 200

    house.standin.remove_member("alice", "acme")

    assert agent.get("me").status_code == 401


def test_a_key_has_the_organization_role_that_was_seen_last(house, alice, agent):
    office = alice.office()
    house.person("alice", org="acme", role="org:guest").get("me")

    demoted = agent.post(f"workspaces/{office}/folders", name="x")

    assert demoted.status_code == 403


def test_a_banned_makers_key_opens_nothing_while_the_ban_lasts(house, agent):
    house.standin.ban("alice")

    assert agent.get("me").status_code == 401


def test_narrowing_a_key_narrows_what_it_bought(house, alice):
    agent = alice.key("files:read", "files:write")
    url = agent.declare(alice.office(), "later.txt", 3).json()["url"]

    alice.patch(f"keys/{agent.id}", scopes=["files:read"])

    assert house.send(url, b"abc").status_code == 403
    assert agent.get("me").json()["scopes"] == ["files:read"]


def test_an_administrator_sees_and_ends_the_organizations_keys_and_gets_no_secret(house, alice):
    bob = house.person("bob", org="acme", role="org:member")
    bobs = bob.key("files:read")

    listed = [row["id"] for row in alice.get("keys").json()["data"]]
    rotated = alice.post(f"keys/{bobs.id}/rotate")
    ended = alice.delete(f"keys/{bobs.id}")

    assert bobs.id in listed
    assert problem(rotated) == (403, "permission_denied")
    assert ended.status_code == 204
    assert bobs.get("me").status_code == 401


def test_a_member_sees_no_key_of_another(house, agent):
    bob = house.person("bob", org="acme", role="org:member")

    assert agent.id not in bob.get("keys").text
    assert problem(bob.delete(f"keys/{agent.id}")) == (404, "key_not_found")
    assert agent.get("me").status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic {}", "{}", "Bearer  {}", "Bearer {} x", "Token {}", "Bearer{}"]
)
def test_a_key_in_any_other_form_than_bearer_is_no_credential(house, agent, header):
    answer = house.client.get("/api/v1/me", headers={"Authorization": header.format(agent.secret)})

    assert problem(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_scheme_is_read_in_any_case(house, agent):
    answer = house.client.get("/api/v1/me", headers={"Authorization": f"bEARER {agent.secret}"})

    assert answer.status_code == 200


def test_a_key_in_the_query_is_no_credential_and_is_not_logged(house, agent, caplog):
    caplog.set_level("DEBUG")

    for name in ("key", "access_token", "api_key", "token"):
        answer = house.client.get("/api/v1/me", params={name: agent.secret})
        assert problem(answer) == (401, "not_authenticated")

    assert agent.secret[8:16] not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("doorward")
    )


def test_the_trail_names_the_key_that_was_refused_and_why(house, alice, agent):
    alice.delete(f"keys/{agent.id}")
    agent.get("me")

    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        row = database.execute(
            "SELECT credential_type, credential_id FROM audit WHERE reason = 'key-revoked'"
        ).fetchone()

    assert row == ("api_key", agent.id)


def test_its_last_use_is_seen_a_little_later(house, alice, agent):
    agent.get("me")
    house.client.portal.call(house.inside().uses.flush)
    house.client.portal.call(house.store().write, lambda _: None)  # what was posted is in

    shown = alice.get(f"keys/{agent.id}").json()

    assert shown["last_used_at"] is not None
    assert shown["last_used_from"] is not None
