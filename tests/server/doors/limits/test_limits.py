"""Limits as they meet whoever is at the door: exact, told in headers, and spent by nobody else."""

import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from doorward.server.doors.knocks import ONE_BY_ONE_MAX
from support import problem

CODE = (429, "rate_limited")


def trail(house, reason: str) -> list[tuple]:
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        return database.execute(
            "SELECT action, outcome, actor_id, details FROM audit WHERE reason = ?", [reason]
        ).fetchall()


def get(house, path: str = "/api/v1/me", token: str | None = None, address: str = "192.0.2.1"):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return house.ask("GET", f"http://x{path}", client=(address, 1), **headers)


def test_a_caller_gets_exactly_the_limit_and_is_told_when_to_come_again(house_with):
    house = house_with(DOORWARD_LIMIT_PRINCIPAL="10/60")
    alice = house.person("alice")

    answers = [alice.get("me") for _ in range(12)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert problem(answers[-1]) == CODE
    assert answers[-1].json()["limit"] == "principal"
    assert answers[-1].headers["retry-after"] == "6"
    house.clock.advance(seconds=5.9)
    assert alice.get("me").status_code == 429
    house.clock.advance(seconds=0.2)
    assert alice.get("me").status_code == 200


def test_an_answer_tells_where_its_limits_stand(house_with):
    house = house_with(DOORWARD_LIMIT_PRINCIPAL="10/60", DOORWARD_LIMIT_DELETES="5/10")
    alice = house.person("alice")

    me, gone = alice.get("me"), alice.delete("files/file_none")
    for _ in range(8):
        alice.get("me")
    refused = alice.get("me")

    assert me.headers["ratelimit-policy"] == '"principal";q=10;w=60'
    assert me.headers["ratelimit"] == '"principal";r=9;t=6'
    assert gone.status_code == 404
    assert gone.headers["ratelimit"] == '"principal";r=8;t=12, "deletes";r=4;t=2'
    assert refused.status_code == 429
    assert refused.headers["ratelimit"] == '"principal";r=0;t=60'
    assert refused.headers.get_list("ratelimit-policy") == ['"principal";q=10;w=60']


def test_64_clients_at_once_get_exactly_the_limit(house_with):
    house = house_with(DOORWARD_LIMIT_PRINCIPAL="150/60")
    alice = house.person("alice")
    ready = threading.Barrier(64)

    def client(_: int) -> list[int]:
        ready.wait()
        return [alice.get("me").status_code for _ in range(4)]

    with ThreadPoolExecutor(64) as crowd:
        statuses = [status for found in crowd.map(client, range(64)) for status in found]

    assert (statuses.count(200), statuses.count(429)) == (150, 106)


def test_a_flood_of_made_up_credentials_leaves_a_real_ones_limits_untouched(house_with):
    """Guards a customer from whoever only knows the customer's name."""
    house = house_with(DOORWARD_LIMIT_FAILURES="50/60", DOORWARD_LIMIT_PRINCIPAL="5/60")
    alice = house.person("alice")
    stolen = alice.token()
    forged = [stolen[:-6] + f"{n:06d}" for n in range(100)]

    flood = [get(house, token=token).status_code for token in forged]
    real = [get(house, token=alice.token(), address="198.51.100.7") for _ in range(6)]

    assert flood == [401] * 50 + [429] * 50
    assert [answer.status_code for answer in real] == [200] * 5 + [429]


def test_an_address_is_refused_before_its_token_is_read(house_with):
    house = house_with(DOORWARD_LIMIT_FAILURES="3/60")
    alice = house.person("alice")
    for _ in range(3):
        assert get(house, token="made-up").status_code == 401

    refused = get(house, token=alice.token())

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "20"
    assert get(house, "/healthz").status_code == 200
    assert get(house, token=alice.token(), address="192.0.2.2").status_code == 200
    house.clock.advance(seconds=20)
    assert get(house, token=alice.token()).status_code == 200


def test_every_door_is_behind_the_limit_of_an_address_each_in_its_own_form(house_with):
    house = house_with(DOORWARD_LIMIT_ADDRESS="1/60")
    doors = [
        "/api/v1/me",
        "/transfer/up_x",
        "/transfer/workspaces/ws_x",
        "/d/link_x",
        "/openapi.json",
        "/standin/.well-known/jwks.json",
        "/current/upload/x/details/",
        "/nowhere",
    ]
    get(house, "/nowhere")

    answers = {path: get(house, path) for path in doors}

    assert {answer.status_code for answer in answers.values()} == {429}
    fastio = json.loads(answers["/current/upload/x/details/"].content)
    assert (fastio["result"], fastio["error"]["code"]) == (False, 1671)
    assert answers["/transfer/up_x"].headers["access-control-allow-origin"] == "*"


def test_addresses_of_one_ipv6_customer_count_together(house_with):
    house = house_with(DOORWARD_LIMIT_ADDRESS="3/60")

    near = [get(house, "/x", address=f"2001:db8:1:2::{n}").status_code for n in range(5)]

    assert near == [404] * 3 + [429] * 2
    assert get(house, "/x", address="2001:db8:1:3::1").status_code == 404


def test_a_flood_of_refusals_by_limits_does_not_fill_the_trail_and_is_counted_whole(house_with):
    house = house_with(DOORWARD_LIMIT_PRINCIPAL="1/3600")
    alice = house.person("alice")
    statuses = [alice.get("me").status_code for _ in range(ONE_BY_ONE_MAX + 101)]
    house.client.__exit__(None, None, None)  # a stop writes what is held

    rows = trail(house, "limit-principal")
    house.client.__enter__()

    assert statuses.count(429) == ONE_BY_ONE_MAX + 100
    assert len(rows) < ONE_BY_ONE_MAX + 20
    counted = [json.loads(details).get("repeated", 1) for *_, details in rows]
    assert sum(counted) == ONE_BY_ONE_MAX + 100
    assert {(outcome, actor) for _, outcome, actor, _ in rows} == {("denied", "user_alice")}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("UPLOADS", lambda alice, ws, _: alice.declare(ws, "b.txt", 1)),
        ("LINKS", lambda alice, _, file: alice.post(f"files/{file}/link")),
        ("DELETES", lambda alice, _, file: alice.delete(f"files/{file}")),
    ],
)
def test_kinds_of_calls_are_limited_by_themselves(house_with, name, call):
    house = house_with(**{f"DOORWARD_LIMIT_{name}": "3/60"})
    alice = house.person("alice")
    workspace = alice.home()
    file = alice.upload(workspace, "a.txt", b"a")["id"]

    answers = [call(alice, workspace, file) for _ in range(5)]

    assert problem(answers[-1]) == CODE
    assert answers[-1].json()["limit"] == name.lower()
    assert [answer.status_code for answer in answers].count(429) in {2, 3}
    (told,) = answers[-1].headers.get_list("ratelimit")
    assert told.startswith(f'"{name.lower()}";r=0;')
    assert alice.get("me").status_code == 200
    (row,) = {row[:3] for row in trail(house, f"limit-{name.lower()}")}
    assert row[1:] == ("denied", "user_alice")


