"""What may be connected to, over every form that an address has."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.outbound.addresses import may_connect

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104 - an address to be refused
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%lo",
    "2606:4700::1111%lo",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
def test_the_public_network_may_be_connected_to(address, port):
    assert may_connect(address, port, ())


@pytest.mark.parametrize("address", PRIVATE)
def test_nothing_else_may(address):
    assert not may_connect(address, 443, ())


@pytest.mark.parametrize("port", [0, 1, 22, 25, 110, 444, 1023])
def test_a_port_of_a_system_service_may_not_be_connected_to(port):
    assert not may_connect("1.1.1.1", port, ())


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.01"])
def test_what_is_no_address_is_refused(text):
    assert not may_connect(text, 443, ())


def test_a_network_that_the_operator_names_may_be_connected_to_on_every_port_and_no_other():
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]

    assert may_connect("10.1.2.3", 22, allowed)
    assert may_connect("fd00::1", 80, allowed)
    assert not may_connect("10.2.0.1", 80, allowed)
    assert not may_connect("::ffff:10.1.2.3", 80, allowed)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_a_way_to_it(number):
    for form in (
        f"::ffff:{IPv4Address(number)}",
        f"::{IPv4Address(number)}",
        f"64:ff9b::{IPv4Address(number)}",
        str(IPv6Address((0x2002 << 112) | (number << 80))),
        str(IPv6Address((0x2001 << 112) | number)),
    ):
        assert not may_connect(form, 443, ())


@given(st.ip_addresses())
def test_what_python_calls_anything_but_global_is_refused(address):
    if may_connect(str(address), 443, ()):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
