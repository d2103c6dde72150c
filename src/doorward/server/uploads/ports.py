"""What the uploads subject asks of a store."""

from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from doorward.server.files.model import Content
from doorward.server.links.ports import LinkTx
from doorward.server.uploads.model import Upload
from doorward.server.usage.ports import UsageTx


class UploadRows(Protocol):
    """Uploads, open and closed."""

    def get(self, upload_id: str) -> Upload | None:
        """Give an upload; the caller asks for the way into its workspace."""

    def add(self, upload: Upload) -> None:
        """Insert an upload."""

    def put(self, upload: Upload) -> None:
        """Store status, bytes, size, promise, blob, holder, times, file, link and failure."""

    def holders(self, upload_ids: Collection[str]) -> dict[str, str | None]:
        """Say who holds each of these uploads, as far as they are there."""

    def overdue(self, at: datetime, limit: int) -> list[Upload]:
        """List open uploads whose life is over."""

    def count_open(self) -> int:
        """Count the uploads under way."""

    def closed(self, before: datetime, limit: int) -> list[str]:
        """List uploads that ended at that time or earlier, by their ids."""

    def remove(self, upload_ids: Collection[str]) -> None:
        """Remove uploads, and a store's names of them."""

    def receiving(self, limit: int) -> list[Upload]:
        """List uploads that say that bytes are coming, or that are to be made of others."""


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

    def keep(self, holder: str, key: str) -> None:
        """Note that a store far away is being given the blob: till then it is not doomed."""

    def kept(self, holder: str) -> None:
        """Drop that note."""

    def keepers_died(self) -> None:
        """Drop every such note, when nobody can be at it."""


class DirectRows(Protocol):
    """The store's own names of uploads that go straight to it."""

    def get(self, upload_id: str) -> str | None:
        """Give the store's own name of an upload."""

    def add(self, upload_id: str, multipart_id: str) -> None:
        """Remember it, instead of an earlier one."""

    def drop(self, upload_id: str) -> None:
        """Forget it."""


class UploadTx(LinkTx, UsageTx, Protocol):
    """A transaction over uploads."""

    @property
    def direct(self) -> DirectRows:
        """The uploads that go straight to the store."""

    @property
    def blobs(self) -> BlobRows:
        """The blobs that are to go."""

    @property
    def uploads(self) -> UploadRows:
        """The uploads."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that are stored for good: how many, and their digests.

    ``key`` is where a store found them to be, None for the key they came under. ``leftovers`` are
    keys of what nobody needs once a row holds the blob.
    """

    size: int
    digest: str
    sha256: str | None
    key: str | None = None
    leftovers: tuple[str, ...] = ()


Forget = Callable[[int], Coroutine[Any, Any, object]]
See = Callable[[memoryview], object]


class BlobHeld(Exception):
    """Another request writes to the blob and has not let go of it yet."""


class Source(Protocol):
    """The rest of a body, as threads read it from where it comes in."""

    @property
    def remaining(self) -> int:
        """How many bytes are still to come."""

    def fill(self, buffer: memoryview) -> int:
        """Put what is there into a buffer; gives how many bytes, maybe none.

        Raises ContentInterrupted once nothing can come any more.
        """

    def wait_for(self, size: int, seconds: float) -> bool:
        """Wait until so many bytes are there, or nothing can come any more; says whether it is."""


class Outlet(Protocol):
    """Where bytes go out, as threads have the system send them."""

    def push(self, fd: int, start: int, size: int) -> int:
        """Send bytes of a file; gives how many, maybe none.

        Raises ContentInterrupted once nobody takes any more.
        """

    def wait(self, seconds: float) -> bool:
        """Wait in a thread until more is taken, or nobody takes any more."""

    async def ready(self) -> None:
        """Wait on the loop until more is taken, or nobody takes any more."""

    def close(self) -> None:
        """Have whoever pushes end soon."""


class Stretch(Protocol):
    """Bytes of a blob that lies on the local disk; ``close`` comes last."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes; raises StorageFailed."""

    async def send(self, outlet: Outlet, sent: Callable[[int], object]) -> None:
        """Send the bytes, and tell how many went each time.

        Raises StorageFailed, ContentInterrupted.
        """

    def close(self) -> None:
        """Let go of the blob."""


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

    async def draw(self, source: Source, see: See, stop: Callable[[], bool]) -> None:
        """Take what a source brings, for a moment and as long as it brings it without a pause.

        Each piece is shown to ``see`` first. Raises ContentInterrupted, StorageFull, StorageFailed.
        """

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
    """Immutable bytes by key; they come to the local disk first, and are kept where it says."""

    @property
    def remote(self) -> bool:
        """Say whether blobs are kept somewhere else than they come to."""

    def receive(self, key: str, *, sha256: bool, forget: Forget) -> Sink:
        """Give what writes on a blob."""

    async def keep(self, key: str, stored: Stored) -> Stored:
        """Keep a whole blob for good, and make sure that it is there as it came.

        Doing it again does no harm. Raises StorageFull, StorageFailed.
        """

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive) in chunks; raises StorageFailed."""

    async def stretch(self, key: str, start: int, stop: int) -> Stretch | None:
        """Give bytes ``start`` to ``stop`` of a blob on the local disk, None where it is elsewhere.

        Raises StorageFailed.
        """

    async def size(self, key: str) -> int | None:
        """Say how many bytes a blob has, None where there is none; raises StorageFailed."""

    async def delete(self, key: str) -> None:
        """Remove a blob; nothing happens where there is none. Raises StorageFailed."""

    async def check(self) -> None:
        """Make sure that the store can be reached; raises StorageFull, StorageFailed."""


class PartStore(Protocol):
    """What a store does that takes the parts of an object from clients themselves.

    What was begun and is not to be goes when the blob is deleted.
    """

    async def begin(self, key: str) -> str:
        """Expect an object in parts, and name that; raises StorageFull, StorageFailed."""

    def urls(
        self, key: str, multipart_id: str, sizes: Sequence[int], life_seconds: int
    ) -> list[str]:
        """Give the URLs that take the parts of these sizes and no others, in order."""

    async def join(self, key: str, multipart_id: str, tags: Sequence[tuple[int, str]]) -> int:
        """Make one object of the parts and say how large it is; doing it again does no harm.

        Raises PartsInvalid, StorageFull, StorageFailed.
        """

    async def read_back(self, key: str, size: int, *, with_sha256: bool) -> Stored:
        """Read an object once and give its digests; raises StorageFailed."""
