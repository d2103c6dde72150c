"""What the doors may reach of the house behind them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from doorward.server.audit.keeping import Trail
from doorward.server.commands import Store
from doorward.server.doors.identity import Identities
from doorward.server.doors.images.thumbnails import Thumbnails
from doorward.server.doors.knocks import Knocks
from doorward.server.doors.limits.limiting import Limiting
from doorward.server.doors.limits.metering import Metering
from doorward.server.doors.limits.moving import Moving
from doorward.server.doors.passage import Passage
from doorward.server.doors.passwords import Passwords
from doorward.server.doors.transfer.watching import Watch
from doorward.server.doors.uses import KeyUses
from doorward.server.keys.sealing import Sealer
from doorward.server.links.urls import UrlSigner
from doorward.server.permission.caller import Caller
from doorward.server.tokens.signing import TokenSigner
from doorward.server.transfers.tokens import ClaimTokens
from doorward.server.uploads.model import Limits, Upload
from doorward.server.uploads.ports import BlobStore, PartStore
from doorward.server.usage.costs import Meter


@dataclass(frozen=True, slots=True)
class HandingOver:
    """How workspaces are handed over: by which tokens, and how long offers and undoing last."""

    tokens: ClaimTokens
    offer_seconds_max: int
    undo_seconds: int


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
    passage: Passage
    thumbnails: Thumbnails
    passwords: Passwords
    uses: KeyUses
    identities: Identities
    sealer: Sealer
    tokens: TokenSigner
    link_seconds_max: int
    key_proved_seconds_max: int
    delegated_seconds: int
    end_token: Callable[[str], Awaitable[None]]
    limiting: Limiting
    metering: Metering
    handing_over: HandingOver
    trail: Trail
    parts: PartStore | None = None
    challenge: str = ""
    """What a challenge adds, so that a client finds out who issues tokens (RFC 9728)."""

    def url_of(self, upload: Upload) -> str:
        """Give the signed URL that takes an upload's bytes."""
        return self.signer.upload_url(upload.id, upload.link_id or "", upload.url_expires_at)

    def moving(self, who: Caller, meter: Meter) -> Moving:
        """Give what pays for the bytes of one request, and counts them."""
        return Moving(self.limiting, self.metering, who, meter)
