import json
import logging
import sqlite3
from contextlib import closing

import pytest

from support import problem

WEEK = 7 * 86_400


@pytest.fixture
def plans(alice) -> str:
    """A workspace that Alice made for herself."""
    return alice.post("workspaces", name="Plans").json()["id"]


def offer(person, workspace: str, **terms) -> dict:
    made = person.post(f"workspaces/{workspace}/transfers", **terms)
    assert made.status_code == 201, made.text
    return made.json()


def claim(person, offered: dict, **body):
    return person.post(f"transfers/{offered['token']}/claim", **body)


def undo(person, workspace: str, offered: dict):
    return person.post(f"workspaces/{workspace}/transfers/{offered['id']}/undo")


def members(person, workspace: str) -> list[dict]:
    return person.get(f"workspaces/{workspace}/members").json()["data"]


def roles(person, workspace: str) -> dict[str, str]:
    return {row["user_id"]: row["role"] for row in members(person, workspace)}


def trail(person, workspace: str) -> list[dict]:
    return person.get("audit", params={"workspace": workspace}).json()["data"]


def test_whoever_claims_owns_the_workspace_and_the_offerer_keeps_what_was_agreed(alice, bob, plans):
    file = alice.upload(plans, "plan.txt", b"the plan")
    binned = alice.upload(plans, "old.txt", b"old")
    alice.delete(f"files/{binned['id']}")

    claimed = claim(bob, offer(alice, plans, keeps="editor"))

    assert claimed.status_code == 200
    assert claimed.json()["state"] == "claimed"
    assert roles(bob, plans) == {"user_alice": "editor", "user_bob": "owner"}
    assert bob.get(f"files/{file['id']}/content").content == b"the plan"
    assert bob.post(f"files/{binned['id']}/restore").status_code == 200
    assert alice.upload(plans, "more.txt", b"1")["workspace_id"] == plans
    assert problem(alice.delete(f"workspaces/{plans}")) == (403, "permission_denied")


def test_an_offer_is_good_for_one_claim(alice, bob, house, plans):
    offered = offer(alice, plans)
    claim(bob, offered)

    for late in (house.person("carol"), bob):
        answer = claim(late, offered)
        assert problem(answer) == (410, "transfer_ended")
        assert answer.json()["transfer_state"] == "claimed"
    assert "user_carol" not in roles(bob, plans)


def test_a_role_kept_for_a_while_ends_at_that_very_instant_and_then_leaves_the_list(
    alice, bob, house, plans
):
    claim(bob, offer(alice, plans, keeps="viewer", keeps_for=3600))
    kept = next(row for row in members(bob, plans) if row["user_id"] == "user_alice")
    assert kept["expires_at"] is not None

    house.clock.advance(seconds=3599)
    assert alice.get(f"workspaces/{plans}").json()["role"] == "viewer"
    house.clock.advance(seconds=1)

    assert problem(alice.get(f"workspaces/{plans}")) == (404, "workspace_not_found")
    assert plans not in [row["id"] for row in alice.get("workspaces").json()["data"]]
    assert roles(bob, plans) == {"user_bob": "owner"}
    house.sweep()
    (ended,) = [row for row in trail(bob, plans) if row["action"] == "member:remove"]
    assert (ended["reason"], ended["resource"]["id"]) == ("expired", "user_alice")


def test_whoever_was_let_in_for_a_while_is_let_in_anew_and_as_an_owner_for_good(
    alice, bob, house, plans
):
    claim(bob, offer(alice, plans, keeps_for=60))
    raised = bob.patch(f"workspaces/{plans}/members/user_alice", role="viewer")
    assert raised.json()["expires_at"] is not None
    raised = bob.patch(f"workspaces/{plans}/members/user_alice", role="owner")
    assert raised.json()["expires_at"] is None

    bob.delete(f"workspaces/{plans}/members/user_alice")
    bob.post(f"workspaces/{plans}/members", user_id="user_carol", role="viewer")
    claim(house.person("carol"), offer(bob, plans, keeps="viewer", keeps_for=60))
    house.clock.advance(seconds=60)
    again = house.person("carol").post(
        f"workspaces/{plans}/members", user_id="user_bob", role="editor"
    )

    assert (again.status_code, again.json()["expires_at"]) == (201, None)


