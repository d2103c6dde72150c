"""Signed upload URLs: who holds one may send these bytes, until it expires, and nothing else."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from doorward.server.problems import UploadUrlExpired, UploadUrlInvalid

_PURPOSE = b"doorward upload url v1"


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Makes and judges upload URLs below ``base``, such as ``https://files.example.com``."""

    base: str
    secret: bytes

    def __repr__(self) -> str:
        return f"UrlSigner(base={self.base!r})"

    def url(self, upload_id: str, expires_at: datetime) -> str:
        """Give the URL that takes the bytes of this upload until ``expires_at``."""
        expires = int(expires_at.timestamp())
        signature = self._signature(upload_id, str(expires))
        return f"{self.base}/transfer/{upload_id}?expires={expires}&signature={signature}"

    def check(self, upload_id: str, expires: str, signature: str, now: datetime) -> None:
        """Judge a presented URL, the signature first, in constant time.

        Raises UploadUrlInvalid, and UploadUrlExpired from the very second of expiry on.
        """
        expected = self._signature(upload_id, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            raise UploadUrlInvalid
        if now >= datetime.fromtimestamp(int(expires), UTC):
            raise UploadUrlExpired

    def _signature(self, upload_id: str, expires: str) -> str:
        key = hmac.digest(self.secret, _PURPOSE, sha256)
        mac = hmac.digest(key, f"{upload_id}\n{expires}".encode(errors="replace"), sha256)
        return urlsafe_b64encode(mac).decode().rstrip("=")
