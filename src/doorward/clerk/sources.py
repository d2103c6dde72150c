"""Where a request carries its credential, and whether its origin may have sent it.

A header says on purpose who sends; a cookie goes along by itself, so whoever's page made the
browser send it is asked first. Browsers tell in ``Sec-Fetch-Site`` and ``Origin``, which no page
can forge.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from doorward.clerk.cookies import SessionCookies, read_cookies, session_cookies
from doorward.clerk.errors import Reason
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.refusals import FOREIGN_ORIGIN, NotAuthenticated
from doorward.identity.credentials import AuthorizationMalformed, bearer_token

Scope = MutableMapping[str, Any]

SUBPROTOCOL = b"doorward.bearer"
_PROTOCOL = b"sec-websocket-protocol"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HERE = frozenset({b"same-origin", b"none"})


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """Whether cookies are read, for which application, and whose pages may send them."""

    enabled: bool
    application: PublishableKey | None = None
    origins: frozenset[str] = frozenset()
    client_uat_required: bool = True


def header_token(scope: Mapping[str, Any], *, exactly: bool = False) -> bytes | None:
    """Take the token of the Authorization header, or of a WebSocket's subprotocols.

    A browser's WebSocket sends no header of the page's choosing, so the token may follow the
    word ``doorward.bearer`` there. Raises NotAuthenticated.
    """
    headers = scope["headers"]
    try:
        token = bearer_token(headers, exactly=exactly)
    except AuthorizationMalformed as exc:
        raise NotAuthenticated(Reason.INVALID.value) from exc
    if token is None and scope["type"] == "websocket":
        return _subprotocol_token(headers)
    return token


def cookie_token(scope: Mapping[str, Any], policy: CookiePolicy, now: float) -> SessionCookies:
    """Take Clerk's session cookies of a request that its origin may have sent.

    Raises NotAuthenticated where another site's page sent them.
    """
    cookies = read_cookies(scope["headers"]) if policy.enabled else {}
    found = session_cookies(cookies, policy.application, now)
    if found.token is not None and not _may_send(scope, policy.origins):
        raise NotAuthenticated(FOREIGN_ORIGIN)
    return found


def _may_send(scope: Mapping[str, Any], origins: frozenset[str]) -> bool:
    """Say whether a page of ours sent this: told by the browser, or named in the settings.

    What says nothing of its origin may only read: that is a person following a link.
    """
    headers = dict(scope["headers"])
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if origin is not None and origin.decode("latin-1") in origins:
        return True
    if site in _HERE:
        return True
    safe = scope["type"] == "http" and scope["method"] in _SAFE_METHODS
    navigates = site is None or headers.get(b"sec-fetch-mode") == b"navigate"
    return safe and origin is None and navigates


def _subprotocol_token(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    listed = b",".join(value for name, value in headers if name == _PROTOCOL)
    names = [name.strip() for name in listed.split(b",")]
    if SUBPROTOCOL not in names[:-1]:
        return None
    return names[names.index(SUBPROTOCOL) + 1]
