"""What the claims of a token must satisfy, judged once its signature is good.

The checks stand in Clerk's order and give Clerk's reasons. Deliberately stricter: numbers are
finite and plausible, an odd ``aud`` is refused, an empty name is nobody's, and a machine's token
is no session.
Source: ``verifyToken``, ``verifyM2MJwt`` and ``verifyOAuthJwt`` of Clerk's JavaScript SDK.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from doorward.clerk.errors import (
    ENSURE_CLERK_JWT,
    ENSURE_CLOCK,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.tokens import shown, type_mismatch
from doorward.identity.credentials import CredentialShape

CLOCK_SKEW_DEFAULT = 5.0
_SECONDS_MAX = 1 << 53
_NO_TIME = -math.inf
_ABSENT: Any = object()
_AUDIENCE = "Invalid JWT audience claim (aud)."


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must satisfy beyond its signature; an empty set checks nothing.

    ``clock_skew`` is in seconds. ``templates`` lets JWT-template tokens pass as sessions, which
    say less of a session and may live for years.
    """

    authorized_parties: frozenset[str] = frozenset()
    audience: frozenset[str] = frozenset()
    issuer: frozenset[str] = frozenset()
    clock_skew: float = CLOCK_SKEW_DEFAULT
    templates: bool = False


def check_claims(
    claims: Mapping[str, Any],
    kind: CredentialShape,
    rules: Rules,
    now: float,
    *,
    party_may_be_absent: bool = False,
) -> tuple[float, float]:
    """Judge the claims of a token whose signature is good; ``now`` in seconds since 1970.

    Gives from when and until when the token counts. Raises TokenVerificationError with the first
    reason in Clerk's order.
    """
    check_subject(claims, kind)
    if rules.audience and kind is CredentialShape.OAUTH:
        check_audience_strictly(claims, rules.audience)
    elif rules.audience:
        check_audience(claims, rules.audience)
    if kind is CredentialShape.SESSION:
        if rules.authorized_parties:
            check_party(claims, rules, may_be_absent=party_may_be_absent)
        if rules.issuer:
            check_issuer(claims, rules.issuer)
    skew = rules.clock_skew
    expires = check_expiry(claims, skew, now)
    active, issued = check_not_before(claims, skew, now), check_issued_at(claims, skew, now)
    return max(active, issued), expires


def check_party(claims: Mapping[str, Any], rules: Rules, *, may_be_absent: bool) -> None:
    """Judge ``azp``, whose page the token was made for; raises TokenVerificationError.

    Clerk leaves it out of cookies that it sets on a top-level navigation, so there it may be
    absent, and nowhere else.
    """
    party, parties = claims.get("azp"), rules.authorized_parties
    if party is None and may_be_absent:
        return
    if not isinstance(party, str) or not party or party not in parties:
        raise TokenVerificationError(
            Reason.INVALID_AUTHORIZED_PARTIES,
            f"Invalid JWT Authorized party claim (azp) {shown(party)}. "
            f'Expected "{",".join(sorted(parties))}".',
        )


def check_subject(claims: Mapping[str, Any], kind: CredentialShape) -> None:
    """Make sure that the token speaks for one of its class; raises TokenVerificationError."""
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise _failed(
            f"Subject claim (sub) is required and must be a string. Received {shown(subject)}."
        )
    if subject.startswith("mch_") is not (kind is CredentialShape.M2M):
        raise type_mismatch()


def check_audience(claims: Mapping[str, Any], audience: frozenset[str]) -> None:
    """Compare only where the token has an audience, as Clerk does; an odd one never passes.

    Raises TokenVerificationError.
    """
    held = claims.get("aud")
    if held is None or held in ("", []):
        return
    listed = _listed(held)
    if listed is None or audience.isdisjoint(name for name in listed if name):
        raise _failed(_AUDIENCE)


def check_audience_strictly(claims: Mapping[str, Any], audience: frozenset[str]) -> None:
    """Ask for an audience among these, and for none without a name beside it.

    Raises TokenVerificationError.
    """
    listed = _listed(claims.get("aud"))
    if listed is None or not all(listed) or audience.isdisjoint(listed):
        raise _failed(_AUDIENCE)


def _listed(audience: Any) -> list[str] | None:
    """Give the names of an audience, None for an odd one."""
    listed = [audience] if isinstance(audience, str) else audience
    named = isinstance(listed, list) and all(isinstance(one, str) for one in listed)
    return listed if named else None


def check_issuer(claims: Mapping[str, Any], issuer: frozenset[str]) -> None:
    """Make sure that one of these issued the token; raises TokenVerificationError."""
    held = claims.get("iss")
    if not isinstance(held, str) or not held or held not in issuer:
        raise TokenVerificationError(
            Reason.INVALID_ISSUER, "Invalid JWT issuer claim (iss).", ENSURE_CLERK_JWT
        )


def check_expiry(claims: Mapping[str, Any], skew: float, now: float) -> float:
    """Make sure that the token says when it ends and has not, and give when.

    Raises TokenVerificationError.
    """
    expires = _seconds(claims, "exp")
    if expires == _NO_TIME:
        raise _failed("Invalid JWT expiry date claim (exp). It is required.")
    if not expires > now - skew:
        raise TokenVerificationError(
            Reason.EXPIRED,
            f"JWT is expired. Expiry date: {_utc(expires)}, Current date: {_utc(now)}.",
        )
    return expires


def check_not_before(claims: Mapping[str, Any], skew: float, now: float) -> float:
    """Make sure that the token's time has begun, and give when; raises TokenVerificationError."""
    active = _seconds(claims, "nbf")
    if not active <= now + skew:
        raise TokenVerificationError(
            Reason.NOT_ACTIVE_YET,
            "JWT cannot be used prior to not before date claim (nbf). "
            f"Not before date: {_utc(active)}; Current date: {_utc(now)};",
        )
    return active


def check_issued_at(claims: Mapping[str, Any], skew: float, now: float) -> float:
    """Make sure that the token was issued in the past, and give when.

    Raises TokenVerificationError.
    """
    issued = _seconds(claims, "iat")
    if not issued <= now + skew:
        raise TokenVerificationError(
            Reason.IAT_IN_THE_FUTURE,
            "JWT issued at date claim (iat) is in the future. "
            f"Issued at date: {_utc(issued)}; Current date: {_utc(now)};",
            ENSURE_CLOCK,
        )
    return issued


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """Read a NumericDate, its fraction cut off; anything odd is refused."""
    value: Any = claims.get(name, _ABSENT)
    if type(value) is int and -_SECONDS_MAX <= value <= _SECONDS_MAX:
        return value
    if value is _ABSENT:
        return _NO_TIME
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _failed(f"Invalid JWT date claim ({name}). Expected a number.")
    if not abs(value) <= _SECONDS_MAX:  # also for what is no number, and integers beyond floats
        raise _failed(f"Invalid JWT date claim ({name}). It is no plausible time.")
    return float(math.trunc(value))


def _utc(seconds: float) -> str:
    try:
        return formatdate(seconds, usegmt=True)
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"


def _failed(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.VERIFICATION_FAILED, message, ENSURE_CLERK_JWT)
