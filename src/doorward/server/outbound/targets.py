"""What a URL asks for, read in one way only: two readings of one URL are how checks are passed."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from doorward.server.problems import AddressNotAllowed

URL_CHARACTERS_MAX = 4096
_PORTS = {"http": 80, "https": 443}
_PORT_MAX = 65_535
_HOST_CHARACTERS_MAX = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# A browser passes over some of these and takes others for a slash.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Target:
    """One resource of one server: ``host`` in ASCII without brackets or a dot at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Give host and port as the ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Give what may be told of it: a path may hold what is secret."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def target_of(url: str) -> Target:
    """Read a URL; raises AddressNotAllowed for any that is not plainly one of the web.

    It is to be http or https, without a user's name, to a name or an address in its usual form.
    """
    if len(url) > URL_CHARACTERS_MAX or _AMBIGUOUS.search(url):
        raise AddressNotAllowed
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressNotAllowed from None
    if parts.scheme not in _PORTS or "@" in parts.netloc or not parts.hostname or port == 0:
        raise AddressNotAllowed
    return Target(
        parts.scheme, _host(parts), _PORTS[parts.scheme] if port is None else port, _path(parts)
    )


def redirected(target: Target, location: str) -> Target:
    """Give where a redirect leads; raises AddressNotAllowed, and where it would give up TLS."""
    try:
        led = target_of(urljoin(str(target), location))
    except ValueError:
        raise AddressNotAllowed from None
    if target.scheme == "https" and led.scheme != "https":
        raise AddressNotAllowed
    return led


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        if "[" in parts.netloc:
            return _address_6(host)
        if not host.isascii():
            host = idna.encode(host, strict=True).decode("ascii")
        host = host.removesuffix(".")
        labels = host.split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(IPv4Address(host))
    except (AddressValueError, UnicodeError):  # idna's errors are of the second kind
        raise AddressNotAllowed from None
    if len(host) > _HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressNotAllowed
    return host


def _path(parts: SplitResult) -> str:
    query = f"?{quote(parts.query, safe=_KEPT_IN_PATH + '?')}" if parts.query else ""
    return quote(parts.path or "/", safe=_KEPT_IN_PATH) + query


def _address_6(host: str) -> str:
    address = IPv6Address(host)
    if address.scope_id is not None:  # it names an interface of this machine
        raise AddressNotAllowed
    return str(address)
