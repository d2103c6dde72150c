"""Public keys that tokens are verified with: RSA of 2048 bits or more, and nothing else."""

import binascii
import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

_BITS_MIN = 2048
_BITS_MAX = 8192
_PADDING = PKCS1v15()
_HASH = SHA256()
_ARMOUR = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")


class KeyUnreadable(ValueError):
    """A key could not be read; the message says what to paste instead."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One verification key; ``fingerprint`` tells keys apart whatever they call themselves."""

    key: RSAPublicKey
    fingerprint: bytes

    @classmethod
    def of(cls, key: object) -> "PublicKey":
        """Take a parsed key; raises KeyUnreadable for any but RSA of 2048 bits or more.

        Also for one whose private half can be computed from it.
        """
        if not isinstance(key, RSAPublicKey):
            raise KeyUnreadable("It is not an RSA key, and Clerk signs with RSA.")
        if not _BITS_MIN <= key.key_size <= _BITS_MAX:
            raise KeyUnreadable(f"It has {key.key_size} bits; RSA keys of 2048 or more are taken.")
        if _is_faulty(key.public_numbers().n):
            raise KeyUnreadable("A faulty chip made it (ROCA), so it can be broken.")
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(key, sha256(der).digest())

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Say whether this is RSASSA-PKCS1-v1_5 with SHA-256 over these bytes (RFC 7518, 3.3)."""
        try:
            self.key.verify(signature, signed, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


def _is_faulty(modulus: int) -> bool:
    """Say whether a modulus looks like those of CVE-2017-15361.

    Modulo every small prime they leave what some power of 65537 leaves.
    """
    return all(modulus % prime in residues for prime, residues in _faulty_residues())


@cache
def _faulty_residues() -> list[tuple[int, frozenset[int]]]:
    primes = [n for n in range(3, 168) if all(n % divisor for divisor in range(2, n))]
    return [
        (prime, frozenset(pow(65537, power, prime) for power in range(prime))) for prime in primes
    ]


def read_pem(text: str) -> PublicKey:
    r"""Read a public key as people paste it.

    Takes PEM over lines or in one, with ``\n`` written out, in quotes, without its armour, or in
    base64 once more. Raises KeyUnreadable.
    """
    body = text.strip().strip("'\"").replace("\\r", "").replace("\\n", "\n")
    der = _der(_ARMOUR.sub("", body))
    inner = _armoured(der)
    try:
        key = load_der_public_key(_der(_ARMOUR.sub("", inner)) if inner else der)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise KeyUnreadable(
            "It is not a public key in PEM form ('-----BEGIN PUBLIC KEY-----' …)."
        ) from exc
    return PublicKey.of(key)


def _der(body: str) -> bytes:
    compact = "".join(body.split())
    try:
        return b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise KeyUnreadable("It holds characters that no PEM key has.") from exc


def _armoured(der: bytes) -> str | None:
    return der.decode("ascii", errors="replace") if der.startswith(b"-----BEGIN") else None


def read_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Read one JWK (RFC 7517, RFC 7518 section 6.3.1).

    Raises KeyUnreadable: not RSA, not for signatures, or not for RS256.
    """
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig":
        raise KeyUnreadable("The JWK is not an RSA signature key.")
    operations = jwk.get("key_ops", ["verify"])
    for_verifying = isinstance(operations, list) and "verify" in operations
    if jwk.get("alg", "RS256") != "RS256" or not for_verifying:
        raise KeyUnreadable("The JWK is not for RS256.")
    try:
        numbers = RSAPublicNumbers(_integer(jwk.get("e")), _integer(jwk.get("n")))
        return PublicKey.of(numbers.public_key())
    except KeyUnreadable:
        raise
    except (ValueError, TypeError) as exc:
        raise KeyUnreadable("The JWK's numbers are not those of an RSA key.") from exc


def _integer(text: Any) -> int:
    """Read base64url without padding, and only in its one canonical form."""
    if not isinstance(text, str):
        raise KeyUnreadable("The JWK misses a number.")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64encode(data, b"-_").rstrip(b"=").decode() != text:
        raise KeyUnreadable("The JWK's numbers are not base64url.")
    return int.from_bytes(data, "big")
