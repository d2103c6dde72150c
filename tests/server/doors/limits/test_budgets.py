"""What one credential may spend in an hour."""

import pytest

from doorward.server.permission.budgets import Budgets
from support import problem

SPENT = (429, "budget_exhausted")


def used_of(house, name: str) -> int:
    rows = house.person("alice").get("usage").json()["limits"]
    one = next(row for row in rows if row["name"] == name)
    return one["limit"] - one["remaining"]


def test_calls_of_all_sessions_of_a_person_are_counted_together_and_come_back_over_the_hour(
    house_with,
):
    house = house_with(DOORWARD_BUDGET_CALLS="3")
    alice = house.person("alice")
    other = house.person("bob")

    answers = [alice.get("me") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429]
    assert problem(answers[-1]) == SPENT
    assert answers[-1].headers["retry-after"] == "1200"
    assert other.get("me").status_code == 200
    house.clock.advance(seconds=1200)
    assert alice.get("me").status_code == 200


def test_deletes_and_links_have_budgets_of_their_own(house_with):
    house = house_with(DOORWARD_BUDGET_DELETES="1", DOORWARD_BUDGET_LINKS="1")
    alice = house.person("alice")
    files = [alice.upload(alice.home(), f"{n}.txt", b"a")["id"] for n in range(3)]

    links = [alice.post(f"files/{files[0]}/link").status_code for _ in range(2)]
    deletes = [alice.delete(f"files/{one}").status_code for one in files]

    assert links == [201, 429]
    assert deletes == [204, 429, 429]
    assert alice.get(f"files/{files[2]}").status_code == 200


def test_an_upload_over_the_budget_is_refused_by_its_size_and_one_that_fits_is_not(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="1000")
    alice = house.person("alice")
    workspace = alice.home()

    assert problem(alice.declare(workspace, "a", 1001)) == SPENT
    alice.upload(workspace, "a", b"a" * 600)
    assert problem(alice.declare(workspace, "b", 401)) == SPENT
    alice.upload(workspace, "b", b"b" * 400)

    assert used_of(house, "budget-bytes") == 1000


def test_two_uploads_that_fit_one_by_one_end_where_the_budget_does_and_go_on_later(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="1000")
    alice = house.person("alice")
    first, second = (alice.declare(alice.home(), n, 600).json() for n in "ab")

    sent = house.send(first["url"], b"a" * 600)
    refused = house.send(second["url"], b"b" * 600)

    assert sent.status_code == 201
    assert problem(refused) == SPENT
    assert alice.get(f"uploads/{second['id']}").json()["status"] == "pending"
    house.clock.advance(seconds=800)  # of the hour, in which a thousand come back
    assert house.send(second["url"], b"b" * 600).status_code == 201


def test_downloads_spend_what_they_send_and_get_back_what_they_do_not(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="10000")
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a", b"a" * 3000)["id"]
    path = f"files/{file}/content"

    assert alice.call("HEAD", path).status_code == 200
    assert alice.get(path, headers={"Range": "bytes=0-999"}).status_code == 206
    assert used_of(house, "budget-bytes") == 4000
    assert alice.get(path).status_code == 200
    assert alice.get(path).status_code == 200
    refused = alice.get(path)

    assert problem(refused) == SPENT
    assert used_of(house, "budget-bytes") == 10_000


def test_a_link_spends_the_budget_of_whoever_made_it(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="5000")
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a", b"a" * 2000)["id"]
    url = alice.post(f"files/{file}/link").json()["url"]

    answers = [house.client.get(url) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert problem(answers[1]) == SPENT
    link = alice.get("links", params={"direction": "download"}).json()["data"][0]
    assert link["uses"] == 1


def test_a_budget_of_nothing_allows_nothing(house_with, monkeypatch):
    house = house_with()
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a", b"a")["id"]
    own = Budgets(deletes=0)
    monkeypatch.setattr("doorward.server.doors.limits.limiting.budgets_of", lambda _: own)

    refused = alice.delete(f"files/{file}")

    assert problem(refused) == SPENT
    assert refused.headers["retry-after"] == "3600"


@pytest.mark.parametrize("own", [Budgets(calls=2), Budgets(calls=9)])
def test_of_a_keys_budget_and_the_operators_the_smaller_holds(house_with, monkeypatch, own):
    house = house_with(DOORWARD_BUDGET_CALLS="3")
    monkeypatch.setattr("doorward.server.doors.limits.limiting.budgets_of", lambda _: own)
    alice = house.person("alice")

    statuses = [alice.get("me").status_code for _ in range(5)]

    assert statuses.count(200) == min(3, own.calls)


def test_a_link_that_is_used_up_costs_its_maker_nothing_more(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="100000")
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a", b"a" * 1000)["id"]
    link = alice.post(f"files/{file}/link", uses=1).json()
    from_elsewhere = {"client": ("192.0.2.9", 1), "user-agent": "another"}

    assert house.ask("GET", link["url"]).status_code == 200
    assert house.ask("GET", link["url"], **from_elsewhere).status_code == 410
    range_ = house.ask("GET", link["url"], range="bytes=0-9").status_code

    assert range_ == 410
    assert used_of(house, "budget-bytes") == 2000


def test_what_a_cut_download_did_not_send_comes_back(house_with):
    house = house_with(DOORWARD_BUDGET_BYTES="100000000")
    alice = house.person("alice")
    size = 8 << 20
    file = alice.upload(alice.home(), "a", b"a" * size)["id"]
    link = alice.post(f"files/{file}/link").json()

    taken, _ = house.cut_after_first(
        link["url"], lambda: alice.delete(f"links/{link['id']}"), wait_seconds=3.0
    )

    assert 0 < taken < size
    assert size + taken <= used_of(house, "budget-bytes") <= size + taken + (1 << 20)
    amounts = alice.get("usage").json()["credits"]["amounts"]
    assert size > amounts["downloaded_bytes"] >= taken - (1 << 20)


def test_a_keys_own_budget_bounds_it_and_nobody_else(house):
    alice = house.person("alice")
    agent = alice.key("files:read", budgets={"calls": 2})
    other = alice.key("files:read")

    assert [agent.get("me").status_code for _ in range(3)] == [200, 200, 429]
    assert other.get("me").status_code == alice.get("me").status_code == 200
    house.clock.advance(seconds=1800)
    assert agent.get("me").status_code == 200


def test_a_key_that_is_lent_spends_its_own_budget_for_whomever(house):
    alice, bob = house.person("alice"), house.person("bob")
    agent = bob.key("files:read", budgets={"calls": 4})

    first, second = alice.lend(agent), alice.lend(agent)

    assert [first.get("me").status_code, second.get("me").status_code] == [200, 200]
    assert (
        problem(first.get("me")) == problem(second.get("me")) == problem(agent.get("me")) == SPENT
    )
    assert alice.get("me").status_code == 200


def test_a_key_that_may_delete_nothing_deletes_nothing(house):
    alice = house.person("alice")
    file = alice.upload(alice.home(), "a.txt", b"kept")
    agent = alice.key("files:read", "files:delete", budgets={"deletes": 0})

    assert problem(agent.delete(f"files/{file['id']}")) == SPENT
    assert alice.get(f"files/{file['id']}").status_code == 200


def test_a_budget_that_is_set_anew_counts_from_the_next_request_on(house):
    alice = house.person("alice")
    agent = alice.key("files:read")
    assert agent.get("me").status_code == 200

    alice.patch(f"keys/{agent.id}", budgets={"calls": 0})

    assert problem(agent.get("me")) == SPENT
    assert alice.get(f"keys/{agent.id}").json()["budgets"]["calls"] == 0
