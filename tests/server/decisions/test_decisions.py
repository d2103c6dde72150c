"""What is explained is what is enforced, before and after; nobody learns more by asking."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.server.permission.actions import Action
from doorward.server.permission.judgement import Judgement
from doorward.server.permission.policy import Outcome, Rights, explain
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope
from support import problem, without_request_id

SCOPES = [scope.value for scope in Scope]
ROLES = ("viewer", "editor", "admin")
rights = st.builds(
    Rights,
    scopes=st.frozensets(st.sampled_from(list(Scope))),
    role=st.none() | st.sampled_from(list(Role)),
    workspaces=st.none() | st.frozensets(st.sampled_from(["ws_1", "ws_2"])),
)
actions = st.sampled_from(list(Action))


@given(rights, actions, st.none() | st.sampled_from(["ws_1", "ws_2"]))
def test_the_last_step_told_is_the_rule_that_decided(rights, action, workspace):
    judged = Judgement.made(rights, action, workspace)
    steps = explain(rights, action, workspace)

    assert all(step.passed for step in steps[:-1])
    assert steps[-1].passed == judged.decision.allowed
    if not judged.decision.allowed:
        assert steps[-1].rule == judged.decision.rule


@given(rights, actions, st.none() | st.sampled_from(["ws_1", "ws_2"]))
def test_a_judgement_that_was_kept_comes_out_the_same(rights, action, workspace):
    judged = Judgement.made(rights, action, workspace)

    assert Judgement.of(judged.stored()) == judged


# Each action with a request that asks for it of something, and changes as little as can be.
TRIED = {
    "workspace:read": ("GET", "workspaces/{ws}", None),
    "workspace:update": ("PATCH", "workspaces/{ws}", {}),
    "member:list": ("GET", "workspaces/{ws}/members", None),
    "member:add": ("POST", "workspaces/{ws}/members", {"user_id": "user_x", "role": "viewer"}),
    "file:list": ("GET", "workspaces/{ws}/files", None),
    "file:read": ("GET", "files/{file}", None),
    "file:download": ("GET", "files/{file}/content", None),
    "file:update": ("PATCH", "files/{file}", {"name": "a.txt"}),
    "folder:create": ("POST", "workspaces/{ws}/folders", {"name": "f"}),
    "upload:create": ("POST", "workspaces/{ws}/uploads", {"name": "u", "size": 1}),
    "link:create": ("POST", "files/{file}/link", {}),
    "audit:read": ("GET", "audit?workspace={ws}", None),
    "event:list": ("GET", "events?workspace={ws}", None),
    "key:list": ("GET", "keys", None),
    "workspace:list": ("GET", "workspaces", None),
}
RESOURCES = {"ws": "ws", "file": "file"}


@pytest.fixture
def scene(house):
    """Alice owns two rooms with a file in each; Bob is in one of them."""
    alice = house.person("alice")
    rooms = {}
    for name in ("one", "two"):
        room = alice.post("workspaces", name=name).json()["id"]
        rooms[name] = {"ws": room, "file": alice.upload(room, "a.txt", b"x")["id"]}
    bob = house.person("bob")
    bob.get("me")
    alice.post(f"workspaces/{rooms['one']['ws']}/members", user_id="user_bob", role="viewer")
    return alice, bob, rooms


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_the_explanation_equals_the_enforcement(scene, data):
    alice, bob, rooms = scene
    role = data.draw(st.sampled_from(ROLES))
    scopes = data.draw(st.lists(st.sampled_from(SCOPES), min_size=1, unique=True))
    bound = data.draw(st.none() | st.sampled_from(list(rooms)))
    name = data.draw(st.sampled_from(list(TRIED)))
    room = rooms[data.draw(st.sampled_from(list(rooms)))]
    alice.patch(f"workspaces/{rooms['one']['ws']}/members/user_bob", role=role)
    more = {} if bound is None or bound == "two" else {"workspaces": [rooms[bound]["ws"]]}
    key = bob.key(*scopes, **more)
    method, path, body = TRIED[name]
    on = next((room[word] for word in RESOURCES if "{" + word + "}" in path), None)

    told = key.get("explain", params={"action": name} | ({"resource": on} if on else {}))
    asked = key.call(method, path.format(**room), json=body)
    asked_again = key.get("explain", params={"action": name} | ({"resource": on} if on else {}))
    replayed = key.get(f"requests/{asked.headers['x-request-id']}/decisions").json()["data"]

    assert told.status_code == 200, told.text
    assert without_request_id(told) == without_request_id(asked_again)
    expected = {"allowed": (200, 201, 409), "refused": (403,), "hidden": (404,)}
    assert asked.status_code in expected[told.json()["outcome"]], (told.text, asked.text)
    if told.json()["outcome"] != "allowed":
        assert told.json()["missing"] == asked.json().get("missing")
    last = replayed[-1]
    assert last["action"] == name
    assert (last["outcome"] == "denied") == (told.json()["outcome"] != "allowed")
    assert [step["passed"] for step in last["steps"]].count(False) == (last["outcome"] != "allowed")


def test_what_is_hidden_is_explained_as_what_is_missing(scene):
    _, bob, rooms = scene
    bound = bob.key("files:read", "workspaces:read", workspaces=[rooms["one"]["ws"]])
    home = bob.home()  # there for Bob, and not for his key

    for asker, hidden in ((bob, rooms["two"]["ws"]), (bound, home), (bob, rooms["two"]["file"])):
        missing = hidden.partition("_")[0] + "_" + "a" * 26
        seen = asker.get("explain", params={"action": "file:list", "resource": hidden}).json()
        none = asker.get("explain", params={"action": "file:list", "resource": missing}).json()
        assert seen | {"resource": None} == none | {"resource": None}
        assert seen["outcome"] == "hidden"


def test_whoever_reads_the_trail_is_told_of_others_and_nobody_else_is(scene):
    alice, bob, rooms = scene
    room = rooms["one"]["ws"]
    asked = {"action": "file:update", "resource": rooms["one"]["file"], "principal": "user_bob"}

    told = alice.get("explain", params=asked).json()

    assert (told["outcome"], told["missing"]) == ("refused", "role editor")
    assert problem(bob.get("explain", params=asked | {"principal": "user_alice"})) == (
        403,
        "permission_denied",
    )
    alice.patch(f"workspaces/{room}/members/user_bob", role="editor")
    assert alice.get("explain", params=asked).json()["outcome"] == "allowed"


def test_an_owner_sees_why_a_request_to_the_workspace_was_refused_and_a_stranger_nothing(scene):
    alice, bob, rooms = scene
    refused = bob.delete(f"files/{rooms['one']['file']}")
    request = refused.headers["x-request-id"]

    told = alice.get(f"requests/{request}/decisions").json()["data"]

    assert [(step["rule"], step["passed"]) for step in told[0]["steps"]] == [
        ("credential", True),
        ("not-a-member", True),
        ("outside-its-workspaces", True),
        ("scope-missing", True),
        ("bound-to-workspaces", True),
        ("role-too-weak", False),
    ]
    stranger = alice.house.person("mallory").get(f"requests/{request}/decisions")
    assert problem(stranger) == (404, "decision_not_found")


def test_a_past_decision_is_told_as_it_was_made(scene):
    alice, bob, rooms = scene
    refused = bob.delete(f"files/{rooms['one']['file']}")
    alice.patch(f"workspaces/{rooms['one']['ws']}/members/user_bob", role="editor")

    told = alice.get(f"requests/{refused.headers['x-request-id']}/decisions").json()["data"]

    assert told[0]["steps"][-1] == {
        "rule": "role-too-weak",
        "asks": "role editor",
        "passed": False,
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"action": "file:fly"}, 422),
        ({"action": "file:read"}, 422),  # of nothing
        ({"action": "file:read", "resource": "x"}, 422),
        ({}, 422),
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(house, query, status):
    assert house.person("alice").get("explain", params=query).status_code == status


def test_outcomes_are_those_of_the_policy():
    assert {outcome.value for outcome in Outcome} == {"allowed", "refused", "hidden"}


def test_nothing_is_said_to_be_allowed_to_a_key_that_has_ended(house):
    alice = house.person("alice")
    room = alice.post("workspaces", name="Room").json()["id"]
    key = alice.key("files:read")
    asked = {"action": "file:list", "resource": room, "principal": key.id}
    assert alice.get("explain", params=asked).json()["outcome"] == "allowed"

    alice.delete(f"keys/{key.id}")

    assert problem(alice.get("explain", params=asked)) == (409, "key_ended")
