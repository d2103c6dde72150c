"""Networks that bind a credential: read from callers, and asked whether an address is in one."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from doorward.server.problems import RequestInvalid

NETWORKS_MAX = 16

Network = IPv4Network | IPv6Network


def checked_networks(networks: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Give networks in one spelling; raises RequestInvalid for what is none, or too many."""
    if networks is None:
        return None
    if not networks or len(networks) > NETWORKS_MAX:
        raise RequestInvalid(f"Give from 1 to {NETWORKS_MAX} networks.")
    return tuple(str(_network(text)) for text in networks)


def is_within(asked: Network, bound: Network) -> bool:
    """Say whether one network lies in another."""
    if isinstance(asked, IPv4Network):
        return isinstance(bound, IPv4Network) and asked.subnet_of(bound)
    return isinstance(bound, IPv6Network) and asked.subnet_of(bound)


def comes_from(address: str | None, networks: Iterable[str]) -> bool:
    """Say whether an address is in one of the networks; one that is not known is in none.

    An IPv4 address that IPv6 carries is the IPv4 address (RFC 4291, section 2.5.5.2).
    """
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return any((mapped or ip) in ip_network(network) for network in networks)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as exc:
        raise RequestInvalid(
            f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32."
        ) from exc
