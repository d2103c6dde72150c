"""From registering to revoking: what a person allowed works, within its bounds, until it ends."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

from oauth_flow import ORIGIN, Application, returned
from support import problem, without_request_id


def test_an_application_acts_for_a_person_until_they_end_it(house, alice):
    alice.upload(alice.home(), "plan.txt", b"plan")
    app = Application.registered(house)
    tokens = app.allowed(alice)

    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "files:read workspaces:read"
    assert app.call(tokens["access_token"], "GET", f"workspaces/{alice.home()}/files").json()[
        "data"
    ]

    (grant,) = alice.get("grants").json()["data"]
    assert grant["client_name"] == "Summariser"
    assert alice.delete(f"grants/{grant['id']}").status_code == 204
    refused = app.call(tokens["access_token"], "GET", "workspaces")
    assert problem(refused) == (401, "not_authenticated")
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert alice.get("grants").json()["data"] == []
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        (denied,) = database.execute(
            "SELECT reason, credential_type, credential_id FROM audit WHERE action = 'door:enter' "
            "AND reason NOT LIKE 'oauth-%'"
        )
    assert denied == ("grant-ended", "oauth_token", grant["id"])


def test_a_person_sees_when_an_application_last_acted_for_them(house, alice, clock):
    app = Application.registered(house)
    access = app.allowed(alice)["access_token"]
    (grant,) = alice.get("grants").json()["data"]
    assert grant["last_used_at"] is None
    clock.advance(seconds=7)
    app.call(access, "GET", "me")
    uses = house.inside().uses
    house.client.portal.call(uses.flush)
    house.client.portal.call(house.store().write, lambda _: None)  # after what was posted
    (grant,) = alice.get("grants").json()["data"]
    made, used = (datetime.fromisoformat(grant[name]) for name in ("created_at", "last_used_at"))
    assert used - made == timedelta(seconds=7)
    assert grant["last_used_from"] == "testclient"


def test_nobody_sees_or_ends_what_somebody_else_allowed(house, alice, bob):
    app = Application.registered(house)
    tokens = app.allowed(alice)
    (grant,) = alice.get("grants").json()["data"]

    assert bob.get("grants").json()["data"] == []
    hidden, missing = bob.delete(f"grants/{grant['id']}"), bob.delete("grants/grant_none")
    assert problem(hidden) == (404, "grant_not_found")
    assert without_request_id(hidden) == without_request_id(missing)
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200


def test_signing_out_ends_no_grant_and_being_gone_does(house, alice):
    session = house.standin.sign_in("alice")
    app = Application.registered(house)
    page = app.asked(alice, token=house.standin.token(session, azp=ORIGIN))
    tokens = app.take_up(returned(app.decided(page))["code"]).json()

    house.standin.revoke(session.id)
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200
    house.standin.delete_user("alice")
    assert app.call(tokens["access_token"], "GET", "me").status_code == 401
