"""A token taken apart: its one canonical form, its header, its class and its signature.

Nothing in a token is to be believed before its signature is good, and its claims are judged in
``rules``. Source: RFC 7515 (JWS), RFC 7519 (JWT) and ``verifyToken`` of Clerk's JavaScript SDK.
Deliberately stricter: base64url has one form, header and payload are objects in valid UTF-8, and
``crit`` and a ``kid`` that is no text are refused (RFC 7515, sections 4.1.11 and 4.1.4).
"""

import math
import string
from typing import Any

import msgspec

from doorward.clerk.claims import Claims
from doorward.clerk.errors import (
    ENSURE_CLERK_JWT,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.json_texts import NotAnObject, read_object
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

# base64url's letters made base64's; any other byte becomes a letter of neither.
_LETTERS = (string.ascii_letters + string.digits).encode()
_TO_BASE64 = bytes(
    byte if byte in _LETTERS else {0x2D: 0x2B, 0x5F: 0x2F}.get(byte, 0x21) for byte in range(256)
)
_AFTER = (b'"', b'"', b'=="', b'="')
# The last letter of a part whose length is 2 or 3 modulo 4 carries bits that must be zero; no
# part has a length of 1 modulo 4.
_LAST_LETTERS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")

# A JSON text of base64 is decoded three times as fast as by binascii.
_decode_base64 = msgspec.json.Decoder(bytes).decode


class Header:
    """The header of a token, read; ``good_as`` holds the classes it was found good for.

    Its two tuples are those without and with template tokens as sessions.
    """

    __slots__ = ("good_as", "is_oauth", "kid", "parameters")

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.kid = _key_id(parameters.get("kid"))
        typ = parameters.get("typ")
        self.is_oauth = isinstance(typ, str) and typ in _OAUTH_TYPES
        self.good_as: list[tuple[CredentialShape | None, ...]] = [(), ()]


class Token:
    """A token taken apart, and what is known of it for good.

    ``kind`` is the class that it claims to be of. ``key`` is the one that was seen to have signed
    it. Once it was judged good, ``begins`` and ``expires`` say when it counts, in seconds since
    1970, and ``party`` whose page it was made for; before, it never begins.
    """

    __slots__ = (
        "begins",
        "expires",
        "header",
        "key",
        "kind",
        "party",
        "payload",
        "principal",
        "raw",
        "signature",
        "signed",
    )

    def __init__(
        self,
        raw: bytes,
        header: Header,
        payload: dict[str, Any],
        signature: bytes,
        signed: bytes,
    ) -> None:
        self.raw = raw
        self.header = header
        self.payload = payload
        self.signature = signature
        self.signed = signed
        self.kind = _kind(header, payload)
        self.key: PublicKey | None = None
        self.party: str | None = None
        self.begins = math.inf
        self.expires = 0.0
        self.principal: Principal | None = None

    def __repr__(self) -> str:
        return f"Token({self.claims!r})"

    @property
    def claims(self) -> Claims:
        """What the token says, to be handed out once it was judged good."""
        return Claims(self.payload)


def parse(text: str | bytes) -> Token:
    """Take a token apart; raises TokenVerificationError ``token-invalid``."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    signed, _, signature = raw.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if not payload or b"." in payload or len(raw) > TOKEN_BYTES_MAX:  # RFC 7515, section 7.1
        raise _invalid("Invalid JWT form. A JWT consists of three parts separated by dots.")
    return Token(
        raw,
        _headers.get(header) or _read_header(header),
        _json_object(payload),
        _decoded(signature),
        signed,
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
    if kind in header.good_as[templates]:
        return
    if kind is not None:
        _CATEGORY_CHECKS[kind](header.parameters, templates)
        _check_type(header, kind)
    if "crit" in header.parameters:
        raise _invalid("The JWT asks for extensions (crit) that are not understood.")
    _check_algorithm(header.parameters.get("alg"))
    header.good_as[templates] += (kind,)


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


def _kind(header: Header, payload: dict[str, Any]) -> CredentialShape:
    """Tell the class in Clerk's order: machine, OAuth, else session."""
    subject = payload.get("sub")
    if type(subject) is str and subject.startswith(_MACHINE_PREFIX):
        return CredentialShape.M2M
    return CredentialShape.OAUTH if header.is_oauth else CredentialShape.SESSION


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


def _check_type(header: Header, kind: CredentialShape) -> None:
    typ = header.parameters.get("typ")
    if kind is CredentialShape.OAUTH:
        if not header.is_oauth:
            raise _invalid(f'Invalid JWT type {shown(typ)}. Expected "at+jwt".')
    elif typ != "JWT" and "typ" in header.parameters:
        raise _invalid(f'Invalid JWT type {shown(typ)}. Expected "JWT".')


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
        return read_object(_decoded(part))
    except NotAnObject as exc:
        raise _invalid(f"Invalid JWT form. A header or payload is {exc}.") from exc


def _decoded(part: bytes) -> bytes:
    """Decode base64 in its one canonical form: no padding, no other letters, no spare bits."""
    part = part.translate(_TO_BASE64)
    spare = len(part) & 3
    if spare and part[-1] not in _LAST_LETTERS[spare]:
        raise _invalid("Invalid JWT form. A part is not base64url.")
    try:
        return _decode_base64(b'"' + part + _AFTER[spare])
    except msgspec.ValidationError as exc:
        raise _invalid("Invalid JWT form. A part is not base64url.") from exc


def _invalid(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.INVALID, message, ENSURE_CLERK_JWT)
