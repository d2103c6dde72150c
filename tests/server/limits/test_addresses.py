import pytest

from doorward.server.limits.addresses import NOWHERE, place_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("not:an:address", "not:an:address"),
        ("x" * 1000, "x" * 64),
        (None, NOWHERE),
    ],
)
def test_a_place_is_an_address_or_the_network_that_one_customer_has(address, place):
    assert place_of(address) == place
