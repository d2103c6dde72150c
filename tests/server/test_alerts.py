"""What an operator should look at is told once, and what is usual is not told at all."""

import pytest

from doorward.server.alerts.model import AlertKind, Count, Thresholds, is_unusual
from doorward.server.alerts.service import look, network_of
from doorward.standin import Standin
from support import problem

FEW = {"DOORWARD_ALERT_REFUSALS": "10", "DOORWARD_ALERT_UPLOAD_BYTES": "1000"}


@pytest.fixture
def house(house_with):
    return house_with(**FEW)


def looked(house) -> list:
    """Look at the trail now, as the server does every few seconds."""
    thresholds = house.inside().uses._thresholds
    return house.client.portal.call(house.store().write, lambda tx: look(tx, thresholds))


def alerts_of(person) -> list[dict]:
    answer = person.get("alerts", params={"workspace": person.home()})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def metric(house, kind: str) -> float:
    shown = house.ask("GET", "/metrics").text
    line = next(
        row for row in shown.splitlines() if f'doorward_alerts_total{{kind="{kind}"}}' in row
    )
    return float(line.split()[-1])


def test_a_spike_of_refusals_of_one_key_is_one_alert_to_whose_it_is(house, alice):
    room = alice.home()
    reader = alice.key("files:read")
    for _ in range(12):
        reader.post(f"workspaces/{room}/folders", name="x")

    found = looked(house)

    assert [(alert.kind, alert.subject) for alert in found] == [
        (AlertKind.FORBIDDEN, f"api_key:{reader.id}")
    ] or {alert.kind for alert in found} == {AlertKind.FORBIDDEN}
    shown = alerts_of(alice)
    assert (shown[0]["kind"], shown[0]["subject"]) == ("refusals_403", f"api_key:{reader.id}")
    events = alice.get("events", params={"workspace": room}).json()["data"]
    assert "alert.raised" in [event["type"] for event in events]
    assert metric(house, "refusals_403") >= 1


def test_a_storm_is_one_alert_however_long_it_lasts(house, alice):
    room = alice.home()
    reader = alice.key("files:read")
    for _ in range(6):
        for _ in range(12):
            reader.post(f"workspaces/{room}/folders", name="x")
        looked(house)
        house.clock.advance(seconds=240)

    shown = alerts_of(alice)

    assert len(shown) == 1
    assert shown[0]["times"] > 1


def test_after_quiet_the_same_again_is_a_new_alert(house, alice):
    room = alice.home()
    reader = alice.key("files:read")
    for _ in range(2):
        for _ in range(60):
            reader.post(f"workspaces/{room}/folders", name="x")
        looked(house)
        house.clock.advance(seconds=2 * 86_400)

    assert len(alerts_of(alice)) == 2


def test_a_flood_of_made_up_credentials_is_told_by_its_address(house):
    for _ in range(30):
        house.client.get("/api/v1/me", headers={"Authorization": "Bearer dw_live_nonsense"})
    knocks = house.inside().knocks
    house.client.portal.call(knocks.flush)

    found = looked(house)

    assert [(alert.kind, alert.subject.partition(":")[0]) for alert in found] == [
        (AlertKind.UNAUTHENTICATED, "address")
    ]
    assert found[0].amount == 30
    assert found[0].workspace_id is None


def test_a_key_used_from_a_network_that_is_new_to_it_is_told_once(house, alice):
    key = alice.key("files:read")
    bearer = {"Authorization": f"Bearer {key.secret}"}

    def use(address: str) -> None:
        house.ask("GET", "/api/v1/me", client=(address, 1), **bearer)
        house.client.portal.call(house.inside().uses.flush)
        house.client.portal.call(house.store().write, lambda _: None)

    for address in ("192.0.2.1", "192.0.2.77", "198.51.100.9", "198.51.100.10", "192.0.2.5"):
        use(address)

    shown = alerts_of(alice)
    assert [(row["kind"], row["subject"].split()[-1]) for row in shown] == [
        ("key_new_network", "198.51.100.0/24")
    ]


def test_more_bytes_than_usual_are_told(house, alice):
    alice.upload(alice.home(), "big.bin", b"x" * 2000)

    found = looked(house)

    assert [alert.kind for alert in found] == [AlertKind.UPLOAD_VOLUME]
    assert found[0].amount == 2000


def test_few_refusals_are_no_alert(house, alice):
    for _ in range(9):
        alice.get("workspaces/ws_nothing")

    assert looked(house) == []


def test_what_is_usual_is_not_told_and_five_times_as_much_is():
    thresholds = Thresholds(10, 0, 5)

    assert not is_unusual(Count(AlertKind.FORBIDDEN, "x", 100, 30), thresholds)
    assert is_unusual(Count(AlertKind.FORBIDDEN, "x", 150, 30), thresholds)
    assert not is_unusual(Count(AlertKind.FORBIDDEN, "x", 9, 0), thresholds)
    assert not is_unusual(Count(AlertKind.UPLOAD_VOLUME, "x", 1 << 40, 0), thresholds)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("testclient", None),
        (None, None),
    ],
)
def test_an_address_counts_for_its_network(address, network):
    assert network_of(address) == network


def test_metrics_are_shown_to_this_machine_alone(house):
    shown = house.ask("GET", "/metrics")

    assert shown.status_code == 200
    assert "_created" not in shown.text
    assert problem(house.ask("GET", "/metrics", client=("203.0.113.5", 1))) == (404, "not_found")
    assert house.ask("POST", "/metrics").status_code == 405


def test_behind_a_proxy_that_nobody_named_metrics_are_shown_to_named_networks_alone(
    house_with, empty_folder
):
    house = house_with(
        DOORWARD_PUBLIC_URL="https://files.example.com",
        DOORWARD_METRICS_ALLOW="203.0.113.0/24",
        CLERK_JWT_KEY=Standin.open(empty_folder / "standin").public_key_pem,
    )

    assert house.ask("GET", "/metrics").status_code == 404
    assert house.ask("GET", "/metrics", client=("203.0.113.5", 1)).status_code == 200


def test_metrics_are_shown_to_networks_that_the_operator_names(house_with):
    house = house_with(DOORWARD_METRICS_ALLOW="203.0.113.0/24")

    assert house.ask("GET", "/metrics", client=("203.0.113.5", 1)).status_code == 200


def test_alerts_are_for_whoever_administers_the_home(alice, bob):
    bob.get("me")

    assert problem(bob.get("alerts", params={"workspace": alice.home()})) == (
        404,
        "workspace_not_found",
    )
