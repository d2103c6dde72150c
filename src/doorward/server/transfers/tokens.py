"""Claim tokens: 256 random bits that are told once and kept as a keyed digest."""

import hmac
import secrets
from base64 import b32encode
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "dwt_"
_BYTES = 32
_PURPOSE = b"doorward claim token v1"


@dataclass(frozen=True, slots=True)
class ClaimTokens:
    """Makes claim tokens, and the digests by which they are found again."""

    secret: bytes

    def __repr__(self) -> str:
        return "ClaimTokens()"

    def make(self) -> str:
        """Give a new token."""
        return PREFIX + b32encode(secrets.token_bytes(_BYTES)).decode().rstrip("=").lower()

    def digest(self, token: str) -> str:
        """Give what is kept of a token; without the server's secret nobody can make one fit."""
        key = hmac.digest(self.secret, _PURPOSE, sha256)
        return hmac.digest(key, token.encode(errors="replace"), sha256).hex()


def matches(kept: str, presented: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(kept.encode(), presented.encode())
