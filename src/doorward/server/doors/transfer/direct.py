"""Bytes that go straight from a client to the store: what the server has to do for that."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from doorward.server.doors.house import House
from doorward.server.doors.transfer.placing import Placing, check_digest
from doorward.server.doors.transfer.receiver import FINAL
from doorward.server.files.model import Node
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    DirectUnavailable,
    PartsInvalid,
    Problem,
    SizeMismatch,
)
from doorward.server.uploads import direct, receiving
from doorward.server.uploads.model import Upload
from doorward.server.uploads.ports import PartStore, Stored
from doorward.server.uploads.receiving import Hold
from doorward.server.usage.costs import Meter


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file: ``url`` takes its ``size`` bytes by ``PUT``."""

    number: int
    url: str
    size: int


class DirectUploads:
    """Hands parts out, and makes a file of them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._placing = Placing(house)

    async def begin(self, upload: Upload) -> list[Part]:
        """Have the store expect an upload; one it does not take is closed.

        Raises DirectUnavailable, UploadClosed, StorageFull, StorageFailed.
        """
        try:
            multipart_id = await self._store().begin(upload.blob_key or "")
            await self._house.store.write(
                lambda tx: direct.note_multipart(tx, upload, multipart_id)
            )
        except Problem as problem:
            failure = problem.code
            await self._house.store.write(lambda tx: direct.fail_direct(tx, upload, failure))
            raise
        return self._parts(upload, multipart_id)

    async def parts_of(self, upload: Upload) -> list[Part]:
        """Give the parts with URLs of a new life; raises as ``begin`` does."""
        multipart_id = await self._house.store.read(lambda tx: tx.direct.get(upload.id))
        if multipart_id is None:  # the process ended between the declaration and the store
            return await self.begin(upload)
        return self._parts(upload, multipart_id)

    async def complete(self, who: Caller, upload_id: str, tags: Sequence[tuple[int, str]]) -> Node:
        """Have the parts joined, read what came of it, and make it a file.

        Raises UploadNotFound, PermissionDenied, UploadClosed, LinkEnded, DirectUnavailable,
        PartsInvalid, SizeMismatch, ChecksumMismatch, UploadSuperseded, NameTaken, ParentInvalid,
        QuotaExceeded, MediaTypeRefused, PolicyRefused, StorageFull, StorageFailed.
        """
        hold, multipart_id = await self._house.store.write(
            lambda tx: direct.hold_direct(tx, who, upload_id)
        )
        try:
            stored = await self._joined(hold, multipart_id, tags)
            await self._placing.judge(hold, self._placing.inspector(hold), stored.size)
            _, file = await self._placing.place(hold, stored)
            self._house.metering.add(hold.upload.by, Meter.UPLOADED_BYTES, stored.size)
        except BaseException as exc:
            await asyncio.shield(self._let_go(hold, exc))
            raise
        return file

    async def _joined(
        self, hold: Hold, multipart_id: str, tags: Sequence[tuple[int, str]]
    ) -> Stored:
        store, declared = self._store(), hold.upload.size_max
        if [number for number, _ in tags] != [*range(1, len(direct.part_sizes(declared)) + 1)]:
            raise PartsInvalid
        size = await store.join(hold.blob_key, multipart_id, tags)
        if size != declared:
            raise SizeMismatch(
                f"{size} bytes came and {declared} were declared.", declared_bytes=declared
            )
        sha256 = (hold.upload.declared.checksum or "").startswith("sha256:")
        stored = await store.read_back(hold.blob_key, size, with_sha256=sha256)
        check_digest(hold.upload, stored)
        return stored

    async def _let_go(self, hold: Hold, exc: BaseException) -> None:
        if isinstance(exc, FINAL):
            failure = exc.code
            await self._house.store.write(lambda tx: receiving.fail_upload(tx, hold, failure))
        await self._house.store.write(lambda tx: receiving.release_upload(tx, hold, None))

    def _store(self) -> PartStore:
        if self._house.parts is None:
            raise DirectUnavailable
        return self._house.parts

    def _parts(self, upload: Upload, multipart_id: str) -> list[Part]:
        sizes = direct.part_sizes(upload.size_max)
        life = self._house.limits.url_life_seconds
        urls = self._store().urls(upload.blob_key or "", multipart_id, sizes, life)
        numbered = enumerate(zip(urls, sizes, strict=True), 1)
        return [Part(number, url, size) for number, (url, size) in numbered]
