"""The verifier of session tokens: Clerk's checks in Clerk's order, with Clerk's reasons.

Source: ``verifyToken`` of Clerk's JavaScript backend SDK. Deliberately stricter: only session
tokens pass (no template, machine or OAuth token, all signed by the same key), base64url has one
form, header and payload are objects, ``crit`` is refused (RFC 7515, section 4.1.11), numbers are
finite and plausible, an odd ``aud`` is refused.
"""

import math
from base64 import b64encode, urlsafe_b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import msgspec

from doorward.clerk.claims import Claims
from doorward.clerk.errors import (
    ENSURE_CLERK_JWT,
    ENSURE_CLOCK,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.keys import PublicKey

TOKEN_BYTES_MAX = 16 * 1024
CLOCK_SKEW_DEFAULT = 5.0
_SUPPORTED = ("RS256", "RS384", "RS512")
_SESSION_CATEGORIES = frozenset({"cl_B7d4PD111AAA", "cl_I7d4PD111III"})
_TEMPLATE_CATEGORY = "cl_B7d4PD222AAA"
_M2M_CATEGORY = "cl_B7d4PD333AAA"
_SECONDS_MAX = 1 << 53
_decode_json = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must satisfy beyond its signature; an empty set checks nothing.

    ``clock_skew`` is in seconds. ``templates`` lets JWT-template tokens pass, which say less of a
    session and may live for years.
    """

    authorized_parties: frozenset[str] = frozenset()
    audience: frozenset[str] = frozenset()
    issuer: frozenset[str] = frozenset()
    clock_skew: float = CLOCK_SKEW_DEFAULT
    templates: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A token taken apart: nothing in it is to be believed yet."""

    kid: str | None
    algorithm: str
    claims: Claims
    signature: bytes
    signed: bytes


def parse(token: str, rules: Rules) -> Parsed:
    """Take a token apart and judge its form, header and class.

    Raises TokenVerificationError: ``token-invalid``, ``token-invalid-algorithm``,
    ``token-type-mismatch``.
    """
    parts = token.split(".") if len(token) <= TOKEN_BYTES_MAX and token.isascii() else []
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515, section 7.1
        raise _invalid("Invalid JWT form. A JWT consists of three parts separated by dots.")
    header, payload = _json_object(parts[0]), _json_object(parts[1])
    signature = _base64url(parts[2])
    _check_category(header, rules)
    _check_type(header)
    algorithm = _checked_algorithm(header)
    kid = header.get("kid")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Parsed(
        kid if isinstance(kid, str) else None, algorithm, Claims(payload), signature, signed
    )


def check_signature(parsed: Parsed, key: PublicKey) -> None:
    """Make sure that the key signed these very bytes; raises TokenVerificationError."""
    if parsed.algorithm != "RS256":
        raise _failed("Error verifying JWT signature: the key is for RS256.")
    if not key.verifies(parsed.signature, parsed.signed):
        raise TokenVerificationError(Reason.INVALID_SIGNATURE, "JWT signature is invalid.")


def check_claims(claims: Claims, rules: Rules, now: float) -> None:
    """Judge the claims of a token whose signature is good; ``now`` in seconds since 1970.

    Raises TokenVerificationError with the first reason in Clerk's order.
    """
    _check_subject(claims)
    if rules.audience:
        _check_audience(claims, rules.audience)
    if rules.authorized_parties:
        _check_party(claims, rules.authorized_parties)
    if rules.issuer:
        _check_issuer(claims, rules.issuer)
    _check_times(claims, rules.clock_skew, now)


def _check_category(header: dict[str, Any], rules: Rules) -> None:
    if "cat" not in header:
        return
    category = header["cat"]
    if category == _M2M_CATEGORY:
        raise _invalid("Invalid session token category.")
    allowed = isinstance(category, str) and category in _SESSION_CATEGORIES
    if not allowed and not (rules.templates and category == _TEMPLATE_CATEGORY):
        raise _mismatch()


def _check_type(header: dict[str, Any]) -> None:
    if "typ" in header and header["typ"] != "JWT":
        raise _invalid(f'Invalid JWT type {_shown(header["typ"])}. Expected "JWT".')
    if "crit" in header:
        raise _invalid("The JWT asks for extensions (crit) that are not understood.")


def _checked_algorithm(header: dict[str, Any]) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _SUPPORTED:
        raise TokenVerificationError(
            Reason.INVALID_ALGORITHM,
            f"Invalid JWT algorithm {_shown(algorithm)}. Supported: {','.join(_SUPPORTED)}.",
            ENSURE_CLERK_JWT,
        )
    return algorithm


def _check_subject(claims: Claims) -> None:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise _failed(
            f"Subject claim (sub) is required and must be a string. Received {_shown(subject)}."
        )
    if subject.startswith("mch_"):
        raise _mismatch()


def _check_audience(claims: Claims, audience: frozenset[str]) -> None:
    """Compare only where the token has an audience, as Clerk does; an odd one never passes."""
    held = claims.get("aud")
    if held is None or held in ("", []):
        return
    listed = [held] if isinstance(held, str) else held
    named = isinstance(listed, list) and all(isinstance(one, str) for one in listed)
    if not named or audience.isdisjoint(listed):
        raise _failed("Invalid JWT audience claim (aud).")


def _check_party(claims: Claims, parties: frozenset[str]) -> None:
    party = claims.get("azp")
    if not isinstance(party, str) or party not in parties:
        raise TokenVerificationError(
            Reason.INVALID_AUTHORIZED_PARTIES,
            f"Invalid JWT Authorized party claim (azp) {_shown(party)}. "
            f'Expected "{",".join(sorted(parties))}".',
        )


def _check_issuer(claims: Claims, issuer: frozenset[str]) -> None:
    held = claims.get("iss")
    if not isinstance(held, str) or held not in issuer:
        raise TokenVerificationError(
            Reason.INVALID_ISSUER, "Invalid JWT issuer claim (iss).", ENSURE_CLERK_JWT
        )


def _check_times(claims: Claims, skew: float, now: float) -> None:
    expires = _seconds(claims, "exp")
    if expires is None:
        raise _failed("Invalid JWT expiry date claim (exp). It is required.")
    if expires <= now - skew:
        raise TokenVerificationError(
            Reason.EXPIRED,
            f"JWT is expired. Expiry date: {_utc(expires)}, Current date: {_utc(now)}.",
        )
    active = _seconds(claims, "nbf")
    if active is not None and active > now + skew:
        raise TokenVerificationError(
            Reason.NOT_ACTIVE_YET,
            "JWT cannot be used prior to not before date claim (nbf). "
            f"Not before date: {_utc(active)}; Current date: {_utc(now)};",
        )
    issued = _seconds(claims, "iat")
    if issued is not None and issued > now + skew:
        raise TokenVerificationError(
            Reason.IAT_IN_THE_FUTURE,
            "JWT issued at date claim (iat) is in the future. "
            f"Issued at date: {_utc(issued)}; Current date: {_utc(now)};",
            ENSURE_CLOCK,
        )


def _seconds(claims: Claims, name: str) -> int | None:
    """Read a NumericDate, its fraction cut off; absent is None and anything odd is refused."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _failed(f"Invalid JWT date claim ({name}). Expected a number.")
    if not math.isfinite(value) or abs(value) > _SECONDS_MAX:
        raise _failed(f"Invalid JWT date claim ({name}). It is no plausible time.")
    return math.trunc(value)


def _json_object(segment: str) -> dict[str, Any]:
    try:
        decoded = _decode_json(_base64url(segment))
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise _invalid("Invalid JWT form. Header and payload must be JSON.") from exc
    if not isinstance(decoded, dict):
        raise _invalid("Invalid JWT form. Header and payload must be JSON objects.")
    return decoded


def _base64url(segment: str) -> bytes:
    """Decode base64url in its one canonical form: no padding, no other letters, no spare bits."""
    try:
        data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except Base64Error as exc:
        raise _invalid("Invalid JWT form. A part is not base64url.") from exc
    if b64encode(data, b"-_").rstrip(b"=").decode() != segment:
        raise _invalid("Invalid JWT form. A part is not base64url.")
    return data


def _utc(seconds: float) -> str:
    try:
        return formatdate(seconds, usegmt=True)
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"


def _shown(value: Any) -> str:
    """Show a claim that the caller sent, bounded."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004


def _invalid(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.INVALID, message, ENSURE_CLERK_JWT)


def _failed(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.VERIFICATION_FAILED, message, ENSURE_CLERK_JWT)


def _mismatch() -> TokenVerificationError:
    return TokenVerificationError(Reason.TYPE_MISMATCH, "The token is not a session token.")
