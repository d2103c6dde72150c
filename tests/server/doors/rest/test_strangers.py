"""Every operation, walked from its declaration: nobody gets where they don't belong."""

import pytest

from doorward.server.app import create_app  # noqa: F401 - declares every operation
from doorward.server.doors.rest.operations import Operations
from support import problem, without_request_id

BODIES = {
    "create_workspace": {"name": "x"},
    "update_workspace": {"name": "x"},
    "add_member": {"user_id": "user_mallory", "role": "owner"},
    "change_member": {"role": "owner"},
    "create_folder": {"name": "x"},
    "update_file": {"name": "x"},
    "restore_file": {},
    "create_upload": {"name": "x", "size": 1},
    "create_link": {},
    "narrow_link": {"uses": 1},
    "create_import": {"url": "http://127.0.0.1:1/x"},
    "complete_upload": {"parts": [{"number": 1, "etag": "x"}]},
    "create_key": {"name": "x", "scopes": ["files:read"]},
    "change_key": {"name": "x"},
    "rotate_key": {},
    "exchange_token": {},
    "revoke_token": {"token": "x"},
}
OF_OTHER_THINGS = {"download_folder": 409, "read_thumbnail": 415}  # than a text file
OF_THEIR_MAKER = {"read_link", "narrow_link", "kill_link"}
# What a claim token opens is in test_transfers.py: nobody needs a role for it.
OF_ONE_WORKSPACE = {"list_alerts", "list_audit", "export_audit", "list_events", "list_links"}
NOWHERE = {
    "workspace_id": "ws_" + "a" * 26,
    "file_id": "file_" + "a" * 26,
    "upload_id": "up_" + "a" * 26,
    "link_id": "link_" + "a" * 26,
    "key_id": "key_" + "a" * 26,
    "request_id": "req_" + "a" * 32,
    "grant_id": "grant_" + "a" * 26,
    "user_id": "user_nobody",
    "workspace": "ws_" + "a" * 26,
    "transfer_id": "tr_" + "a" * 26,
    "token": "dwt_" + "a" * 52,
}

operations = pytest.mark.parametrize("operation", Operations.all, ids=lambda op: op.name)
guarded = pytest.mark.parametrize(
    "operation",
    [op for op in Operations.all if op.action and op.action.role],
    ids=lambda op: op.name,
)
of_a_key = pytest.mark.parametrize(
    "operation", [op for op in Operations.all if "{key_id}" in op.path], ids=lambda op: op.name
)


def ask(person, operation, ids, **more):
    query = {"workspace": ids["workspace"]} if operation.name in OF_ONE_WORKSPACE else {}
    return person.call(
        operation.method,
        "/api/v1" + operation.path.format(**ids),
        json=BODIES.get(operation.name),
        params=query,
        **more,
    )


@pytest.fixture
def belongings(house):
    """One of each thing that Alice's organization has, and Bob of another organization."""
    alice = house.person("alice", org="acme", role="org:admin")
    bob = house.person("bob", org="globex", role="org:admin")
    office = alice.office()
    file = alice.upload(office, "plan.txt", b"secret plan")
    upload = alice.declare(office, "later.txt", 3).json()
    alice.post(f"workspaces/{office}/members", user_id="user_carol", role="editor")
    ids = {
        "workspace_id": office,
        "workspace": office,
        "file_id": file["id"],
        "upload_id": upload["id"],
        "link_id": alice.post(f"files/{file['id']}/link").json()["id"],
        "user_id": "user_carol",
        "grant_id": "grant_" + "a" * 26,
        "key_id": alice.post("keys", name="CI", scopes=["files:read"]).json()["id"],
        "transfer_id": NOWHERE["transfer_id"],  # a home is never handed over
    }
    return alice, bob, ids


def test_the_walk_knows_every_operation():
    names = [operation.name for operation in Operations.all]

    assert len(names) == len(set(names)) > 20
    assert set(names) >= set(BODIES)


@operations
def test_nobody_without_a_credential_gets_past_the_door(house, operation):
    path = "/api/v1" + operation.path.format(**NOWHERE)

    answer = house.client.request(operation.method, path, json=BODIES.get(operation.name))

    assert problem(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@operations
def test_nobody_with_a_forged_credential_gets_past_the_door(house, operation):
    path = "/api/v1" + operation.path.format(**NOWHERE)
    token = house.person("alice").token()
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")

    answer = house.client.request(
        operation.method, path, headers={"Authorization": f"Bearer {forged}"}
    )

    assert problem(answer) == (401, "not_authenticated")


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer  {}", "Bearer {} more"])
def test_a_good_token_in_any_other_form_than_bearer_is_no_credential(house, form):
    token = house.person("alice").token()

    answer = house.client.get("/api/v1/me", headers={"Authorization": form.format(token)})

    assert problem(answer) == (401, "not_authenticated")


@guarded
def test_another_tenants_thing_can_not_be_told_from_a_missing_one(belongings, operation):
    alice, bob, ids = belongings

    hidden = ask(bob, operation, ids)
    missing = ask(bob, operation, NOWHERE)

    assert hidden.status_code == 404
    assert problem(hidden) == problem(missing)
    assert without_request_id(hidden) == without_request_id(missing)
    assert set(hidden.headers) == set(missing.headers)
    # Nothing happened to what Alice has.
    assert alice.get(f"files/{ids['file_id']}").json()["name"] == "plan.txt"
    assert alice.get(f"uploads/{ids['upload_id']}").json()["status"] == "pending"


@of_a_key
def test_another_tenants_key_can_not_be_told_from_a_missing_one(belongings, operation):
    alice, bob, ids = belongings

    hidden, missing = ask(bob, operation, ids), ask(bob, operation, NOWHERE)

    assert problem(hidden) == problem(missing) == (404, "key_not_found")
    assert without_request_id(hidden) == without_request_id(missing)
    assert alice.get(f"keys/{ids['key_id']}").json()["status"] == "active"


@guarded
def test_leaving_the_organization_ends_its_role_with_the_next_token(belongings, operation):
    alice, _, ids = belongings
    former = alice.house.person("alice")  # the same person, no organization in the token

    assert ask(former, operation, ids).status_code == 404


@guarded
def test_a_role_that_does_not_suffice_is_told_which_one_would(belongings, operation):
    alice, _, ids = belongings
    viewer = alice.house.person("vera", org="acme", role="org:guest")

    answer = ask(viewer, operation, ids)

    if operation.name in OF_THEIR_MAKER:
        assert problem(answer) == (404, "link_not_found")
    elif operation.action.role.value == "viewer" or operation.name == "read_upload":
        assert answer.status_code == OF_OTHER_THINGS.get(operation.name, 200)
    else:
        assert problem(answer) == (403, "permission_denied")
        assert answer.json()["missing"] == f"role {operation.action.role.value}"


@guarded
def test_every_refusal_is_in_the_workspaces_trail_with_who_and_why(belongings, operation):
    alice, bob, ids = belongings

    ask(bob, operation, ids)

    trail = alice.get("audit", params={"workspace": ids["workspace"]}).json()["data"]
    entry = next(row for row in trail if row["actor"]["id"] == bob.user_id)
    assert entry["outcome"] == "denied"
    assert entry["action"] == operation.action.name_
    assert entry["reason"].endswith("_not_found")
    assert entry["credential"]["type"] == "session"
