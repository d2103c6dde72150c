"""Where a request comes from: the peer, or whom a proxy of ours says it asks for."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from doorward.server.doors.asgi import Scope
from doorward.server.outbound.addresses import Network

_HEADER = b"x-forwarded-for"
_HOPS_MAX = 32


def address_of(scope: Scope, proxies: Sequence[Network]) -> str | None:
    """Give the address of whoever asks: the last one that is no proxy of ours.

    Each proxy adds, at the end, from whom it took the request. What stands before that was written
    by somebody else, and is never believed; nor is the header, where no proxy of ours sent it.
    """
    client = scope.get("client")
    address: str | None = client[0] if client else None
    if not proxies or not _is_ours(_parsed(address), proxies):
        return address
    listed = b",".join(value for name, value in scope["headers"] if name == _HEADER)
    for text in reversed(listed.decode("latin-1").split(",")[-_HOPS_MAX:]):
        hop = _parsed(text.strip())
        if hop is None:
            break
        address = str(hop)
        if not _is_ours(hop, proxies):
            break
    return address


def _is_ours(address: IPv4Address | IPv6Address | None, proxies: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in proxies)


def _parsed(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
