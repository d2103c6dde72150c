"""What the uploads subject asks of a store."""

from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from doorward.server.files.model import Content
from doorward.server.links.ports import LinkTx
from doorward.server.uploads.model import Upload


class UploadRows(Protocol):
    """Uploads, open and closed."""

    def get(self, upload_id: str) -> Upload | None:
        """Give an upload; the caller asks for the way into its workspace."""

    def add(self, upload: Upload) -> None:
        """Insert an upload."""

    def put(self, upload: Upload) -> None:
        """Store status, received bytes, blob key, holder, expiries, file, link and failure."""

    def holders(self, upload_ids: Collection[str]) -> dict[str, str | None]:
        """Say who holds each of these uploads, as far as they are there."""

    def count_open(self, workspace_id: str) -> int:
        """Say how many uploads of a workspace may still become files."""

    def overdue(self, at: datetime, limit: int) -> list[Upload]:
        """List open uploads whose life is over."""

    def receiving(self, limit: int) -> list[Upload]:
        """List uploads that say that bytes are coming."""


class BlobRows(Protocol):
    """Blobs that no row needs any more, so that a crash can't make anybody forget them."""

    def doom(self, key: str) -> None:
        """Note that the blob may go once this is durable: it never was anybody's."""

    def release(self, workspace_id: str, contents: Sequence[Content], due: datetime) -> None:
        """Note that those of the blobs that no version names any more may go from ``due`` on."""

    def is_due(self, at: datetime) -> bool:
        """Say whether there is a blob to go."""

    def claim(self, at: datetime, limit: int) -> list[str]:
        """Give blobs that go now, so that nothing can name them any more.

        A note on a blob that is named after all is dropped instead.
        """

    def forget(self, keys: Sequence[str]) -> None:
        """Drop the notes of blobs that are gone."""


class UploadTx(LinkTx, Protocol):
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


Forget = Callable[[int], Coroutine[Any, Any, object]]


class BlobHeld(Exception):
    """Another request writes to the blob and has not let go of it yet."""


class Sink(Protocol):
    """A blob being written by one request alone: unacknowledged beyond what is ``durable``."""

    @property
    def position(self) -> int:
        """Where in the blob the next byte belongs."""

    @property
    def durable(self) -> int:
        """How many bytes of the blob are durable, as far as is known."""

    async def open(self) -> None:
        """Make sure that nobody else writes; raises BlobHeld, StorageFull, StorageFailed."""

    def begin(self, *, known: int, start: int) -> None:
        """Say how many bytes are durable, and where the first that comes belongs.

        Bytes before ``known`` are compared with what is there and not written again. Where they
        differ, ``forget`` is awaited with how many are the same, and the rest is written anew.
        """

    async def write(self, chunk: bytes) -> None:
        """Take bytes; raises StorageFull, StorageFailed."""

    def sync_behind(self) -> None:
        """Begin to make durable what was stored by now, beside the writing of what comes."""

    async def sync(self) -> int | None:
        """Make what was taken durable, and give how many bytes of the blob are.

        After a failure those that are all the same; None where ``begin`` was never called. Raises
        StorageFailed.
        """

    async def finish(self) -> Stored:
        """Make the whole blob durable and give its digests; raises StorageFull, StorageFailed."""

    async def close(self) -> None:
        """Let go of the blob; never raises."""

    async def discard(self) -> None:
        """Let go of the blob and remove it; never raises."""


class BlobStore(Protocol):
    """Immutable bytes by key."""

    def receive(self, key: str, *, sha256: bool, forget: Forget) -> Sink:
        """Give what writes on a blob."""

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive) in chunks; raises StorageFailed."""

    async def size(self, key: str) -> int | None:
        """Say how many bytes a blob has, None where there is none; raises StorageFailed."""

    def delete(self, key: str) -> None:
        """Remove a blob; nothing happens where there is none."""
