"""Whole bytes made a file, beside whatever the workspace has of the same content."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from doorward.server.commands import Tx
from doorward.server.doors.house import House
from doorward.server.files.model import Node
from doorward.server.problems import ChecksumMismatch, UploadNotFound
from doorward.server.uploads import receiving
from doorward.server.uploads.model import Upload
from doorward.server.uploads.policy import Inspector
from doorward.server.uploads.ports import Stored
from doorward.server.uploads.receiving import Earlier, EarlierUnseen, Hold
from doorward.server.uploads.sound import is_sound

Keep = Callable[[Hold, Stored], Awaitable[Stored]]


class Placing:
    """Ends uploads whose bytes are all there."""

    def __init__(self, house: House) -> None:
        self._house = house

    def inspector(self, hold: Hold) -> Inspector:
        """Make what judges the first bytes by the policies in force."""
        return Inspector(hold.upload.declared, (self._house.limits.policy, hold.policy))

    async def judge(self, hold: Hold, inspector: Inspector, size: int) -> None:
        """Judge the first of ``size`` bytes, if not all came at once; raises MediaTypeRefused."""
        if not inspector.has_judged:
            head = self._house.blobs.read(hold.blob_key, 0, min(inspector.wanted, size))
            inspector.judge(b"".join([part async for part in head]))

    async def place(
        self, hold: Hold, stored: Stored, keep: Keep | None = None
    ) -> tuple[Upload, Node]:
        """Make a file of the bytes, or of the same ones that the workspace has already.

        ``keep`` has a store keep them first, unless the earlier ones are used. Raises what
        ``finish_upload`` does, and StorageFull, StorageFailed.
        """
        kept = None
        while True:
            earlier = await self._earlier(hold, stored)
            if keep is not None and kept is None and not (earlier and earlier.is_sound):
                kept = await keep(hold, stored)
            with suppress(EarlierUnseen):
                return await self._placed(hold, kept or stored, earlier)

    def check_revoked(self, upload: Upload) -> None:
        """Make sure that the buyer's credential counts still; raises UploadNotFound."""
        if self._house.revoked(upload.by):
            raise UploadNotFound(reason="revoked")

    async def _placed(
        self, hold: Hold, stored: Stored, earlier: Earlier | None
    ) -> tuple[Upload, Node]:
        operator = self._house.limits.policy

        def finished(tx: Tx) -> tuple[Upload, Node]:
            self.check_revoked(hold.upload)
            return receiving.finish_upload(tx, hold, stored, earlier, operator=operator)

        return await self._house.store.write(finished)

    async def _earlier(self, hold: Hold, stored: Stored) -> Earlier | None:
        """Look for a blob of this content that the workspace has already."""
        key = await self._house.store.read(lambda tx: receiving.find_same(tx, hold, stored))
        if key is None:
            return None
        sound = await is_sound(self._house.blobs, key, stored.size, stored.digest)
        return Earlier(key, is_sound=sound)


def check_digest(upload: Upload, stored: Stored) -> None:
    """Make sure that bytes are those that were declared; raises ChecksumMismatch."""
    declared = upload.declared.checksum
    if declared is not None and declared not in {stored.digest, stored.sha256}:
        raise ChecksumMismatch
