"""A token as it is put together: every step can be bent before the next, and before the signature.

So a mutation may stand behind a good signature, where the interesting ones are.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import NOON

PARTY = "https://app.example.com"
ISSUER = "https://clerk.example.com"
MISSING = object()
_HASHES = {"SHA1": SHA1, "SHA256": SHA256, "SHA384": SHA384, "SHA512": SHA512}
_DEEP = re.compile(rb'"@deep (\d+)@"')
_DIGITS = re.compile(rb'"@digits (\d+)@"')


def deep(levels: int) -> str:
    """Stand for arrays in arrays, which the JSON writer could not write."""
    return f"@deep {levels}@"


def digits(count: int) -> str:
    """Stand for a whole number of so many digits."""
    return f"@digits {count}@"


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Case:
    """One token with the options to judge it by; ``recipe`` says how it was made."""

    recipe: str
    token: str
    options: dict[str, Any]
    now: float


@dataclass
class Draft:
    """A token that is not made yet, good in every way until something bends it."""

    chance: Random
    header: dict[str, Any]
    claims: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    now: float = NOON
    header_json: list[Callable[[bytes], bytes]] = field(default_factory=list)
    payload_json: list[Callable[[bytes], bytes]] = field(default_factory=list)
    header_segment: list[Callable[[str], str]] = field(default_factory=list)
    payload_segment: list[Callable[[str], str]] = field(default_factory=list)
    signature: list[Callable[[bytes], bytes]] = field(default_factory=list)
    token: list[Callable[[str], str]] = field(default_factory=list)
    seal: str = "SHA256"
    by_stranger: bool = False


def good(chance: Random, kid: str) -> Draft:
    """Give a session token that both sides accept, of either version, with options it satisfies."""
    claims = {
        "iss": ISSUER,
        "sub": "user_1",
        "sid": "sess_1",
        "iat": int(NOON),
        "nbf": int(NOON) - 10,
        "exp": int(NOON) + 60,
        "azp": PARTY,
        "fva": [0, -1],
        "sts": "active",
    } | chance.choice(_ORGANIZATIONS)
    options = {
        name: value
        for name, value in (("authorized_parties", [PARTY]), ("issuer", ISSUER))
        if chance.random() < 0.3
    }
    header = {"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": kid, "typ": "JWT"}
    return Draft(chance, header, claims, options)


_ORGANIZATIONS = (
    {},
    {"v": 2},
    {"org_id": "org_1", "org_slug": "acme", "org_role": "org:admin", "org_permissions": ["a:b"]},
    {
        "v": 2,
        "fea": "o:files,o:seats",
        "pla": "o:pro",
        "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "read,write", "fpm": "3,1"},
    },
)


class Forge:
    """Makes tokens of drafts, with the issuer's real key or a stranger's."""

    def __init__(self, issuer: Any, stranger: Any) -> None:
        self.issuer = issuer
        self._stranger = stranger
        self._public = issuer._key.public_key()

    def make(self, draft: Draft) -> str:
        """Serialize, encode and sign a draft, each step bent as the draft says."""
        header = base64url(_bent(_json(draft.header), draft.header_json))
        header = _bent(header, draft.header_segment)
        payload = base64url(_bent(_json(draft.claims), draft.payload_json))
        payload = _bent(payload, draft.payload_segment)
        signed = f"{header}.{payload}"
        signature = _bent(self._sign(draft, signed.encode("utf-8", "replace")), draft.signature)
        return _bent(f"{signed}.{base64url(signature)}", draft.token)

    def _sign(self, draft: Draft, signed: bytes) -> bytes:
        if draft.seal == "none":
            return b""
        if draft.seal == "HMAC of the PEM":
            return hmac.digest(self.issuer.public_key_pem.encode(), signed, hashlib.sha256)
        if draft.seal == "HMAC of the DER":
            der = self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return hmac.digest(der, signed, hashlib.sha256)
        key = (self._stranger if draft.by_stranger else self.issuer)._key
        return key.sign(signed, PKCS1v15(), _HASHES[draft.seal]())


def _bent(value: Any, bends: list[Callable[[Any], Any]]) -> Any:
    for bend in bends:
        value = bend(value)
    return value


def _json(members: dict[str, Any]) -> bytes:
    there = {name: value for name, value in members.items() if value is not MISSING}
    text = json.dumps(there, separators=(",", ":")).encode()
    text = _DEEP.sub(lambda found: b"[" * int(found[1]) + b"]" * int(found[1]), text)
    return _DIGITS.sub(lambda found: b"9" * int(found[1]), text)
