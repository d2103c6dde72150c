"""The name under which what comes from one place is counted, before anybody is known."""

from ipaddress import IPv6Address, ip_address, ip_network

_NETWORK_BITS = 64  # what one customer of an IPv6 provider has at least, to choose from freely
NOWHERE = "nowhere"
_CHARACTERS_MAX = 64


def place_of(address: str | None) -> str:
    """Give the address itself, or the /64 network of one of IPv6; mapped IPv4 is IPv4."""
    if address is None:
        return NOWHERE
    if ":" not in address:
        return address[:_CHARACTERS_MAX]
    try:
        ip = ip_address(address)
    except ValueError:
        return address[:_CHARACTERS_MAX]
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), _NETWORK_BITS), strict=False))
