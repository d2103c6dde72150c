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


def bearer_token(headers: Iterable[tuple[bytes, bytes]], *, exactly: bool = True) -> bytes | None:
    """Take the bearer token out of raw ASGI headers, None where no such header is there.

    The scheme is case-insensitive and one space follows it (RFC 6750, section 2.1). Another scheme
    is no bearer token. Unless it must be ``exactly`` so, a token may stand without a scheme, and
    what follows it after a space is passed over, as Clerk's SDK has it. Raises
    AuthorizationMalformed: several headers, no token, or anything but one space.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                raise AuthorizationMalformed
            found = value
    if not found:
        return None
    token = found[len(_SCHEME) :] if found.startswith(_SCHEME) else _without_scheme(found, exactly)
    if token is None or exactly:
        return _checked(token)
    return _checked(token.partition(b" ")[0])


def _without_scheme(value: bytes, exactly: bool) -> bytes | None:  # noqa: FBT001 - a rule
    """Give what follows the scheme, if that is Bearer however it is written."""
    scheme, space, token = value.partition(b" ")
    if not space and not exactly:
        return value
    return token if scheme.lower() == b"bearer" else None


def _checked(token: bytes | None) -> bytes | None:
    if token is not None and (not token or b" " in token or b"\t" in token):
        raise AuthorizationMalformed
    return token
