"""Signs tokens as Clerk does: every class that an instance issues, all with its one key."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import digest
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PORT_DEFAULT = 8041
SESSION = {"cat": "cl_B7d4PD111AAA"}
TEMPLATE = {"cat": "cl_B7d4PD222AAA"}
MACHINE = {"cat": "cl_B7d4PD333AAA"}
OAUTH = {"typ": "at+jwt"}
_NOT_BEFORE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Active:
    """The organization that a session's token carries."""

    id: str
    slug: str
    role: str
    permissions: tuple[str, ...]


class Issuer:
    """One signing key and the name that its tokens carry."""

    def __init__(self, key: RSAPrivateKey, name: str) -> None:
        self._key = key
        self.name = name
        public = key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.public_key_pem = pem.decode()
        self.kid = f"ins_{sha256(pem).hexdigest()[:27]}"

    def jwks(self) -> dict[str, Any]:
        """Give the JWK Set (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        jwk = {"use": "sig", "kty": "RSA", "kid": self.kid, "alg": "RS256"}
        return {"keys": [jwk | {"n": _integer(numbers.n), "e": _integer(numbers.e)}]}

    def claims(self, subject: str, now: float, ttl: float) -> dict[str, Any]:
        """Give what every token says: by whom, of whom, and when it is good."""
        issued = int(now)
        return {
            "iss": self.name,
            "sub": subject,
            "iat": issued,
            "nbf": issued - _NOT_BEFORE_SECONDS,
            "exp": issued + int(ttl),
            "jti": token_hex(10),
        }

    def sign(
        self, claims: Mapping[str, Any], header: Mapping[str, Any], *, category: bool = True
    ) -> str:
        """Sign any claims with any header over that of a session token.

        ``category``: whether there is one, which OAuth tokens have not.
        """
        first = {"alg": "RS256"} | (SESSION if category else {})
        first |= {"kid": self.kid, "typ": "JWT"} | dict(header)
        signed = f"{_segment(first)}.{_segment(claims)}"
        signature = self._key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_base64url(signature)}"


@dataclass(frozen=True, slots=True)
class Instance:
    """What Clerk calls an instance: one key that signs, one from which secrets are made."""

    issuer: Issuer
    derivation_key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Its id, which is that of the signing key too."""
        return self.issuer.kid

    def secret(self, about: str) -> bytes:
        """Give 32 secret bytes for one purpose.

        A secret that can be made again need not be kept: the file holds digests alone.
        """
        return digest(self.derivation_key, about.encode(), "sha256")


def organization_v1(active: Active | None) -> dict[str, Any]:
    """Give the organization's claims as Clerk's version 1 has them."""
    if active is None:
        return {}
    return {
        "org_id": active.id,
        "org_slug": active.slug,
        "org_role": active.role,
        "org_permissions": list(active.permissions),
    }


def organization_v2(active: Active | None) -> dict[str, Any]:
    """Pack the organization as Clerk's version 2 does: a bit mask of permissions per feature."""
    claims: dict[str, Any] = {"v": 2}
    if active is None:
        return claims
    compact = {"id": active.id, "slg": active.slug, "rol": active.role.removeprefix("org:")}
    held = [permission.removeprefix("org:").rpartition(":") for permission in active.permissions]
    features = list(dict.fromkeys(feature for feature, _, _ in held))
    names = list(dict.fromkeys(name for _, _, name in held))
    if features:
        masks = [
            sum(1 << names.index(name) for name in {n for f, _, n in held if f == feature})
            for feature in features
        ]
        claims["fea"] = ",".join(f"o:{feature}" for feature in features)
        compact |= {"per": ",".join(names), "fpm": ",".join(map(str, masks))}
    return claims | {"o": compact}


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _integer(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
