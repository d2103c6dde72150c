"""Which addresses may be connected to: the public network, and what the operator named beside it.

Pure: an address is judged as it is about to be connected to, never by the name it came from.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

WEB_PORTS = frozenset({80, 443})
_SYSTEM_PORTS = range(1024)

# RFC 6890 and the IANA registry of special addresses, and what clouds keep for themselves.
_PRIVATE_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure answers its machines here, on an address like any public one
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only this is given out for the public network. What holds an IPv4 address inside (mapped,
# compatible, NAT64, site-local) lies outside of it, and so does what no cloud routes beyond itself.
_PUBLIC_6 = IPv6Network("2000::/3")
_PRIVATE_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, benchmarking, ORCHID and other special uses
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def may_connect(address: str, port: int, allowed: Sequence[Network]) -> bool:
    """Say whether the server may connect there.

    That is where the operator allows it, on every port; else on the public network, on the web's
    two ports and those that no system service has. What is no address is refused.
    """
    try:
        one = ip_address(address)
    except ValueError:
        return False
    if any(one in network for network in allowed):
        return True
    return _is_public(one) and (port in WEB_PORTS or port not in _SYSTEM_PORTS)


def network_of(text: str) -> Network:
    """Give a network from its CIDR form; raises ValueError."""
    return ip_network(text)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_4)
    if address.scope_id is not None or address not in _PUBLIC_6:
        return False
    return not any(address in network for network in _PRIVATE_6)