def test_keeping_nothing_leaves_nothing(alice, bob, plans):
    claim(bob, offer(alice, plans, keeps="none"))

    assert problem(alice.get(f"workspaces/{plans}")) == (404, "workspace_not_found")
    assert roles(bob, plans) == {"user_bob": "owner"}


def test_an_offer_to_somebody_by_name_is_not_there_for_others(alice, bob, house, plans):
    offered = offer(alice, plans, to_user_id="user_bob")
    carol = house.person("carol")

    for answer in (claim(carol, offered), carol.get(f"transfers/{offered['token']}")):
        missing = carol.post("transfers/dwt_none/claim")
        assert problem(answer) == problem(missing) == (404, "transfer_not_found")
        assert answer.json()["detail"] == missing.json()["detail"]

    assert claim(bob, offered).status_code == 200
    denied = [row for row in trail(bob, plans) if row["outcome"] == "denied"]
    assert {(row["actor"]["id"], row["reason"]) for row in denied} == {
        ("user_carol", "another-person")
    }


def test_the_preview_says_what_changes_and_a_claim_can_quote_it(alice, bob, house, plans):
    file = alice.upload(plans, "plan.txt", b"12345")
    gone = alice.upload(plans, "old.txt", b"1")
    alice.delete(f"files/{gone['id']}")
    alice.post(f"workspaces/{plans}/folders", name="docs")
    alice.declare(plans, "later.txt", 7)
    link = alice.post(f"files/{file['id']}/link").json()
    alice.post(f"workspaces/{plans}/members", user_id="user_carol", role="editor")
    kept = house.person("carol").post(f"files/{file['id']}/link").json()
    offered = offer(alice, plans, keeps="viewer", keeps_for=60)

    preview = bob.get(f"transfers/{offered['token']}").json()

    assert (preview["files"], preview["folders"], preview["binned"]) == (1, 1, 1)
    assert (preview["used_bytes"], preview["reserved_bytes"]) == (6, 7)
    assert preview["links"] == {"live": 2, "stopping": 1, "stopping_ids": [link["id"]]}
    assert (preview["uploads"]["live"], preview["uploads"]["stopping"]) == (1, 1)
    told = {one["user_id"]: (one["before"], one["after"]) for one in preview["roles"]}
    assert told == {"user_alice": ("owner", "viewer"), "user_bob": (None, "owner")}
    assert (preview["unchanged_members"], preview["loses_sight"]) == (1, [])
    assert claim(bob, offered, preview_id=preview["preview_id"]).status_code == 200
    assert house.ask("GET", link["url"]).status_code == 410
    assert house.ask("GET", kept["url"]).status_code == 200


def test_a_claim_of_what_has_changed_since_it_was_looked_at_shows_the_new_preview(
    alice, bob, plans
):
    offered = offer(alice, plans)
    seen = bob.get(f"transfers/{offered['token']}").json()
    alice.upload(plans, "more.txt", b"counts come and go")
    alice.post(f"workspaces/{plans}/members", user_id="user_carol", role="owner")

    refused = claim(bob, offered, preview_id=seen["preview_id"])

    assert problem(refused) == (409, "preview_changed")
    shown = refused.json()["preview"]
    assert shown == bob.get(f"transfers/{offered['token']}").json()
    assert roles(alice, plans) == {"user_alice": "owner", "user_carol": "owner"}
    assert claim(bob, offered, preview_id=shown["preview_id"]).status_code == 200


def test_a_claim_for_another_organization_than_was_looked_at_is_refused(alice, house, plans):
    offered = offer(alice, plans, organization="claimer")
    seen = house.person("bob", org="globex").get(f"transfers/{offered['token']}").json()

    refused = claim(house.person("bob", org="acme"), offered, preview_id=seen["preview_id"])

    assert problem(refused) == (409, "preview_changed")
    assert refused.json()["preview"]["organization"]["after"] == "org_acme"
    assert roles(alice, plans) == {"user_alice": "owner"}


def test_files_that_come_and_go_leave_the_preview_good(alice, bob, house, plans):
    offered = offer(alice, plans, keeps_for=60)
    seen = bob.get(f"transfers/{offered['token']}").json()
    alice.upload(plans, "more.txt", b"1")
    house.clock.advance(seconds=5)

    assert claim(bob, offered, preview_id=seen["preview_id"]).status_code == 200


