"""Signed URLs of S3 requests: AWS Signature Version 4, its form for the query of a URL.

``obstore`` signs plain requests for whole objects only, and the one library that signs parts of an
object brings all of a cloud's client with it.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one region in the name of one key, which its representation does not show."""

    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def presigned(
        self,
        method: str,
        address: str,
        query: Mapping[str, str],
        *,
        at: datetime,
        life_seconds: int,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Give the URL that makes this one request possible for whoever holds it, for a while.

        ``address`` has its path encoded already. A request must carry ``headers`` (lower case) as
        they are signed here, and may have any body.
        """
        parts = urlsplit(address)
        signed = {"host": parts.netloc, **(headers or {})}
        names = ";".join(sorted(signed))
        scope = f"{at:%Y%m%d}/{self.region}/s3/aws4_request"
        whole = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key_id}/{scope}",
            "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(life_seconds),
            "X-Amz-SignedHeaders": names,
        }
        if self.session_token is not None:
            whole["X-Amz-Security-Token"] = self.session_token
        pairs = sorted((_encoded(name), _encoded(value)) for name, value in whole.items())
        encoded = "&".join(f"{name}={value}" for name, value in pairs)
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        request = f"{method}\n{parts.path}\n{encoded}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        digest = sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{whole['X-Amz-Date']}\n{scope}\n{digest}"
        signature = hmac.new(self._key(at), text.encode(), sha256).hexdigest()
        return f"{address}?{encoded}&X-Amz-Signature={signature}"

    def _key(self, at: datetime) -> bytes:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (f"{at:%Y%m%d}", self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
