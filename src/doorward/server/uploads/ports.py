"""What the uploads subject asks of a store."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from doorward.server.files.ports import FileTx
from doorward.server.uploads.model import Upload


class UploadRows(Protocol):
    """Uploads, open and closed."""

    def get(self, upload_id: str) -> Upload | None:
        """Give an upload; the caller asks for the way into its workspace."""

    def add(self, upload: Upload) -> None:
        """Insert an upload."""

    def put(self, upload: Upload) -> None:
        """Store status, received bytes, blob key, expiries, file and failure."""

    def overdue(self, at: datetime, limit: int) -> list[Upload]:
        """List open uploads whose life is over."""

    def receiving(self, limit: int) -> list[Upload]:
        """List uploads that say that bytes are coming."""


class BlobRows(Protocol):
    """Blobs that no row needs any more, so that a crash can't make anybody forget them."""

    def doom(self, key: str) -> None:
        """Note that the blob may go once this is durable."""

    def doomed(self, limit: int) -> list[str]:
        """List blobs that are to go."""

    def forget(self, keys: Sequence[str]) -> None:
        """Drop the notes of blobs that are gone."""


class UploadTx(FileTx, Protocol):
    """A transaction over uploads."""

    @property
    def blobs(self) -> BlobRows:
        """The blobs that are to go."""

    @property
    def uploads(self) -> UploadRows:
        """The uploads."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that are on disk: how many, and their digests."""

    size: int
    digest: str
    sha256: str | None


class Sink(Protocol):
    """One blob being written: invisible and unacknowledged until ``finish``."""

    @property
    def received_bytes(self) -> int:
        """How many bytes were taken so far."""

    async def write(self, chunk: bytes) -> None:
        """Take bytes; raises StorageFull, StorageFailed."""

    async def finish(self) -> Stored:
        """Make the bytes durable and give their digests; raises StorageFull, StorageFailed."""

    async def abort(self) -> None:
        """Forget the bytes; never raises."""


class BlobStore(Protocol):
    """Immutable bytes by key."""

    def create(self, key: str, *, sha256: bool) -> Sink:
        """Begin a blob; raises StorageFull, StorageFailed."""

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive) in chunks; raises StorageFailed."""

    def delete(self, key: str) -> None:
        """Remove a blob; nothing happens where there is none."""