def test_the_owner_sees_the_same_before_anybody_claims(alice, plans):
    offered = offer(alice, plans, to_user_id="user_bob", organization="claimer")

    (listed,) = alice.get(f"workspaces/{plans}/transfers").json()["data"]

    assert listed["preview"] == offered["preview"]
    assert listed["state"] == "offered"
    assert listed["preview"]["owner_id"] == "user_bob"
    assert listed["preview"]["organization"]["by_claimer"] is True
    assert offered["token"] not in json.dumps(listed)


def test_a_workspace_moves_into_the_claimers_organization_and_out_of_the_old_one(house):
    agent = house.person("alice", org="agency", role="org:member")
    colleague = house.person("dora", org="agency", role="org:admin")
    client = house.person("bob", org="globex", role="org:member")
    made = agent.post("workspaces", name="Site").json()["id"]
    agent.post(f"workspaces/{made}/members", user_id="user_guest", role="viewer")
    claim(colleague, offer(agent, made, keeps="editor"))
    assert roles(colleague, made)["user_dora"] == "owner"
    offered = offer(colleague, made, organization="claimer", keeps="admin")
    preview = client.get(f"transfers/{offered['token']}").json()

    claim(client, offered)

    assert preview["organization"] == {
        "before": "org_agency",
        "after": "org_globex",
        "by_claimer": False,
    }
    assert preview["loses_sight"] == ["user_alice"]
    assert client.get(f"workspaces/{made}").json()["organization_id"] == "org_globex"
    assert {row["user_id"]: (row["role"], row["source"]) for row in members(client, made)} == {
        "user_bob": ("owner", "organization"),
        "user_dora": ("admin", "direct"),
        "user_guest": ("viewer", "direct"),
    }
    assert problem(agent.get(f"workspaces/{made}"))[0] == 404
    # The client's ownership is the organization's: it ends when they leave that.
    assert problem(house.person("bob").get(f"workspaces/{made}"))[0] == 404


def test_an_offer_into_an_organization_takes_a_credential_for_it(alice, house, plans):
    offered = offer(alice, plans, organization="org_globex")

    refused = claim(house.person("bob", org="acme", role="org:admin"), offered)

    assert problem(refused) == (403, "permission_denied")
    assert refused.json()["missing"] == "organization org_globex"
    inside = house.person("bob", org="globex", role="org:admin")
    assert claim(inside, offered).status_code == 200
    assert inside.get(f"workspaces/{plans}").json()["organization_id"] == "org_globex"


def test_a_workspace_becomes_personal(house, bob):
    inside = house.person("alice", org="acme", role="org:member")
    made = inside.post("workspaces", name="Site").json()["id"]

    claim(bob, offer(inside, made, organization="personal", keeps="viewer"))

    assert bob.get(f"workspaces/{made}").json()["organization_id"] is None
    assert house.person("alice").get(f"workspaces/{made}").json()["role"] == "viewer"


def test_what_is_kept_in_an_organization_ends_with_it_as_before(house):
    inside = house.person("alice", org="acme", role="org:member")
    colleague = house.person("bob", org="acme", role="org:member")
    made = inside.post("workspaces", name="Site").json()["id"]

    claim(colleague, offer(inside, made, keeps="admin"))

    assert inside.get(f"workspaces/{made}").json()["role"] == "admin"
    assert problem(house.person("alice").get(f"workspaces/{made}"))[0] == 404


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_either_side_undoes_and_everything_is_exactly_as_it_was(alice, bob, house, plans, who):
    alice.post(f"workspaces/{plans}/members", user_id="user_carol", role="viewer")
    before = members(alice, plans)
    offered = offer(alice, plans, keeps="none", organization="personal")
    claim(bob, offered)
    bob.patch(f"workspaces/{plans}/members/user_carol", role="admin")
    bob.post(f"workspaces/{plans}/members", user_id="user_dora", role="editor")
    file = bob.upload(plans, "new.txt", b"stays")
    house.clock.advance(seconds=WEEK - 1)

    undone = undo(house.person(who), plans, offered)

    assert undone.json()["state"] == "undone"
    after = members(alice, plans)
    assert [row for row in after if row["user_id"] != "user_dora"] == before
    assert roles(alice, plans)["user_dora"] == "editor"
    assert alice.get(f"files/{file['id']}").json()["name"] == "new.txt"
    assert problem(bob.get(f"workspaces/{plans}"))[0] == 404
    assert problem(undo(house.person(who), plans, offered)) == (410, "transfer_ended")


