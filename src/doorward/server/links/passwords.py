"""Passwords of links: kept as scrypt digests, and never compared but in constant time."""

import hmac
import secrets
from base64 import b64decode, b64encode
from hashlib import scrypt

_N, _R, _P = 1 << 14, 8, 1  # 16 MiB and some 40 ms a try
_SALT_BYTES = 16


def digest_of(password: str) -> str:
    """Give what is stored of a password; takes tens of milliseconds, so not in the event loop."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt:{b64encode(salt).decode()}:{b64encode(_derive(password, salt)).decode()}"


def matches(password: str, digest: str) -> bool:
    """Say whether it is the password; takes as long as ``digest_of``."""
    _, salt, kept = digest.split(":")
    return hmac.compare_digest(_derive(password, b64decode(salt)), b64decode(kept))


def _derive(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode(errors="replace"), salt=salt, n=_N, r=_R, p=_P)
