from ipaddress import ip_network

import pytest

from doorward.server.doors.peers import address_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "listed", "address"),
    [
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # nobody's proxy: its words count nothing
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.9"], "198.51.100.9"),  # the first is an invention
        ("10.0.0.1", ["198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["198.51.100.9", "10.0.0.2"], "198.51.100.9"),  # in two headers
        ("10.0.0.1", ["198.51.100.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9, garbage, 10.0.0.2"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::9"], "2001:db8::9"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        (None, ["198.51.100.9"], None),
    ],
)
def test_a_proxy_of_ours_is_believed_for_whom_it_took_the_request_and_for_nothing_more(
    peer, listed, address
):
    scope = {
        "client": None if peer is None else (peer, 1),
        "headers": [(b"x-forwarded-for", text.encode()) for text in listed],
    }

    assert address_of(scope, PROXIES) == address


def test_without_a_proxy_of_ours_the_header_is_not_even_read():
    scope = {"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", b"198.51.100.9")]}

    assert address_of(scope, ()) == "10.0.0.1"