def test_after_seven_days_nothing_is_undone(alice, bob, house, plans):
    offered = offer(alice, plans)
    claim(bob, offered)

    house.clock.advance(seconds=WEEK)

    assert problem(undo(alice, plans, offered)) == (410, "transfer_ended")
    assert roles(bob, plans)["user_bob"] == "owner"


def test_where_nothing_may_be_undone_it_is_so_from_the_start(house_with):
    house = house_with(DOORWARD_TRANSFER_UNDO_SECONDS="0")
    alice, bob = house.person("alice"), house.person("bob")
    plans = alice.post("workspaces", name="Plans").json()["id"]
    offered = offer(alice, plans)

    assert claim(bob, offered).json()["undo_until"] is None
    assert problem(undo(alice, plans, offered)) == (410, "transfer_ended")


def test_what_was_handed_over_again_is_not_undone_until_that_is(alice, bob, house, plans):
    carol = house.person("carol")
    first = offer(alice, plans)
    claim(bob, first)
    second = offer(bob, plans)
    claim(carol, second)

    assert problem(undo(alice, plans, first)) == (409, "transfer_superseded")
    assert roles(carol, plans)["user_carol"] == "owner"
    assert undo(bob, plans, second).status_code == 200
    assert undo(alice, plans, first).status_code == 200
    assert roles(alice, plans) == {"user_alice": "owner"}


def test_an_undo_takes_back_what_the_new_owner_offers(alice, bob, house, plans):
    first = offer(alice, plans)
    claim(bob, first)
    second = offer(bob, plans)

    undo(alice, plans, first)

    answer = claim(house.person("carol"), second)
    assert problem(answer) == (410, "transfer_ended")
    assert answer.json()["transfer_state"] == "cancelled"
    offer(alice, plans)


def test_only_the_two_sides_undo(alice, bob, house, plans):
    for name in ("carol", "vera"):
        alice.post(
            f"workspaces/{plans}/members",
            user_id=f"user_{name}",
            role="owner" if name == "carol" else "viewer",
        )
    offered = offer(alice, plans)
    claim(bob, offered)

    assert problem(undo(house.person("carol"), plans, offered)) == (403, "permission_denied")
    assert problem(undo(house.person("vera"), plans, offered)) == (403, "permission_denied")
    assert problem(undo(house.person("eve"), plans, offered)) == (404, "workspace_not_found")


def test_nobody_who_left_an_organization_takes_its_workspace_from_a_colleague(house):
    inside = house.person("alice", org="acme", role="org:member")
    colleague = house.person("bob", org="acme", role="org:member")
    made = inside.post("workspaces", name="Site").json()["id"]
    offered = offer(inside, made)
    claim(colleague, offered)

    left = undo(house.person("alice"), made, offered)

    assert problem(left) == (403, "permission_denied")
    assert left.json()["missing"] == "organization org_acme"
    assert colleague.get(f"workspaces/{made}").json()["role"] == "owner"
    assert undo(inside, made, offered).status_code == 200


def test_either_side_reads_what_became_of_it_whatever_role_is_left(alice, bob, house, plans):
    offered = offer(alice, plans, keeps="none")
    claim(bob, offered)
    path = f"workspaces/{plans}/transfers/{offered['id']}"

    assert alice.get(path).json()["claimed_by"] == "user_bob"
    assert bob.get(path).json()["offered_by"] == "user_alice"
    assert problem(house.person("eve").get(path)) == (404, "workspace_not_found")
    missing = bob.get(f"workspaces/{plans}/transfers/tr_none")
    assert problem(missing) == (404, "transfer_not_found")


def test_a_cancelled_offer_is_not_claimed_and_another_can_be_made(alice, bob, plans):
    offered = offer(alice, plans)
    again = alice.post(f"workspaces/{plans}/transfers")
    assert problem(again) == (409, "transfer_pending")
    assert again.json()["transfer_id"] == offered["id"]
    path = f"workspaces/{plans}/transfers/{offered['id']}"

    assert alice.delete(path).status_code == 204

    assert problem(claim(bob, offered)) == (410, "transfer_ended")
    assert problem(alice.delete(path)) == (410, "transfer_ended")
    assert claim(bob, offer(alice, plans)).status_code == 200