def test_a_signed_url_is_limited_and_a_signature_that_is_wrong_counts_for_the_address(house_with):
    house = house_with(DOORWARD_LIMIT_LINK="3/60", DOORWARD_LIMIT_FAILURES="4/60")
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"a")["id"]
    url = alice.post(f"files/{file}/link").json()["url"]
    other = alice.post(f"files/{file}/link").json()["url"]

    answers = [house.ask("GET", url) for _ in range(4)]
    forged = re.sub(r"signature=\w{6}", "signature=AAAAAA", other)
    assert forged != other
    wrong = [house.ask("GET", forged).status_code for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429]
    assert [answer.headers["ratelimit"] for answer in answers[::3]] == [
        '"link";r=2;t=20',
        '"link";r=0;t=60',
    ]
    assert wrong == [403] * 4 + [429] * 2
    assert house.ask("GET", other, client=("192.0.2.9", 1)).status_code == 200


def test_a_flood_at_a_signed_url_does_not_fill_the_trail(house_with):
    house = house_with(DOORWARD_LIMIT_LINK="1/3600")
    alice = house.person("alice")
    upload = alice.declare(alice.home(), "a.txt", 3).json()["url"]
    file = alice.upload(alice.home(), "b.txt", b"b")["id"]
    download = alice.post(f"files/{file}/link").json()["url"]

    flood = [house.ask("GET", url).status_code for url in (upload, download) for _ in range(100)]

    assert flood.count(429) == 198
    assert len(trail(house, "limit-link")) < 2 * ONE_BY_ONE_MAX + 20


def test_a_forged_webhook_counts_for_its_address(house_with):
    secret = "whsec_" + "A" * 32
    house = house_with(
        DOORWARD_LIMIT_FAILURES="2/60", CLERK_WEBHOOK_SIGNING_SECRET=secret, DOORWARD_STANDIN="on"
    )
    forged = {"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,AAAA"}

    answers = [
        house.client.post("/webhooks/clerk", content=b"{}", headers=forged).status_code
        for _ in range(4)
    ]

    assert answers == [400, 400, 429, 429]


def test_an_upload_url_is_limited_and_what_came_stays(house_with):
    house = house_with(DOORWARD_LIMIT_LINK="2/60")
    alice = house.person("alice")
    url = alice.declare(alice.home(), "a.txt", 3).json()["url"]
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}

    first = house.client.patch(url, content=b"a", headers=tus | {"Upload-Offset": "0"})
    second = house.client.patch(url, content=b"b", headers=tus | {"Upload-Offset": "1"})
    third = house.client.patch(url, content=b"c", headers=tus | {"Upload-Offset": "2"})
    house.clock.advance(seconds=30)
    again = house.client.patch(url, content=b"c", headers=tus | {"Upload-Offset": "2"})

    assert [answer.status_code for answer in (first, second, third, again)] == [204, 204, 429, 204]
    assert problem(third) == CODE


def test_turned_off_nothing_is_limited_and_nothing_is_told(house_with):
    house = house_with(DOORWARD_LIMITS="off", DOORWARD_LIMIT_PRINCIPAL="1/60")
    alice = house.person("alice")

    answers = [alice.get("me") for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers
