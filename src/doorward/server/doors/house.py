"""What the doors may reach of the house behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from doorward.server.commands import Store
from doorward.server.doors.knocks import Knocks
from doorward.server.permission.caller import Caller
from doorward.server.uploads.model import Limits
from doorward.server.uploads.ports import BlobStore
from doorward.server.uploads.urls import UrlSigner


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
