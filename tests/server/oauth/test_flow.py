"""From registering to revoking: what a person allowed works, within its bounds, until it ends."""

from oauth_flow import Application
from support import problem


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
