"""Signed URLs of both directions: the signature proves which link it is, its row says the rest."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qs

from doorward.server.links.model import Direction
from doorward.server.problems import (
    LinkExpired,
    LinkInvalid,
    Problem,
    UploadUrlExpired,
    UploadUrlInvalid,
)

UPLOAD_PATH = "/transfer/"
DOWNLOAD_PATH = "/download/"
_PURPOSE = b"doorward signed url v2"
_FIELDS_MAX = 8
_TICKET = "ticket"
_TICKET_PARTS = 3
_REFUSALS: dict[Direction, tuple[type[Problem], type[Problem]]] = {
    Direction.UPLOAD: (UploadUrlInvalid, UploadUrlExpired),
    Direction.DOWNLOAD: (LinkInvalid, LinkExpired),
}


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request to a signed URL brings, not judged yet."""

    direction: Direction
    resource_id: str
    link_id: str
    expires: str
    signature: str
    is_ticket: bool = False

    @property
    def purpose(self) -> str:
        """What the signature is to be good for, so that a ticket is no URL and a URL no ticket."""
        return _TICKET if self.is_ticket else self.direction.value

    @classmethod
    def of_upload(cls, upload_id: str, query: bytes) -> "Presented":
        """Read the query of an upload URL; raises UploadUrlInvalid."""
        found = _query(query, "link", "expires", "signature")
        if found is None:
            raise UploadUrlInvalid
        link_id, expires, signature = found
        return cls(Direction.UPLOAD, upload_id, link_id, expires, signature)

    @classmethod
    def of_ticket(cls, upload_id: str, query: bytes) -> "Presented":
        """Read the query of a ticket's URL; raises UploadUrlInvalid."""
        found = _query(query, "ticket")
        parts = found[0].split(".") if found else []
        if len(parts) != _TICKET_PARTS:
            raise UploadUrlInvalid
        link_id, expires, signature = parts
        return cls(Direction.UPLOAD, upload_id, link_id, expires, signature, is_ticket=True)

    @classmethod
    def of_download(cls, link_id: str, query: bytes) -> "Presented":
        """Read the query of a download URL; raises LinkInvalid."""
        found = _query(query, "expires", "signature")
        if found is None:
            raise LinkInvalid
        expires, signature = found
        return cls(Direction.DOWNLOAD, "", link_id, expires, signature)


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Makes and judges signed URLs below ``base``, such as ``https://files.example.com``."""

    base: str
    secret: bytes

    def __repr__(self) -> str:
        return f"UrlSigner(base={self.base!r})"

    def upload_url(self, upload_id: str, link_id: str, expires_at: datetime) -> str:
        """Give the URL that takes the bytes of this upload until ``expires_at``."""
        expires = str(int(expires_at.timestamp()))
        signature = self._signature(Direction.UPLOAD.value, upload_id, link_id, expires)
        query = f"link={link_id}&expires={expires}&signature={signature}"
        return f"{self.base}{UPLOAD_PATH}{upload_id}?{query}"

    def download_url(self, link_id: str, expires_at: datetime) -> str:
        """Give the URL that gives the bytes of this link until ``expires_at``."""
        expires = str(int(expires_at.timestamp()))
        signature = self._signature(Direction.DOWNLOAD.value, "", link_id, expires)
        return f"{self.base}{DOWNLOAD_PATH}{link_id}?expires={expires}&signature={signature}"

    def ticket(self, upload_id: str, link_id: str, expires_at: datetime) -> str:
        """Give what takes the bytes of this upload once, at the address for tickets alone."""
        expires = str(int(expires_at.timestamp()))
        return f"{link_id}.{expires}.{self._signature(_TICKET, upload_id, link_id, expires)}"

    def check(self, url: Presented, now: datetime) -> None:
        """Judge a presented URL, the signature first, in constant time.

        Raises UploadUrlInvalid or LinkInvalid, and UploadUrlExpired or LinkExpired from the very
        second of expiry on.
        """
        invalid, expired = _REFUSALS[url.direction]
        expected = self._signature(url.purpose, url.resource_id, url.link_id, url.expires)
        if not hmac.compare_digest(expected.encode(), url.signature.encode(errors="replace")):
            raise invalid
        if now >= datetime.fromtimestamp(int(url.expires), UTC):
            raise expired

    def _signature(self, purpose: str, resource: str, link_id: str, expires: str) -> str:
        key = hmac.digest(self.secret, _PURPOSE, sha256)
        # Nothing that is signed here holds a line's end, so no message can be read as another.
        message = f"{purpose}\n{resource}\n{link_id}\n{expires}"
        mac = hmac.digest(key, message.encode(errors="replace"), sha256)
        return urlsafe_b64encode(mac).decode().rstrip("=")


def _query(query: bytes, *names: str) -> list[str] | None:
    """Give the fields, each there exactly once, else None."""
    try:
        fields = parse_qs(query.decode("latin-1"), max_num_fields=_FIELDS_MAX)
    except ValueError:  # more fields than any URL of ours has
        return None
    found = [fields.get(name, []) for name in names]
    return [values[0] for values in found] if all(len(values) == 1 for values in found) else None
