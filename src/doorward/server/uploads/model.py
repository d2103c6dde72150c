"""A transfer in progress, and what its signed URL carries."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from doorward.server.files.model import OnConflict
from doorward.server.limits.plans import NO_PLANS, Plans
from doorward.server.permission.caller import Caller
from doorward.server.problems import Json
from doorward.server.workspaces.policy import NO_POLICY, Policy

# RFC 9110, section 8.3.1: type/subtype with parameters, printable ASCII only.
MEDIA_TYPE_PATTERN = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( ?;[ -~]*)?$"
OCTETS = "application/octet-stream"


class UploadStatus(StrEnum):
    """Where an upload stands; from ``complete`` on it takes no more bytes."""

    PENDING = "pending"
    RECEIVING = "receiving"
    COMPLETE = "complete"
    FAILED = "failed"
    ABORTED = "aborted"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Say whether bytes may still come."""
        return self in {UploadStatus.PENDING, UploadStatus.RECEIVING}


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What a client declares before it sends a byte; sizes in bytes.

    A ``partial`` upload never becomes a file by itself; one with ``parts`` is made of those, in
    this order. ``described`` is the metadata of a tus client as it came.
    With ``direct`` the bytes go straight to the store, in parts.
    A ``size`` of None is learned later, and is ``size_max`` at most. With ``if_version_id`` the
    file is put in the place of that version alone.
    """

    name: str
    size: int | None
    parent_id: str | None = None
    content_type: str = OCTETS
    checksum: str | None = None
    metadata: dict[str, Json] = field(default_factory=dict)
    on_conflict: OnConflict = OnConflict.RENAME
    partial: bool = False
    parts: tuple[str, ...] = ()
    described: str | None = None
    direct: bool = False
    size_max: int | None = None
    if_version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as stored.

    The first ``received_bytes`` of its bytes are durable under ``blob_key``: as many a client may
    count on. ``holder`` names the request that may add to them now, None for nobody. ``by`` is the
    caller that bought the upload, whose rights are judged again whenever bytes come. ``link_id``
    is the link that its signed URL names now. ``size`` is None until it is known, and
    ``promised_bytes`` of the quota are kept free for it while it is open.
    """

    IMPORT: ClassVar[str] = "import"
    """What the holder's id of an import begins with."""

    id: str
    workspace_id: str
    declared: NewUpload
    status: UploadStatus
    by: Caller
    created_at: datetime
    url_expires_at: datetime
    expires_at: datetime
    size: int | None = None
    promised_bytes: int = 0
    received_bytes: int = 0
    blob_key: str | None = None
    holder: str | None = None
    file_id: str | None = None
    link_id: str | None = None
    failure: str | None = None
    closed_at: datetime | None = None

    @property
    def whole(self) -> bool:
        """Say whether every byte is there, whether or not a file has come of them."""
        return self.received_bytes == self.size

    @property
    def size_max(self) -> int:
        """More bytes than these are never taken."""
        return (self.declared.size_max or 0) if self.size is None else self.size

    @property
    def imported(self) -> bool:
        """Say whether the server itself is fetching the bytes, and no client sends them."""
        return self.holder is not None and self.holder.startswith(f"{self.IMPORT}_")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows; sizes in bytes, lives in seconds, 0 days for ever.

    ``direct`` says whether the store takes parts from clients; ``plans`` what accounts may store.
    """

    upload_bytes_max: int
    url_life_seconds: int
    upload_life_seconds: int
    blob_grace_seconds: int = 3600
    bin_days: int = 30
    upload_rows_days: int = 30
    policy: Policy = NO_POLICY
    direct: bool = False
    plans: Plans = NO_PLANS
