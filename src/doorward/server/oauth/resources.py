"""What access tokens are for: this server, by each address at which clients know it (RFC 8707)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from doorward.server.oauth.model import BASELINE
from doorward.server.permission.scopes import Scope

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Resource:
    """One address of this server, and what a client asks for that knows no better."""

    path: str
    name: str
    scopes: frozenset[Scope]


RESOURCES = (Resource("", "Doorward", BASELINE),)
"""By the path of each below the server's public address; every door that takes tokens has one."""


def known_resource(public_url: str, asked: str) -> str | None:
    """Give the address of this server that a client means, None for another server's."""
    meant = _canonical(asked)
    for resource in RESOURCES:
        address = public_url + resource.path
        if meant is not None and meant == _canonical(address):
            return address
    return None


def _canonical(address: str) -> tuple[str, str, int, str] | None:
    """Give what makes two addresses the same; None for what names no resource."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _PORTS or host is None or "#" in address or "@" in parts.netloc:
        return None
    if parts.query:
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/")
