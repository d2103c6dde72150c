"""Storage and credits of organizations: bounded together, exact where it counts, new each month."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

from support import problem

OVER = (507, "quota_exceeded")
SPENT = (402, "credits_exhausted")
GIB = 1 << 30


def rows(house) -> list[tuple]:
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        return database.execute("SELECT account_id, month, meter, amount FROM usage").fetchall()


def test_the_workspaces_of_an_organization_share_its_storage(house_with):
    house = house_with(DOORWARD_ORGANIZATION_STORAGE_BYTES="1000", DOORWARD_QUOTA_BYTES="900")
    alice = house.person("alice", org="acme", role="org:admin")
    further = alice.post("workspaces", name="Further").json()["id"]

    alice.upload(alice.office(), "a", b"a" * 600)
    refused = alice.declare(further, "b", 401)
    taken = alice.declare(further, "b", 400)

    assert problem(refused) == OVER
    assert "600" not in refused.text  # what others hold is not everybody's to know
    assert taken.status_code == 201
    assert problem(alice.declare(alice.office(), "c", 1)) == OVER


def test_a_persons_own_storage_is_apart_from_the_organizations(house_with):
    house = house_with(DOORWARD_ORGANIZATION_STORAGE_BYTES="1000", DOORWARD_QUOTA_BYTES="1000")
    at_work, alone = house.person("alice", org="acme"), house.person("alice")
    at_work.upload(at_work.office(), "a", b"a" * 1000)

    assert problem(at_work.declare(at_work.office(), "b", 1)) == OVER
    assert alone.upload(alone.home(), "a", b"a" * 1000)
    found = alone.get("usage").json()
    assert found["account"] == {"type": "user", "id": "user_alice"}
    assert found["storage"] == {"used_bytes": 1000, "reserved_bytes": 0, "quota_bytes": 1000}


def test_uploads_declared_at_once_never_pass_the_storage_of_an_organization(house_with):
    house = house_with(DOORWARD_ORGANIZATION_STORAGE_BYTES="1000", DOORWARD_QUOTA_BYTES="1000")
    alice = house.person("alice", org="acme", role="org:admin")
    places = [alice.post("workspaces", name=f"w{n}").json()["id"] for n in range(4)]

    with ThreadPoolExecutor(16) as crowd:
        made = crowd.map(lambda n: alice.declare(places[n % 4], f"{n}", 90), range(32))
        statuses = [answer.status_code for answer in made]

    assert (statuses.count(201), statuses.count(507)) == (11, 21)
    assert alice.get("usage").json()["storage"]["reserved_bytes"] == 990


def test_an_upload_of_unknown_size_stops_at_the_storage_of_the_organization(house_with):
    house = house_with(DOORWARD_ORGANIZATION_STORAGE_BYTES="1000", DOORWARD_QUOTA_BYTES="1000")
    alice = house.person("alice", org="acme", role="org:admin")
    further = alice.post("workspaces", name="Further").json()["id"]
    headers = {
        "Authorization": f"Bearer {alice.token()}",
        "Tus-Resumable": "1.0.0",
        "Upload-Defer-Length": "1",
    }
    made = house.client.post(f"/transfer/workspaces/{further}", headers=headers)
    alice.upload(alice.office(), "a", b"a" * 700)

    sent = house.client.patch(
        made.headers["location"],
        content=b"b" * 301,
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
    )

    assert made.status_code == 201
    assert problem(sent) == OVER


def test_some_organizations_have_plans_of_their_own(house_with):
    house = house_with(
        DOORWARD_ORGANIZATION_PLANS="org_acme=5000/9", DOORWARD_ORGANIZATION_STORAGE_BYTES="10"
    )
    acme = house.person("alice", org="acme").get("usage").json()
    alone = house.person("alice").get("usage").json()

    assert (acme["storage"]["quota_bytes"], acme["credits"]["limit"]) == (5000, 9)
    assert (alone["storage"]["quota_bytes"], alone["credits"]["limit"]) == (10, 5000)


def test_what_was_moved_is_counted_and_survives_a_stop(house_with):
    house = house_with()
    alice = house.person("alice", org="acme")
    file = alice.upload(alice.office(), "a", b"a" * 3000)["id"]
    alice.get(f"files/{file}/content", headers={"Range": "bytes=0-999"})
    house.client.get(alice.post(f"files/{file}/link").json()["url"])
    alice.call("HEAD", f"files/{file}/content")

    found = alice.get("usage").json()["credits"]
    house.client.__exit__(None, None, None)
    written = rows(house)
    house.client.__enter__()

    assert found["amounts"] == {
        "uploaded_bytes": 3000,
        "downloaded_bytes": 4000,
        "searches": 0,
        "tokens": 0,
        "thumbnails": 0,
    }
    assert found["used"] == 0.002
    assert sorted(written) == [
        ("org_acme", "2026-09", "downloaded_bytes", 4000),
        ("org_acme", "2026-09", "uploaded_bytes", 3000),
    ]


def test_spent_credits_refuse_what_costs_and_nothing_else_until_the_month_is_over(house_with):
    house = house_with(DOORWARD_ORGANIZATION_PLANS="org_acme=100000/1")
    alice = house.person("alice", org="acme")
    file = alice.upload(alice.office(), "a", b"a")["id"]
    url = alice.post(f"files/{file}/link").json()["url"]
    spend(house, "org_acme", GIB // 10)

    refused = alice.declare(alice.office(), "b", 1)
    assert problem(refused) == SPENT
    assert refused.json()["resets_at"] == "2026-10-01T00:00:00Z"
    assert problem(alice.get(f"files/{file}/content")) == SPENT
    assert problem(house.client.get(url)) == SPENT
    assert alice.get(f"files/{file}").status_code == 200
    assert house.person("alice").declare(house.person("alice").home(), "b", 1).status_code == 201

    move_to(house, datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC))
    assert problem(alice.declare(alice.office(), "b", 1)) == SPENT
    move_to(house, datetime(2026, 10, 1, tzinfo=UTC))
    assert alice.declare(alice.office(), "b", 1).status_code == 201
    assert alice.get("usage").json()["credits"]["used"] == 0


def test_what_other_processes_spent_counts_here_too(house_with, monkeypatch):
    monkeypatch.setattr("doorward.server.doors.limits.metering._KNOWN_SECONDS", 0)
    house = house_with(DOORWARD_ORGANIZATION_PLANS="org_acme=100000/2")
    alice = house.person("alice", org="acme")
    assert alice.declare(alice.office(), "a", 1).status_code == 201

    with closing(sqlite3.connect(house.data / "doorward.db")) as database, database:
        database.execute(
            "INSERT INTO usage VALUES ('org_acme', '2026-09', 'downloaded_bytes', ?)", [GIB]
        )

    assert problem(alice.declare(alice.office(), "b", 1)) == SPENT


def test_without_limits_credits_are_counted_and_bound_nothing(house_with):
    house = house_with(DOORWARD_LIMITS="off", DOORWARD_ORGANIZATION_CREDITS="1")
    alice = house.person("alice")
    alice.upload(alice.home(), "a", b"a")
    spend(house, "user_alice", GIB)

    found = alice.get("usage").json()

    assert (found["credits"]["used"], found["credits"]["limit"]) == (10.001, None)
    assert found["limits"] == []
    assert alice.declare(alice.home(), "b", 1).status_code == 201


def test_usage_says_where_limits_stand_and_takes_nothing_itself(house_with):
    house = house_with(DOORWARD_LIMIT_PRINCIPAL="100/60")
    alice = house.person("alice")

    limits = {row["name"]: row for row in alice.get("usage").json()["limits"]}

    assert set(limits) == {"principal", "uploads", "links", "deletes", "search", "tokens"}
    assert limits["principal"] == {
        "name": "principal",
        "limit": 100,
        "window_seconds": 60,
        "remaining": 99,
        "reset_seconds": 1,
    }
    assert limits["links"]["remaining"] == limits["links"]["limit"]


def spend(house, account_id: str, amount: int) -> None:
    """Have an account upload so much, without sending it."""
    from doorward.server.permission.caller import Caller, Credential, Origin
    from doorward.server.usage.costs import Meter

    organization = account_id if account_id.startswith("org_") else None
    who = Caller("user_alice", Credential("session", None), Origin("req_x"), organization)

    async def add() -> None:
        house.client.app._app._doors._house.metering.add(who, Meter.UPLOADED_BYTES, amount)

    house.client.portal.call(add)


def move_to(house, at: datetime) -> None:
    house.clock.now = at.timestamp()
