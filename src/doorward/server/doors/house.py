"""What the doors may reach of the house behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from doorward.server.audit.keeping import Trail
from doorward.server.commands import Store
from doorward.server.doors.images.thumbnails import Thumbnails
from doorward.server.doors.knocks import Knocks
from doorward.server.doors.passwords import Passwords
from doorward.server.doors.transfer.watching import Watch
from doorward.server.links.urls import UrlSigner
from doorward.server.permission.caller import Caller
from doorward.server.uploads.model import Limits, Upload
from doorward.server.uploads.ports import BlobStore, PartStore


@dataclass(frozen=True, slots=True)
class House:
    """What the server is made of, as far as doors may know: made once, shared by all requests."""

    store: Store
    blobs: BlobStore
    signer: UrlSigner
    limits: Limits
    quota_bytes: int
    clock: Callable[[], datetime]
    revoked: Callable[[Caller], bool]
    knocks: Knocks
    watch: Watch
    thumbnails: Thumbnails
    passwords: Passwords
    link_seconds_max: int
    trail: Trail
    parts: PartStore | None = None

    def url_of(self, upload: Upload) -> str:
        """Give the signed URL that takes an upload's bytes."""
        return self.signer.upload_url(upload.id, upload.link_id or "", upload.url_expires_at)
