"""The stand-in's one rule: loopback only, and no way around it."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any


class StandinRefused(Exception):
    """The stand-in would be reachable from elsewhere; the message says why that can't be."""


def ensure_loopback(host: str) -> None:
    """Make sure that every address of ``host`` is this machine's own; raises StandinRefused."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise StandinRefused(f"The stand-in for Clerk can't listen on {host!r}: {exc}.") from exc
    if not found or not all(is_loopback_address(str(entry[4][0])) for entry in found):
        raise StandinRefused(
            f"The stand-in for Clerk does not listen on {host!r}: whoever reaches it can sign in "
            "as anyone. Use 127.0.0.1, or set CLERK_SECRET_KEY to use the real Clerk."
        )


def is_loopback_address(address: str) -> bool:
    """Say whether an IP address is loopback; anything else is not."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_loopback_name(host: str) -> bool:
    """Say whether a host can be nothing but this machine."""
    if "%" in host:
        return False  # no zone in an address that is written out: a dot and the rest of a name
    return host == "localhost" or is_loopback_address(host.strip("[]"))


def is_local_request(scope: dict[str, Any]) -> bool:
    """Say whether a person at this machine sent the request with a tool of theirs.

    A page of another origin, a name that was rebound to loopback, and a proxy are all told by
    what they can't leave out.
    """
    client = scope.get("client")
    if client is None or not is_loopback_address(client[0]):
        return False
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    given = {name.lower(): value.decode("latin-1") for name, value in headers}
    if any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name in given):
        return False
    host = given.get(b"host", "")
    origin = given.get(b"origin")
    return is_loopback_host(host) and (origin is None or origin == f"http://{host}")


def is_loopback_host(host: str) -> bool:
    """Say whether a host, with or without a port, is this machine by a name of its own."""
    name, port = host, ""
    if ":" in host and not host.endswith("]"):
        name, _, port = host.rpartition(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    return is_loopback_name(name)
