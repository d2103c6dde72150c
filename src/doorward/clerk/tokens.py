"""A token taken apart: its one canonical form, its header, its class and its signature.

Nothing in a token is to be believed before its signature is good, and its claims are judged in
``rules``. Source: RFC 7515 (JWS), RFC 7519 (JWT) and ``verifyToken`` of Clerk's JavaScript SDK.
Deliberately stricter: base64url has one form, header and payload are objects in valid UTF-8, and
``crit`` and a ``kid`` that is no text are refused (RFC 7515, sections 4.1.11 and 4.1.4).
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any

import msgspec

from doorward.clerk.claims import Claims
from doorward.clerk.errors import (
    ENSURE_CLERK_JWT,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.keys import PublicKey
from doorward.identity.credentials import CredentialShape
from doorward.identity.principal import Principal

TOKEN_BYTES_MAX = 16 * 1024
_SUPPORTED = ("RS256", "RS384", "RS512")
_SESSION_CATEGORIES = frozenset({"cl_B7d4PD111AAA", "cl_I7d4PD111III"})
_TEMPLATE_CATEGORY = "cl_B7d4PD222AAA"
_M2M_CATEGORY = "cl_B7d4PD333AAA"
_OAUTH_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_MACHINE_PREFIX = "mch_"
_SHOWN_MAX = 80

# Tokens of one instance share their header, so the few that occur are read once.
_HEADERS_MAX = 64
_HEADER_BYTES_KEPT = 512
_headers: dict[bytes, "Header"] = {}

# base64url's letters made base64's; base64's own two and padding become letters of neither.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
# The last letter of a part whose length is 2 or 3 modulo 4 carries bits that must be zero; no
# part has a length of 1 modulo 4.
_LAST_LETTERS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")

_decode_json = msgspec.json.Decoder().decode


class Header:
    """The header of a token, read; ``good_as`` holds the classes it was found good for."""

    __slots__ = ("good_as", "kid", "parameters")

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.kid = _key_id(parameters.get("kid"))
        self.good_as: set[tuple[CredentialShape | None, bool]] = set()


class Token:
    """A token taken apart, and what is known of it for good.

    ``kind`` is the class that it claims to be of. ``signed_by`` is the fingerprint of a key that
    signed it. Once judged as one of a class,
    ``begins`` and ``expires`` say when it counts, in seconds since 1970.
    """

    __slots__ = (
        "begins",
        "claims",
        "digest",
        "expires",
        "header",
        "judged_as",
        "kid",
        "kind",
        "principal",
        "signature",
        "signed",
        "signed_by",
    )

    def __init__(self, header: Header, claims: Claims, signature: bytes, signed: bytes) -> None:
        self.header = header
        self.kid = header.kid
        self.claims = claims
        self.signature = signature
        self.signed = signed
        self.kind = _kind(header.parameters, claims)
        self.digest = b""
        self.signed_by: bytes | None = None
        self.judged_as: CredentialShape | None = None
        self.begins = self.expires = 0.0
        self.principal: Principal | None = None

    def __repr__(self) -> str:
        return f"Token({self.claims!r})"


def parse(text: str) -> Token:
    """Take a token apart; raises TokenVerificationError ``token-invalid``."""
    raw = text.encode("ascii", "replace") if len(text) <= TOKEN_BYTES_MAX else b""
    parts = raw.translate(_TO_BASE64).split(b".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515, section 7.1
        raise _invalid("Invalid JWT form. A JWT consists of three parts separated by dots.")
    header, payload, signature = parts
    return Token(
        _headers.get(header) or _read_header(header),
        Claims(_json_object(payload)),
        _decoded(signature),
        raw[: len(header) + 1 + len(payload)],
    )


def as_text(token: object) -> str:
    """Take a token as it was handed over, be it a header that was absent.

    Raises TokenVerificationError ``token-invalid`` for what is no text.
    """
    if not isinstance(token, str):
        raise _invalid("Invalid JWT form. It must be a text.")
    return token


def check_header(token: Token, kind: CredentialShape | None, *, templates: bool = False) -> None:
    """Make sure that the header is one of this class of token; None stands for any class.

    Raises TokenVerificationError: ``token-invalid``, ``token-invalid-algorithm``,
    ``token-type-mismatch``.
    """
    header = token.header
    if (kind, templates) in header.good_as:
        return
    if kind is not None:
        _CATEGORY_CHECKS[kind](header.parameters, templates)
        _check_type(header.parameters, kind)
    if "crit" in header.parameters:
        raise _invalid("The JWT asks for extensions (crit) that are not understood.")
    _check_algorithm(header.parameters.get("alg"))
    header.good_as.add((kind, templates))


def check_signature(token: Token, key: PublicKey) -> None:
    """Make sure that the key signed these very bytes; raises TokenVerificationError."""
    if token.header.parameters["alg"] != "RS256":
        raise TokenVerificationError(
            Reason.VERIFICATION_FAILED,
            "Error verifying JWT signature: the key is for RS256.",
            ENSURE_CLERK_JWT,
        )
    if not key.verifies(token.signature, token.signed):
        raise TokenVerificationError(Reason.INVALID_SIGNATURE, "JWT signature is invalid.")


def shown(value: Any) -> str:
    """Show a value that the caller sent, bounded."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def type_mismatch() -> TokenVerificationError:
    """Give the refusal of a token that is of another class."""
    return TokenVerificationError(Reason.TYPE_MISMATCH, "The token is of another class.")


