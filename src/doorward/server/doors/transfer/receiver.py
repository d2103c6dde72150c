"""Bytes of an upload on their way in, whichever protocol they came by.

One request holds the upload, writes from where it says, and leaves a durable offset behind however
it ends; the one that brings the last byte makes the file.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from doorward.server.commands import Tx
from doorward.server.doors.house import House
from doorward.server.doors.transfer.holders import Holders, Holding
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.intake import Intake
from doorward.server.doors.transfer.part import Part, Received, check_length, mismatch
from doorward.server.doors.transfer.placing import Placing, check_digest
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    ChecksumMismatch,
    LengthInconsistent,
    MediaTypeRefused,
    PartInvalid,
    PermissionDenied,
    PolicyRefused,
    Problem,
    SizeMismatch,
    UploadClosed,
    UploadHeld,
    UploadNotFound,
    UploadSuperseded,
    UploadTooLarge,
)
from doorward.server.uploads import receiving, sizing
from doorward.server.uploads.model import Upload
from doorward.server.uploads.policy import Inspector
from doorward.server.uploads.ports import BlobHeld, Sink, Stored
from doorward.server.uploads.receiving import Hold
from doorward.server.usage.costs import Meter

_HANDOVER_SECONDS = 10.0
_HANDOVER_LOOK_SECONDS = 0.01
# Of these no later request makes a file: other bytes than declared, or a pass that is gone.
FINAL = (
    SizeMismatch,
    ChecksumMismatch,
    UploadTooLarge,
    MediaTypeRefused,
    PolicyRefused,
    PermissionDenied,
    UploadNotFound,
)


class Receiver:
    """Takes parts of uploads into the house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._placing = Placing(house)
        self._holders = Holders(house.store)

    async def receive(self, upload_id: str, from_: Caller, part: Part, body: Incoming) -> Received:
        """Take a part, and finish the upload with its last byte.

        Raises UploadNotFound, UploadClosed, UploadConcatenated, PermissionDenied, UploadHeld,
        OffsetMismatch, LengthInconsistent, UploadTooLarge, SizeMismatch, ChecksumMismatch,
        ChunkChecksumMismatch, ContentInterrupted, UploadSuperseded, StorageFull, StorageFailed,
        NameTaken, ParentInvalid, QuotaExceeded, MediaTypeRefused, PolicyRefused, BudgetExhausted.
        """
        try:
            hold = await self._house.store.write(
                lambda tx: receiving.hold_upload(tx, upload_id, from_)
            )
        except UploadClosed:
            await self.judge(upload_id, from_)  # whose pass is gone learns nothing else
            raise

        async def take(hold: Hold, holding: Holding, sink: Sink) -> Received:
            return await self._take_part(hold, holding, sink, part, body)

        return await self._alone_with(hold, take, keep=part.check is None)

    async def settle(self, upload_id: str, from_: Caller) -> Upload:
        """Give an upload with an offset that holds: whoever still writes is asked to let go.

        Raises UploadNotFound, PermissionDenied, UploadHeld, UploadSuperseded.
        """
        upload = await self.judge(upload_id, from_)
        if upload.holder is None or not upload.status.open or upload.declared.parts:
            return upload
        try:
            hold = await self._house.store.write(
                lambda tx: receiving.hold_upload(tx, upload_id, from_, sends=False)
            )
            return (await self._alone_with(hold, self._look)).upload
        except UploadClosed:  # whoever wrote came to the end meanwhile
            return await self.judge(upload_id, from_)

    async def judge(
        self, upload_id: str, from_: Caller, action: Action = Action.UPLOAD_RECEIVE
    ) -> Upload:
        """Give an upload to whoever shows its URL; raises UploadNotFound, PermissionDenied."""
        upload = await self._house.store.read(
            lambda tx: receiving.judge_upload(tx, upload_id, from_, action)
        )
        self.check_revoked(upload)
        return upload

    async def abandon(self, upload_id: str, from_: Caller) -> None:
        """Give an upload up, and ask whoever still writes to let go.

        Raises UploadNotFound, PermissionDenied, UploadClosed.
        """
        await self.judge(upload_id, from_, Action.UPLOAD_ABORT)
        await self._house.store.write(lambda tx: receiving.abandon_upload(tx, upload_id, from_))
        self._holders.ask(upload_id)

    async def concatenate(self, upload_id: str, from_: Caller) -> Received:
        """Copy the parts of an upload, and finish it; without its parts it comes to nothing.

        Raises UploadNotFound, UploadClosed, PermissionDenied, PartInvalid, ChecksumMismatch,
        UploadSuperseded, StorageFull, StorageFailed, NameTaken, ParentInvalid, QuotaExceeded.
        """
        hold, parts = await self._house.store.write(
            lambda tx: receiving.hold_concatenation(tx, upload_id, from_)
        )

        async def copy(hold: Hold, holding: Holding, sink: Sink) -> Received:
            sink.begin(known=0, start=0)
            for part in parts:
                if part.received_bytes:  # an empty one never had a blob
                    await self._copy(part, holding, sink)
            if sink.position != hold.upload.size:  # never less than what was promised to be joined
                raise PartInvalid
            return await self._finish(hold, sink, self._placing.inspector(hold))

        try:
            return await self._alone_with(hold, copy)
        except BaseException as exc:
            failure = exc.code if isinstance(exc, Problem) else "interrupted"
            failing = self._house.store.write(
                lambda tx: receiving.fail_concatenation(tx, upload_id, failure)
            )
            await asyncio.shield(failing)
            raise

    async def _alone_with(
        self,
        hold: Hold,
        work: Callable[[Hold, Holding, Sink], Awaitable[Received]],
        *,
        keep: bool = True,
    ) -> Received:
        """Work on an upload as the only one, and let go of it however that ends.

        What came before a failure stays, unless ``keep`` says that it does not.
        """
        link_id = hold.upload.by.via.id if hold.upload.by.via else None
        holder = hold.upload.holder or ""
        with self._holders.holding(hold.upload.id, holder, link_id) as holding:
            sink = self._sink(hold)
            try:
                self.check_revoked(hold.upload)
                hold = await self._alone(hold, holding, sink)
                done = await work(hold, holding, sink)
            except BaseException as exc:
                await asyncio.shield(self._let_go(hold, holding, sink, exc, keep=keep))
                raise
            await asyncio.shield(sink.close())
            return done

    async def _look(self, hold: Hold, holding: Holding, sink: Sink) -> Received:
        """Let go of an upload at once: all there is to know is where the last one left it."""
        del holding, sink
        await self._house.store.write(lambda tx: receiving.release_upload(tx, hold, None))
        return Received(replace(hold.upload, holder=None))

    async def _copy(self, part: Upload, holding: Holding, sink: Sink) -> None:
        async for chunk in self._house.blobs.read(part.blob_key or "", 0, part.received_bytes):
            if holding.asked:
                raise UploadSuperseded
            await sink.write(chunk)

    def check_revoked(self, upload: Upload) -> None:
        """Make sure that the buyer's credential counts still; raises UploadNotFound."""
        self._placing.check_revoked(upload)

    def _sink(self, hold: Hold) -> Sink:
        async def forget(same_bytes: int) -> None:
            await self._note(hold, same_bytes)

        sha256 = (hold.upload.declared.checksum or "").startswith("sha256:")
        return self._house.blobs.receive(hold.blob_key, sha256=sha256, forget=forget)

    async def _alone(self, hold: Hold, holding: Holding, sink: Sink) -> Hold:
        """Wait until whoever held the upload has let go, and see how far that one came.

        Only the newest waits on, and no thread does, so that a crowd for one upload stops no other.
        """
        give_up = time.monotonic() + _HANDOVER_SECONDS
        while True:
            try:
                await sink.open()
            except BlobHeld:
                if time.monotonic() > give_up:
                    raise UploadHeld(headers={"Retry-After": "1"}) from None
                await asyncio.sleep(_HANDOVER_LOOK_SECONDS)
                if holding.asked:
                    raise holding.why from None
            else:
                break
        if not hold.taken_over:
            return hold
        return await self._house.store.read(lambda tx: receiving.confirm_hold(tx, hold))

    async def _take_part(
        self, hold: Hold, holding: Holding, sink: Sink, part: Part, body: Incoming
    ) -> Received:
        known = hold.upload.received_bytes
        if part.offset is not None and part.offset != known:
            raise mismatch(known, part.offset)
        start = part.offset or 0
        holding.takes = part.offset is None  # where it goes on, what is there is not to be lost
        hold = await self._sized(hold, part.said)
        check_length(part, start, hold.upload)
        holding.takes = True
        sink.begin(known=known, start=start)
        inspector = self._placing.inspector(hold)
        await self._take(hold, holding, sink, part, inspector, body)
        if part.check is not None:
            part.check.settle()
        hold = await self._ended(hold, sink, part)
        size = hold.upload.size
        whole = sink.position == size
        if whole and part.last and not hold.upload.declared.partial:
            return await self._finish(hold, sink, inspector)
        if part.offset is None and not whole:
            raise SizeMismatch(
                f"{sink.position} bytes came and {size} were declared.", declared_bytes=size
            )
        received = await sink.sync()
        await self._leave(hold, received)
        return Received(replace(hold.upload, received_bytes=received or 0))

    async def _sized(self, hold: Hold, size: int | None) -> Hold:
        """Fix the size where it was not known and is said now."""
        if hold.upload.size is not None or size is None:
            return hold
        plans = self._house.limits.plans
        return await self._house.store.write(lambda tx: sizing.fix_size(tx, hold, size, plans))

    async def _ended(self, hold: Hold, sink: Sink, part: Part) -> Hold:
        """Take what has come for the whole, where nobody said before how much that would be.

        The row learns it with the file, so that a whole that is sent again may have another size.
        Raises LengthInconsistent where more than that was acknowledged before.
        """
        if hold.upload.size is not None or not part.ends_whole:
            return hold
        if sink.position < sink.durable:  # unless it differs from what is there
            await sink.sync()
        if sink.position < sink.durable:
            raise LengthInconsistent(received_bytes=sink.durable)
        if hold.upload.declared.partial:
            return await self._sized(hold, sink.position)
        return replace(hold, upload=replace(hold.upload, size=sink.position))

    async def _take(
        self,
        hold: Hold,
        holding: Holding,
        sink: Sink,
        part: Part,
        inspector: Inspector,
        body: Incoming,
    ) -> None:
        def judge() -> None:
            self.check_revoked(hold.upload)

        start, moving = sink.position, self._house.moving(hold.upload.by, Meter.UPLOADED_BYTES)

        async def promise(size: int) -> None:
            nonlocal hold
            hold = await self._promised(hold, size)
            await moving.reach(size - start)

        async def note() -> None:
            await self._note(hold, sink.durable)
            if part.progress is not None:
                part.progress(sink.durable)

        intake = Intake(holding, sink, inspector, part.check, judge, promise, note)
        try:
            await intake.take(body)
        finally:
            await moving.end(sink.position - start)

    async def _promised(self, hold: Hold, size: int) -> Hold:
        """Make sure that so many bytes may come, before the last of them is taken."""
        upload = hold.upload
        if size > upload.size_max:
            raise UploadTooLarge(
                f"More bytes came than the {upload.size_max} that there may be.",
                limit_bytes=upload.size_max,
            )
        if size <= upload.promised_bytes:
            return hold
        plans = self._house.limits.plans
        return await self._house.store.write(lambda tx: sizing.promise_more(tx, hold, size, plans))

    async def _note(self, hold: Hold, received: int) -> None:
        """Store how far it is, and stop when another request took over or a right is gone."""

        def noted(tx: Tx) -> bool:
            self.check_revoked(hold.upload)
            return receiving.note_received(tx, hold, received)

        if not await self._house.store.write(noted):
            raise UploadSuperseded

    async def _leave(self, hold: Hold, received: int | None) -> None:
        """Let go of an upload whose part is whole, in the transaction that judges it once more."""

        def left(tx: Tx) -> None:
            self._judge_hold(tx, hold)
            receiving.release_upload(tx, hold, received)

        await self._house.store.write(left)

    def _judge_hold(self, tx: Tx, hold: Hold) -> None:
        """Make sure that what came may be acknowledged, so that nothing is that came too late.

        Raises UploadNotFound, UploadClosed, PermissionDenied, UploadUrlInvalid, LinkEnded,
        LinkNetworkRefused, Busy.
        """
        self.check_revoked(hold.upload)
        receiving.judge_hold(tx, hold)

    async def _finish(self, hold: Hold, sink: Sink, inspector: Inspector) -> Received:
        stored = await sink.finish()
        check_digest(hold.upload, stored)
        await self._placing.judge(hold, inspector, stored.size)
        return Received(*await self._placing.place(hold, stored, self._keep))

    async def _keep(self, hold: Hold, stored: Stored) -> Stored:
        """Have the store keep the bytes; no transaction is open while it is asked."""
        if self._house.blobs.remote:
            await self._house.store.write(lambda tx: receiving.begin_keeping(tx, hold))
        return await self._house.blobs.keep(hold.blob_key, stored)

    async def _let_go(
        self, hold: Hold, holding: Holding, sink: Sink, exc: BaseException, *, keep: bool
    ) -> None:
        """Leave the upload as it can go on: with all that is durable, or closed for good.

        Whoever waited for the last command may have been cancelled while it was carried out. The
        command that decides here comes after it, and so sees what came of it.
        """
        if isinstance(exc, FINAL) and (holding.takes or not isinstance(exc, UploadTooLarge)):
            failure = exc.code
            await self._house.store.write(lambda tx: receiving.fail_upload(tx, hold, failure))
        received = await _kept(sink) if keep else None
        if await self._house.store.write(lambda tx: self._released(tx, hold, received)):
            await sink.close()
        else:
            await sink.discard()

    def _released(self, tx: Tx, hold: Hold, received: int | None) -> bool:
        """Let go of an upload; without the right to send more, it stays as it was last noted."""
        try:
            self._judge_hold(tx, hold)
        except Problem:
            received = None
        return receiving.release_upload(tx, hold, received)


async def _kept(sink: Sink) -> int | None:
    """Give how many bytes are durable, None where this request has no say in it."""
    try:
        return await sink.sync()
    except (Problem, BlobHeld):
        return None
