"""What looking for faults asks of a store: rows that contradict each other, and bytes."""

from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from typing import Protocol

from doorward.server.integrity.model import (
    Finding,
    NamedBlob,
    OpenUpload,
    PlacedName,
    StoredBlob,
)
from doorward.server.uploads.ports import BlobStore, UploadTx


class IntegrityRows(Protocol):
    """Every workspace's rows, compared with each other in one steady view."""

    def contradictions(self) -> list[Finding]:
        """Find counters, versions, uploads, notes and places that contradict other rows."""

    def names(self, after: str, limit: int) -> list[PlacedName]:
        """List all nodes' names, by the nodes' ids."""

    def named(self, after: str, limit: int) -> list[NamedBlob]:
        """List what versions name, by key."""

    def is_named(self, key: str) -> bool:
        """Say whether a version names the blob."""

    def unknown(self, keys: Collection[str]) -> set[str]:
        """Give those of the keys that no version, open upload or note knows.

        What is known of a blob holds for its copy on the local disk too.
        """

    def waiting(self, after: str, limit: int) -> list[OpenUpload]:
        """List, by id, open uploads that nobody is sending now."""

    def is_waiting(self, upload: OpenUpload) -> bool:
        """Say whether an upload is still as it was listed, and nobody is sending it."""

    def is_contradictory(self, upload_id: str) -> bool:
        """Say whether an upload is in a state that can't be."""

    def identical(self, blob: NamedBlob) -> list[str]:
        """Give other blobs of the workspace that are to hold the same."""

    def damaged(self) -> list[NamedBlob]:
        """List what is known to be damaged, and still named."""

    def damage(self, key: str, reason: str) -> None:
        """Note that a blob's bytes are not what they were."""

    def undamage(self, key: str) -> None:
        """Take that note back."""

    def orphan(self, key: str, due: datetime) -> bool:
        """Note that bytes nobody knows may go; says whether nobody does."""

    def recount(self, workspace_id: str) -> None:
        """Count a workspace's used and promised bytes anew."""

    def renumber(self, file_id: str) -> bool:
        """Number a file's versions from 1 and show the newest; says whether there are any."""

    def end_upload(self, upload_id: str) -> None:
        """End an upload that is in a state that can't be; what it stored goes."""


class IntegrityTx(UploadTx, Protocol):
    """A transaction over everything there is to compare."""

    @property
    def integrity(self) -> IntegrityRows:
        """The rows as they are compared."""


class BlobInventory(BlobStore, Protocol):
    """A blob store that can say what lies in it."""

    def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give all blobs, some at a time; raises StorageFailed.

        Of a store that others may use too only what has exactly the form of a blob's key.
        """

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether what the inventory gave is still there; raises StorageFailed."""