def _kind(header: dict[str, Any], claims: Claims) -> CredentialShape:
    """Tell the class in Clerk's order: machine, OAuth, else session."""
    subject = claims.get("sub")
    if type(subject) is str and subject.startswith(_MACHINE_PREFIX):
        return CredentialShape.M2M
    typ = header.get("typ")
    if isinstance(typ, str) and typ in _OAUTH_TYPES:
        return CredentialShape.OAUTH
    return CredentialShape.SESSION


def _session_category(header: dict[str, Any], templates: bool) -> None:  # noqa: FBT001 - a rule
    if "cat" not in header:
        return
    category = header["cat"]
    if category == _M2M_CATEGORY:
        raise _invalid("Invalid session token category.")
    allowed = isinstance(category, str) and category in _SESSION_CATEGORIES
    if not allowed and not (templates and category == _TEMPLATE_CATEGORY):
        raise type_mismatch()


def _m2m_category(header: dict[str, Any], templates: bool) -> None:  # noqa: FBT001
    del templates
    if header.get("cat", _M2M_CATEGORY) != _M2M_CATEGORY:
        raise _invalid("Invalid M2M JWT category.")


def _any_category(header: dict[str, Any], templates: bool) -> None:  # noqa: FBT001
    """An OAuth token is told by its type alone."""


_CATEGORY_CHECKS = {
    CredentialShape.SESSION: _session_category,
    CredentialShape.M2M: _m2m_category,
    CredentialShape.OAUTH: _any_category,
}


def _check_type(header: dict[str, Any], kind: CredentialShape) -> None:
    if kind is CredentialShape.OAUTH:
        if _kind(header, Claims({})) is not kind:
            raise _invalid(f'Invalid JWT type {shown(header.get("typ"))}. Expected "at+jwt".')
    elif "typ" in header and header["typ"] != "JWT":
        raise _invalid(f'Invalid JWT type {shown(header["typ"])}. Expected "JWT".')


def _key_id(kid: Any) -> str | None:
    if kid is not None and not isinstance(kid, str):
        raise _invalid("Invalid JWT form. The key id (kid) must be a text.")
    return kid


def _check_algorithm(algorithm: Any) -> None:
    if not isinstance(algorithm, str) or algorithm not in _SUPPORTED:
        raise TokenVerificationError(
            Reason.INVALID_ALGORITHM,
            f"Invalid JWT algorithm {shown(algorithm)}. Supported: {','.join(_SUPPORTED)}.",
            ENSURE_CLERK_JWT,
        )


def _read_header(part: bytes) -> Header:
    """Read a header and keep it: a pure reading of its bytes, whoever sent them."""
    header = Header(_json_object(part))
    if len(_headers) >= _HEADERS_MAX:
        _headers.clear()
    if len(part) <= _HEADER_BYTES_KEPT:
        _headers[part] = header
    return header


def _json_object(part: bytes) -> dict[str, Any]:
    try:
        found = _decode_json(_decoded(part))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _invalid("Invalid JWT form. Header and payload must be JSON.") from exc
    if type(found) is not dict:
        raise _invalid("Invalid JWT form. Header and payload must be JSON objects.")
    return found


def _decoded(part: bytes) -> bytes:
    """Decode base64 in its one canonical form: no padding, no other letters, no spare bits."""
    spare = len(part) & 3
    if spare and part[-1] not in _LAST_LETTERS[spare]:
        raise _invalid("Invalid JWT form. A part is not base64url.")
    try:
        return a2b_base64(part + _PADDING[spare], strict_mode=True)
    except Base64Error as exc:
        raise _invalid("Invalid JWT form. A part is not base64url.") from exc


def _invalid(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.INVALID, message, ENSURE_CLERK_JWT)
