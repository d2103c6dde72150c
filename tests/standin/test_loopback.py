import socket

import pytest

from doorward.standin import StandinRefused, ensure_loopback
from doorward.standin.loopback import is_local_request, is_loopback_address


def request(*headers: tuple[str, str], client: object = ("127.0.0.1", 50000)) -> dict:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "client": client, "headers": encoded}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_a_stand_in_may_listen_on_this_machines_own_addresses(host):
    ensure_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.0.2.1", "2001:db8::1"])  # noqa: S104
def test_a_stand_in_listens_nowhere_else_and_says_what_to_do(host):
    with pytest.raises(StandinRefused, match="CLERK_SECRET_KEY"):
        ensure_loopback(host)


def test_a_name_that_also_leads_elsewhere_is_refused(monkeypatch):
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in ("127.0.0.1", "192.0.2.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(StandinRefused):
        ensure_loopback("both.example")


@pytest.mark.parametrize("failure", [socket.gaierror("no such name"), OSError("no network")])
def test_a_name_that_leads_nowhere_is_refused(monkeypatch, failure):
    def fail(*_, **__):
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(StandinRefused, match=r"nowhere\.example"):
        ensure_loopback("nowhere.example")


def test_a_name_without_addresses_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    with pytest.raises(StandinRefused):
        ensure_loopback("empty.example")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::1%lo", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("169.254.0.1", False),
        ("2001:db8::1", False),
        ("localhost", False),
        ("testclient", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("127.1", False),
        ("", False),
    ],
)
def test_only_a_loopback_address_is_one(address, loopback):
    assert is_loopback_address(address) is loopback


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8040", "localhost", "localhost:8040", "[::1]", "[::1]:8040"],
)
def test_a_tool_on_this_machine_is_local_by_any_of_its_names(host):
    assert is_local_request(request(("host", host)))
    assert is_local_request(request(("host", host), ("origin", f"http://{host}")))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8040",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8040",
        "127.0.0.1@evil.example",
        "192.0.2.1:8040",
        "0.0.0.0:8040",
        "",
        ":8040",
        "[::]:8040",
    ],
)
def test_a_name_that_was_rebound_to_this_machine_is_not_local(host):
    assert not is_local_request(request(("host", host)))
    assert not is_local_request(request(("host", host), ("origin", f"http://{host}")))


def test_a_request_without_a_host_is_not_local():
    assert not is_local_request(request())


@pytest.mark.parametrize("client", [None, ("192.0.2.1", 1), ("2001:db8::1", 1), ("", 0)])
def test_a_peer_elsewhere_is_not_local_whatever_it_claims(client):
    assert not is_local_request(request(("host", "127.0.0.1:8040"), client=client))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_peer_on_this_machine_is_local_by_any_loopback_address(peer):
    assert is_local_request(request(("host", "127.0.0.1:8040"), client=(peer, 1)))


@pytest.mark.parametrize(
    "header",
    [
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("X-Forwarded-For", ""),
        ("x-forwarded-host", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
    ],
)
def test_whatever_came_through_a_proxy_is_not_local(header):
    assert not is_local_request(request(("host", "127.0.0.1:8040"), header))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8040",
        "http://localhost:8040",
        "http://127.0.0.1:8040/",
        "http://127.0.0.1:8040.evil.example",
    ],
)
def test_a_page_of_another_origin_is_not_local(origin):
    assert not is_local_request(request(("host", "127.0.0.1:8040"), ("origin", origin)))
