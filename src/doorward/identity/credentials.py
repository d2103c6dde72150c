"""What kind of credential a text is, by its shape alone, and how a request carries one."""

from collections.abc import Iterable
from enum import StrEnum


class CredentialShape(StrEnum):
    """Kinds of credential, in Clerk's words where Clerk has one."""

    SESSION = "session_token"
    M2M = "m2m_token"
    API_KEY = "api_key"
    OAUTH = "oauth_token"


_PREFIXES = {
    "mt_": CredentialShape.M2M,
    "oat_": CredentialShape.OAUTH,
    "ak_": CredentialShape.API_KEY,
}


class AuthorizationMalformed(Exception):
    """The Authorization header is there and can't be read as RFC 6750, section 2.1 has it."""


def shape_of(token: str) -> CredentialShape:
    """Tell the kind by prefix (Clerk's are case-sensitive); what has none is a session token."""
    prefix = token.partition("_")[0] + "_"
    return _PREFIXES.get(prefix, CredentialShape.SESSION)


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Take the bearer token out of raw ASGI headers, None where no such header is there.

    The scheme is case-insensitive and one space follows it. Another scheme is no bearer token.
    Raises AuthorizationMalformed: several headers, no token, or anything but one space.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        return None
    if len(values) > 1:
        raise AuthorizationMalformed
    scheme, space, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    if not space or not token or b" " in token or b"\t" in token:
        raise AuthorizationMalformed
    return token.decode("latin-1")
