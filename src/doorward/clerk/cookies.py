"""Clerk's cookies: read as browsers send them, and the right one of two chosen.

An application's cookies carry a suffix made of its publishable key, and older ones do not.
Source: ``createAuthenticateContext`` of Clerk's JavaScript SDK.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.tokens import parse

_COOKIES_BYTES_MAX = 64 * 1024
_ESCAPES_MAX = 1000
SESSION = "__session"
CLIENT_UAT = "__client_uat"
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_SCHEME = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SessionCookies:
    """The session token of a request's cookies, and when its browser last changed who it is.

    ``client_uat`` is in seconds since 1970, 0 for signed out, None without such a cookie.
    """

    token: str | None = field(repr=False)
    client_uat: int | None


def read_cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Read the Cookie headers (RFC 6265, section 5.4); of two with one name the first counts.

    Beyond a thousand escapes the rest stays as it was sent: to decode a header that is full of
    them takes hundreds of times as long as to verify a token, and none of Clerk's cookies has any.
    """
    text = "; ".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
    cookies: dict[str, str] = {}
    escapes = 0
    for pair in text[:_COOKIES_BYTES_MAX].split(";"):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            value, escapes = value.strip().strip('"'), escapes + value.count("%")
            cookies.setdefault(name.strip(), unquote(value) if escapes <= _ESCAPES_MAX else value)
    return cookies


def session_cookies(
    cookies: Mapping[str, str], key: PublishableKey | None, now: float
) -> SessionCookies:
    """Choose between the suffixed and the plain cookies, in Clerk's order of cases."""
    plain = _Pair.of(cookies, "")
    if key is None:
        return plain.chosen()
    suffixed = _Pair.of(cookies, f"_{key.cookie_suffix}")
    return (suffixed if _prefers(suffixed, plain, key, now) else plain).chosen()


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two cookies of one suffix as sent; ``claims`` are not to be believed."""

    token: str = field(repr=False)
    uat: str | None
    claims: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, cookies: Mapping[str, str], suffix: str) -> "_Pair":
        token = cookies.get(SESSION + suffix, "")
        return cls(token, cookies.get(CLIENT_UAT + suffix), _unverified(token))

    @property
    def signed_out(self) -> bool:
        return self.uat == "0"

    def chosen(self) -> SessionCookies:
        uat = self.uat
        seconds = None if uat is None else int(uat) if _DIGITS.fullmatch(uat) else 0
        return SessionCookies(self.token or None, seconds)


def _prefers(suffixed: _Pair, plain: _Pair, key: PublishableKey, now: float) -> bool:
    if plain.token and not plain.claims.get("iss"):
        return False
    if plain.token and _host(plain.claims["iss"]) != key.frontend_api:
        return True
    if not suffixed.uat and not suffixed.token:
        return False
    return not _was_left_behind(suffixed, plain, production=key.production, now=now)


def _was_left_behind(suffixed: _Pair, plain: _Pair, *, production: bool, now: float) -> bool:
    """Say whether the plain cookies tell of a newer sign-in than the suffixed ones."""
    older = _number(plain.claims, "iat") > _number(suffixed.claims, "iat")
    if not suffixed.signed_out and not plain.signed_out and older:
        return True
    if suffixed.signed_out and not plain.signed_out:
        return True
    expired = bool(suffixed.claims) and _number(suffixed.claims, "exp") <= now
    if not production and not suffixed.signed_out and plain.signed_out and expired:
        return True
    return bool(suffixed.token) and not suffixed.uat


def _unverified(token: str) -> Mapping[str, Any]:
    try:
        return parse(token).claims if token else {}
    except TokenVerificationError:
        return {}


def _host(issuer: Any) -> str:
    return _SCHEME.sub("", issuer) if isinstance(issuer, str) else ""


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    return value if isinstance(value, int | float) else 0
