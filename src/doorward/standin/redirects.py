"""Where a browser may be sent back to: a page of this machine, and no other."""

import string
from urllib.parse import quote, urljoin, urlsplit

from doorward.standin.loopback import is_loopback_host

_NAMES = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
# What an address may hold as it stands. A backslash is a slash to browsers, and to nobody else.
_KEPT = string.punctuation.replace("\\", "")


def page_of_this_machine(text: str, host: str) -> str | None:
    """Give the whole address of a page, None when it is not on this machine.

    ``host`` is where the browser is now, to which a path alone belongs.
    """
    try:
        address = urljoin(f"http://{host}/", quote(text, safe=_KEPT))
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not is_loopback_host(parts.netloc):
        return None
    return address


def origin_of(address: str) -> str:
    """Give an address's origin, as browsers send it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback_origin(origin: str) -> bool:
    """Say whether pages of an origin lie on this machine."""
    scheme, _, host = origin.partition("://")
    return scheme in {"http", "https"} and is_loopback_host(host)


def shared_host(host: str, address: str) -> str | None:
    """Give the host that shares cookies with an address, when the browser is at another.

    Cookies do not know ports, but ``localhost`` and ``127.0.0.1`` are two hosts to them.
    """
    name, colon, port = host.partition(":")
    wanted = urlsplit(address).hostname
    return f"{wanted}{colon}{port}" if wanted is not None and _NAMES.get(name) == wanted else None
