"""A delegated token: what a person and an agent both hold, for minutes, and both are named."""

import jwt
import pytest

from support import problem


@pytest.fixture
def alice(house):
    return house.person("alice")


@pytest.fixture
def bob(house):
    return house.person("bob")


@pytest.fixture
def room(alice):
    """Bob, whose agent works here, is a viewer; Alice owns it."""
    room = alice.post("workspaces", name="Room").json()["id"]
    alice.post(f"workspaces/{room}/members", user_id="user_bob", role="viewer")
    return room


@pytest.fixture
def agent(bob):
    return bob.key("files:read", "files:write", "workspaces:read")


def test_the_token_names_both_and_lives_for_minutes(alice, agent):
    answer = agent.exchange(alice.token()).json()

    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["act"]["sub"]) == (alice.user_id, agent.id)
    assert answer["expires_in"] == 600
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert answer["scope"] == "files:read files:write workspaces:read"


def test_the_agent_has_no_more_than_both_have(alice, agent, room):
    acting = alice.lend(agent)

    assert acting.get(f"workspaces/{room}/files").status_code == 200
    refused = acting.post(f"workspaces/{room}/folders", name="x")
    assert (refused.status_code, refused.json()["missing"]) == (403, "role editor")
    seen = [row["id"] for row in acting.get("workspaces").json()["data"]]
    assert seen == [room]  # neither one's home is the other's


def test_what_is_done_by_it_names_both_in_the_trail(alice, agent, room):
    alice.patch(f"workspaces/{room}/members/user_bob", role="editor")
    acting = alice.lend(agent)
    acting.upload(room, "a.txt", b"for alice")

    trail = alice.get("audit", params={"workspace": room}).json()["data"]

    entry = next(row for row in trail if row["action"] == "upload:create")
    assert entry["actor"] == {"type": "agent", "id": agent.id}
    assert entry["credential"]["type"] == "delegated_token"
    assert entry["on_behalf_of"] == alice.user_id


def test_a_scope_that_not_both_have_is_named_as_excess(alice, agent):
    answer = agent.exchange(alice.token(), scope="files:read files:delete")

    assert problem(answer) == (403, "permission_denied")
    assert answer.json()["excess"] == ["scope files:delete"]


def test_it_dies_with_the_key(alice, bob, agent):
    acting = alice.lend(agent)

    bob.delete(f"keys/{agent.id}")

    assert problem(acting.get("me")) == (401, "not_authenticated")


def test_it_dies_with_the_session(house, agent):
    session = house.standin.sign_in("alice")
    made = agent.exchange(house.standin.token(session)).json()["access_token"]
    acting = type(agent)(house, "alice", {}, agent.id, made)
    assert acting.get("me").status_code == 200

    house.standin.revoke(session.id)

    assert acting.get("me").status_code == 401


def test_it_dies_when_its_time_is_over_and_with_the_key_at_the_latest(house, alice, bob):
    brief = bob.key("files:read", expires_in=100)
    answer = brief.exchange(alice.token()).json()
    acting = type(brief)(house, "alice", {}, brief.id, answer["access_token"])
    assert answer["expires_in"] == 100

    house.clock.advance(seconds=100)

    assert acting.get("me").status_code == 401


def test_it_can_be_ended_before_its_time(alice, agent):
    acting = alice.lend(agent)

    assert agent.call("POST", "token/revoke", data={"token": acting.secret}).status_code == 200

    assert acting.get("me").status_code == 401


def test_narrowing_the_key_narrows_the_token(alice, bob, agent, room):
    acting = alice.lend(agent)

    bob.patch(f"keys/{agent.id}", scopes=["workspaces:read"])

    assert problem(acting.get(f"workspaces/{room}/files")) == (403, "permission_denied")


def test_what_was_bought_by_it_dies_with_either(house, alice, bob, agent, room):
    alice.patch(f"workspaces/{room}/members/user_bob", role="editor")
    session = house.standin.sign_in("alice")
    made = agent.exchange(house.standin.token(session)).json()["access_token"]
    acting = type(agent)(house, "alice", {}, agent.id, made)
    first = acting.declare(room, "a.txt", 3).json()["url"]
    second = alice.lend(agent).declare(room, "b.txt", 3).json()["url"]

    house.standin.revoke(session.id)
    assert house.send(first, b"abc").status_code == 404
    bob.delete(f"keys/{agent.id}")
    assert house.send(second, b"abc").status_code == 404


def test_it_makes_no_workspaces_and_no_further_tokens(alice, agent):
    acting = alice.lend(agent)

    assert acting.post("workspaces", name="x").status_code == 403
    assert acting.exchange(alice.token()).status_code == 403


@pytest.mark.parametrize("swap", ["key as subject", "stranger's session", "nothing"])
def test_only_a_session_and_a_key_are_exchanged(alice, agent, swap):
    forged = alice.token()[:-6] + "AAAAAA"
    subject = {"key as subject": agent.secret, "stranger's session": forged, "nothing": "x"}[swap]

    answer = agent.exchange(subject)

    assert problem(answer) == (400, "exchange_refused")
    assert answer.json()["error"] in {"invalid_grant", "invalid_request"}


def test_the_person_may_ask_for_it_with_the_agents_key(alice, agent):
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": alice.token(),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "actor_token": agent.secret,
        "actor_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    answer = alice.call("POST", "token", data=form)

    assert answer.status_code == 400  # of another session than the bearer's
    assert answer.json()["error"] == "invalid_request"
