"""Keyed digests: whoever reads the rows can neither use nor guess what opens the door."""

import hmac
from hashlib import sha256


class Sealer:
    """Gives the digest of a credential under a key that is not in the database.

    ``purpose`` keeps apart what one secret of the server is used for (RFC 5869, section 3.2).
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        self.key = hmac.digest(secret, f"doorward {purpose}".encode(), sha256)

    def digest(self, text: str) -> bytes:
        """Give 32 bytes of HMAC-SHA256."""
        return hmac.digest(self.key, text.encode(), "sha256")
