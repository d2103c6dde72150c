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
    b"mt_": CredentialShape.M2M,
    b"oat_": CredentialShape.OAUTH,
    b"ak_": CredentialShape.API_KEY,
}
_OPAQUE = tuple(_PREFIXES)
_SCHEME = b"Bearer "


class AuthorizationMalformed(Exception):
    """The Authorization header is there and can't be read as RFC 6750, section 2.1 has it."""


def shape_of(token: bytes) -> CredentialShape:
    """Tell the kind by prefix (Clerk's are case-sensitive); what has none is a session token."""
    if not token.startswith(_OPAQUE):
        return CredentialShape.SESSION
    return _PREFIXES[token[: token.index(b"_") + 1]]


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Take the bearer token out of raw ASGI headers, None where no such header is there.

    The scheme is case-insensitive and one space follows it. Another scheme is no bearer token.
    Raises AuthorizationMalformed: several headers, no token, or anything but one space.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                raise AuthorizationMalformed
            found = value
    if found is None or not (found.startswith(_SCHEME) or _is_bearer(found)):
        return None
    token = found[len(_SCHEME) :]
    if not token or b" " in token or b"\t" in token:
        raise AuthorizationMalformed
    return token


def _is_bearer(value: bytes) -> bool:
    """Say whether the scheme is Bearer however it is written, with a token or without."""
    scheme, _, _ = value.partition(b" ")
    return scheme.lower() == b"bearer"