@pytest.mark.parametrize("swept", [True, False])
def test_an_offer_ends_at_the_very_instant_it_says(alice, bob, house, plans, swept):
    offered = offer(alice, plans, expires_in=60)
    house.clock.advance(seconds=59)
    assert bob.get(f"transfers/{offered['token']}").status_code == 200
    house.clock.advance(seconds=1)
    if swept:
        house.sweep()

    answer = claim(bob, offered)

    assert problem(answer) == (410, "transfer_ended")
    assert answer.json()["transfer_state"] == "expired"
    assert offer(alice, plans)["id"] != offered["id"]
    assert [row["state"] for row in alice.get(f"workspaces/{plans}/transfers").json()["data"]] == [
        "offered",
        "expired",
    ]


def test_whoever_lost_the_ownership_gives_nothing_away(alice, bob, house, plans):
    alice.post(f"workspaces/{plans}/members", user_id="user_carol", role="owner")
    offered = offer(alice, plans)

    house.person("carol").patch(f"workspaces/{plans}/members/user_alice", role="admin")

    answer = claim(bob, offered)
    assert problem(answer) == (410, "transfer_ended")
    assert roles(alice, plans) == {"user_alice": "admin", "user_carol": "owner"}


def test_an_offer_ends_with_the_session_that_made_it(house, bob):
    signed_in = house.standin.sign_in("alice")
    token = house.standin.token(signed_in)
    auth = {"Authorization": f"Bearer {token}"}
    call = house.client.request
    made = call("POST", "/api/v1/workspaces", headers=auth, json={"name": "Plans"}).json()["id"]
    offered = call("POST", f"/api/v1/workspaces/{made}/transfers", headers=auth).json()

    house.standin.revoke(signed_in.id)

    assert problem(claim(bob, offered)) == (410, "transfer_ended")
    assert problem(bob.get(f"transfers/{offered['token']}")) == (410, "transfer_ended")


def test_nobody_hands_over_to_themselves(alice, plans):
    named = alice.post(f"workspaces/{plans}/transfers", to_user_id="user_alice")
    own = claim(alice, offer(alice, plans))

    assert problem(named) == problem(own) == (409, "transfer_to_self")
    assert roles(alice, plans) == {"user_alice": "owner"}


def test_a_home_is_not_handed_over(alice):
    answer = alice.post(f"workspaces/{alice.home()}/transfers")

    assert problem(answer) == (409, "home_workspace")


def test_only_an_owner_offers_and_cancels(alice, bob, plans):
    alice.post(f"workspaces/{plans}/members", user_id="user_bob", role="admin")
    offered = offer(alice, plans)

    for answer in (
        bob.post(f"workspaces/{plans}/transfers"),
        bob.delete(f"workspaces/{plans}/transfers/{offered['id']}"),
    ):
        assert problem(answer) == (403, "permission_denied")
        assert answer.json()["missing"] == "role owner"


def test_a_deleted_workspace_is_not_claimed(alice, bob, plans):
    offered = offer(alice, plans)
    alice.delete(f"workspaces/{plans}")

    assert problem(claim(bob, offered)) == (404, "transfer_not_found")


@pytest.mark.parametrize(
    "terms",
    [
        {"keeps": "owner"},
        {"keeps": "none", "keeps_for": 60},
        {"keeps_for": 0},
        {"expires_in": WEEK + 1},
        {"expires_in": 0},
        {"organization": "acme"},
        {"to_user_id": "bob"},
        {"role": "admin"},
    ],
    ids=str,
)
def test_terms_that_make_no_sense_are_refused(alice, plans, terms):
    assert problem(alice.post(f"workspaces/{plans}/transfers", **terms)) == (422, "invalid_request")


