"""The disagreements that are wanted: in each of them Doorward refuses.

Either Clerk's package accepts there, or it refuses for another reason, because Doorward has judged
something before it that Clerk's package judges later or not at all. There is no other kind: what
Clerk's package refuses is never accepted.
"""

import math
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clerk.differential.peers import Compared
from doorward.clerk.tokens import TOKEN_BYTES_MAX

_FAILED = "token-verification-failed"
_TIMES = ("exp", "nbf", "iat")
_TIME_REASONS = frozenset(
    {_FAILED, "token-expired", "token-not-active-yet", "token-iat-in-the-future"}
)
_DATE_SECONDS_MAX = 8.64e12  # beyond, a Date of JavaScript is no date, and no comparison holds
_DEPTH = 100
_PAIR = re.compile(rb"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", re.IGNORECASE)
_SURROGATE = re.compile(rb"\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)
# Only after a delimiter: the hexadecimal of a key's id may look like a number too.
_EXPONENTS = re.compile(rb"(?<=[:,\[])-?[0-9.]+e\+?[0-9]+", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{4301}")  # Python reads no more of them into a number


@dataclass(frozen=True, slots=True)
class Wanted:
    """One disagreement: its name, why it is wanted, and how it is known.

    ``always`` says that whatever is known by it is refused, be it for another reason.
    """

    name: str
    why: str
    reasons: frozenset[str]
    known: Callable[[Compared], bool]
    always: bool = True

    def holds(self, compared: Compared) -> bool:
        """Say whether this is what the two disagree about."""
        return compared.ours.reason in self.reasons and self.known(compared)


def wanted(compared: Compared) -> Wanted | None:
    """Give the disagreement that is wanted here, if one is."""
    return next((one for one in WANTED if one.holds(compared)), None)


def _another_class(compared: Compared) -> bool:
    session = compared.clerks.session
    return session is not None and session.get("reason") == "token-type-mismatch"


def _padded(compared: Compared) -> bool:
    return "=" in compared.case.token


def _oversized(compared: Compared) -> bool:
    return len(compared.case.token) > TOKEN_BYTES_MAX


def _deep(compared: Compared) -> bool:
    return any(_depth(text) > _DEPTH for text in _texts(compared))


def _not_unicode(compared: Compared) -> bool:
    return any(not _is_unicode(text) for text in _texts(compared))


def _beyond_numbers(compared: Compared) -> bool:
    return any(_DIGITS.search(text) or _is_infinite(text) for text in _texts(compared))


def _no_object(compared: Compared) -> bool:
    decoded = compared.clerks.decoded
    return bool(decoded) and not all(isinstance(part, dict) for part in decoded.values())


def _critical(compared: Compared) -> bool:
    return "crit" in compared.clerks.header


def _odd_key_id(compared: Compared) -> bool:
    kid = compared.clerks.header.get("kid")
    return kid is not None and not isinstance(kid, str)


def _odd_audience(compared: Compared) -> bool:
    held = compared.clerks.payload.get("aud")
    asked = any(_listed(compared, "audience")) and held not in (None, "", [])
    return asked and not _is_names(held)


def _empty_name(compared: Compared) -> bool:
    option = "audience" if compared.ours.reason == _FAILED else "issuer"
    return "" in _listed(compared, option)


def _implausible_time(compared: Compared) -> bool:
    return any(_implausible(compared.clerks.payload.get(name)) for name in _TIMES)


WANTED = (
    Wanted(
        "class",
        "Templates, machines and unknown categories are no sessions; Clerk says so only in "
        "authenticateRequest, and there it does here too.",
        frozenset({"token-type-mismatch"}),
        _another_class,
    ),
    Wanted(
        "padding",
        "Base64url has one form, without '=' (RFC 7515, section 2), so that a token has one too.",
        frozenset({"token-invalid"}),
        _padded,
    ),
    Wanted(
        "oversized",
        "No session token has more than 16 KB.",
        frozenset({"token-invalid"}),
        _oversized,
    ),
    Wanted(
        "depth",
        "Reading what nests by the hundred leaves no stack to whatever else runs there.",
        frozenset({"token-invalid"}),
        _deep,
    ),
    Wanted(
        "text encoding",
        "JSON is UTF-8 without a BOM (RFC 8259, section 8.1), and no half of a surrogate pair is "
        "text.",
        frozenset({"token-invalid"}),
        _not_unicode,
    ),
    Wanted(
        "number size",
        "A number beyond a double is Infinity to JavaScript.",
        frozenset({"token-invalid"}),
        _beyond_numbers,
    ),
    Wanted(
        "no object",
        "Header and payload are objects (RFC 7519, section 7.2); of null, Clerk's package crashes.",
        frozenset({"token-invalid"}),
        _no_object,
    ),
    Wanted(
        "crit",
        "Extensions that are not understood are refused (RFC 7515, section 4.1.11).",
        frozenset({"token-invalid"}),
        _critical,
    ),
    Wanted(
        "kid",
        "A key id is a text (RFC 7515, section 4.1.4); of some objects Clerk's package crashes.",
        frozenset({"token-invalid"}),
        _odd_key_id,
    ),
    Wanted(
        "odd audience",
        "An audience that is neither a name nor a list of names is no audience that was asked for.",
        frozenset({_FAILED}),
        _odd_audience,
    ),
    Wanted(
        "empty name asked",
        "An empty name in an option matches nothing; to Clerk's package it is not there, so that "
        "an empty setting would check nothing.",
        frozenset({_FAILED, "token-invalid-issuer"}),
        _empty_name,
        always=False,
    ),
    Wanted(
        "implausible time",
        "Times are compared as numbers; beyond its calendar JavaScript finds every time good.",
        _TIME_REASONS,
        _implausible_time,
        always=False,
    ),
)


def _texts(compared: Compared) -> list[bytes]:
    """Give the JSON of header and payload, as far as it can be had."""
    return [_decoded(part) for part in compared.case.token.split(".")[:2]]


def _decoded(segment: str) -> bytes:
    bare = segment.rstrip("=")
    try:
        return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (Base64Error, ValueError):
        return b""


def _depth(text: bytes) -> int:
    deepest = depth = 0
    for letter in text:
        depth += (letter in b"[{") - (letter in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _is_infinite(text: bytes) -> bool:
    return any(math.isinf(float(number)) for number in _EXPONENTS.findall(text))


def _is_unicode(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return not text.startswith(b"\xef\xbb\xbf") and not _SURROGATE.search(_PAIR.sub(b"", text))


def _listed(compared: Compared, option: str) -> list[str]:
    asked = compared.case.options.get(option)
    return [asked] if isinstance(asked, str) else asked or []


def _is_names(held: Any) -> bool:
    listed = [held] if isinstance(held, str) else held
    return isinstance(listed, list) and all(isinstance(one, str) and one for one in listed)


def _implausible(held: Any) -> bool:
    if held in ({"number": "Infinity"}, {"number": "-Infinity"}):
        return True  # how the script writes a number that JSON has no form for
    is_number = isinstance(held, int | float) and not isinstance(held, bool)
    return is_number and abs(held) > _DATE_SECONDS_MAX