def test_the_trail_has_each_step_with_both_sides_and_the_event_is_told(alice, bob, plans):
    offered = offer(alice, plans, keeps="admin")
    claim(bob, offered)
    undo(bob, plans, offered)

    steps = [row for row in trail(alice, plans) if row["resource"]["type"] == "transfer"]
    events = alice.get("events", params={"workspace": plans}).json()["data"]

    assert [(row["action"], row["actor"]["id"]) for row in reversed(steps)] == [
        ("transfer:offer", "user_alice"),
        ("transfer:claim", "user_bob"),
        ("transfer:undo", "user_bob"),
    ]
    assert {row["resource"]["id"] for row in steps} == {offered["id"]}
    told = [(one["type"], one["data"]["owner_id"], one["data"]["undone"]) for one in events]
    assert told == [
        ("workspace.transferred", "user_bob", False),
        ("workspace.transferred", "user_alice", True),
    ]
    with closing(sqlite3.connect(alice.house.data / "doorward.db")) as database:
        query = "SELECT details FROM audit WHERE action IN ('transfer:claim', 'transfer:undo')"
        for (details,) in database.execute(query):
            assert json.loads(details)["offered_by"] == "user_alice"
            assert json.loads(details)["claimed_by"] == "user_bob"


def test_a_claim_token_is_shown_once_and_is_in_no_log_and_no_row(alice, bob, plans, caplog):
    caplog.set_level(logging.DEBUG)
    offered = offer(alice, plans)
    token = offered["token"]
    stranger = alice.house.client
    stranger.get(f"/api/v1/transfers/{token}")
    stranger.post(f"/api/v1/transfers/{token}/claim")
    stranger.get(f"/api/v1//transfers/{token}")
    stranger.get(f"/elsewhere/{token}")
    bob.get(f"transfers/{token}", params={"token": token})
    bob.get(f"transfers/{token[:-1]}")
    claim(bob, offered)

    ours = [record.getMessage() for record in caplog.records if "doorward" in record.name]
    assert any("/api/v1/transfers/dwt_" in line for line in ours)
    for line in ours:
        assert token[:8] not in line
    dump = b"".join(path.read_bytes() for path in alice.house.data.glob("doorward.db*"))
    assert token[:8].encode() not in dump
    assert offered["url"].endswith(f"/api/v1/transfers/{token}")


def test_wrong_tokens_are_counted_as_knocks_are(alice, bob, house, plans):
    offer(alice, plans)

    for number in range(60):
        answer = bob.post(f"transfers/dwt_{number:052d}/claim")
        assert problem(answer) == (404, "transfer_not_found")
    house.client.__exit__(None, None, None)  # a stop writes what is held

    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        query = "SELECT details FROM audit WHERE reason = 'unknown-token' AND actor_id = 'user_bob'"
        rows = [json.loads(details) for (details,) in database.execute(query)]
    house.client.__enter__()
    assert sum(row.get("repeated", 1) for row in rows) == 60
    assert len(rows) < 60


def test_what_is_over_is_removed_in_the_end(alice, bob, house, plans):
    offered = offer(alice, plans)
    claim(bob, offered)
    house.clock.advance(seconds=WEEK + 31 * 86_400)

    house.sweep()

    assert bob.get(f"workspaces/{plans}/transfers").json()["data"] == []
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        assert database.execute("SELECT count(*) FROM transfer_members").fetchone() == (0,)


def test_an_agent_hands_over_what_it_made_by_its_key_and_keeps_what_was_agreed(house):
    alice, bob = house.person("alice"), house.person("bob")
    agent = alice.key(
        "files:read",
        "files:write",
        "workspaces:read",
        "workspaces:create",
        "workspaces:manage",
        "members:read",
    )
    room = agent.post("workspaces", name="For Bob").json()["id"]
    file = agent.upload(room, "report.txt", b"done")
    link = agent.post(f"files/{file['id']}/link").json()["url"]

    offer = agent.post(f"workspaces/{room}/transfers", keeps="editor").json()
    token = offer["url"].rpartition("/")[2] if "url" in offer else offer["token"]
    preview = bob.get(f"transfers/{token}").json()
    claimed = bob.post(f"transfers/{token}/claim")

    assert preview["keys"] == {"live": 1, "stopping": []} or preview["keys"]["live"] == 1
    assert claimed.status_code == 200, claimed.text
    assert bob.get(f"workspaces/{room}").json()["role"] == "owner"
    assert agent.get(f"workspaces/{room}").json()["role"] == "editor"
    assert house.client.get(link).content == b"done"
    assert agent.delete(f"workspaces/{room}").status_code == 403
