"""Compares rows with each other and with the bytes, beside a server that goes on working.

What is merely in progress is never a finding. Rows are compared in one steady view. Of bytes, what
looks wrong is asked about again, in the order that leaves no doubt: a key is known to a row before
there are bytes and until they are gone, and is never named again once it lost its last name.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from doorward.server.commands import Store, Tx
from doorward.server.integrity.mending import is_broken, mend, mend_blob, mend_waiting
from doorward.server.integrity.model import Fault, Finding, NamedBlob, OpenUpload, StoredBlob
from doorward.server.integrity.ports import BlobInventory
from doorward.server.uploads.sound import is_sound, is_sound_or_raises

T = TypeVar("T")

PAGE = 500
ORPHAN_SECONDS_MIN = 60  # younger bytes may belong to a request that is being ended


@dataclass(frozen=True, slots=True)
class Plan:
    """What to look at and what to do; ``rate_bytes`` a second bound a scrub, None does not.

    A scrub begins behind the key ``after``. Of what nothing names in a remote store, a repair
    removes something only with ``remote``: to another data folder's objects under the same prefix
    this one's rows are no witness.
    """

    scrub: bool = False
    repair: bool = False
    remote: bool = False
    grace_seconds: int = 3600
    rate_bytes: int | None = None
    after: str = ""


@dataclass(slots=True)
class Progress:
    """How far a run is: what it looked at, and the key up to which all is done."""

    blobs: int = 0
    scrubbed_bytes: int = 0
    position: str = ""


class Fsck:
    """One run over everything; ``told`` hears of the progress after every page."""

    def __init__(
        self, store: Store, blobs: BlobInventory, plan: Plan, told: Callable[[Progress], None]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._plan = plan
        self._told = told
        self.progress = Progress(position=plan.after)
        self._began = time.monotonic()

    async def run(self) -> AsyncGenerator[Finding, None]:
        """Give what is wrong, mended where that is asked for and safe."""
        for found in await self._store.read(lambda tx: tx.integrity.contradictions()):
            yield await self._mended(found)
        for check in (self._names, self._waiting, self._orphans, self._known_damage, self._named):
            async for found in check():
                yield found

    async def _mended(self, found: Finding) -> Finding:
        if not self._plan.repair:
            return found
        return replace(found, repaired=await self._store.write(lambda tx: mend(tx, found)))

    async def _names(self) -> AsyncGenerator[Finding, None]:
        async for page in self._pages(
            lambda tx, after: tx.integrity.names(after, PAGE), lambda one: one.file_id
        ):
            for one in page:
                if is_broken(one.name):
                    what = f"{one.name!r} breaks the rules for names"
                    fault = Finding(Fault.NAME_BROKEN, one.file_id, what, one.workspace_id)
                    yield await self._mended(fault)

    async def _waiting(self) -> AsyncGenerator[Finding, None]:
        async for page in self._pages(
            lambda tx, after: tx.integrity.waiting(after, PAGE), lambda one: one.id
        ):
            for one in page:
                if await self._lost_bytes(one):
                    what = f"{one.received_bytes} bytes were acknowledged and are not there"
                    fault = Finding(Fault.UPLOAD_BYTES, one.id, what, one.workspace_id)
                    yield await self._mended_waiting(fault, one)

    async def _mended_waiting(self, found: Finding, one: OpenUpload) -> Finding:
        if not self._plan.repair:
            return found
        return replace(found, repaired=await self._store.write(lambda tx: mend_waiting(tx, one)))

    async def _lost_bytes(self, one: OpenUpload) -> bool:
        if (await self._blobs.size(one.blob_key) or 0) >= one.received_bytes:
            return False
        # Unchanged, so nobody took hold of it between the two looks.
        return await self._store.read(lambda tx: tx.integrity.is_waiting(one))

    async def _orphans(self) -> AsyncGenerator[Finding, None]:
        async with aclosing(self._blobs.inventory()) as pages:
            async for page in pages:
                old = [blob for blob in page if self._is_old(blob)]
                for first in range(0, len(old), PAGE):
                    for blob in await self._unknown(old[first : first + PAGE]):
                        # Gone by now: its note was dropped after its bytes, between the two looks.
                        if await self._blobs.is_there(blob):
                            yield await self._orphan(blob)

    async def _unknown(self, some: list[StoredBlob]) -> list[StoredBlob]:
        keys = {blob.key for blob in some}
        unknown = await self._store.read(lambda tx: tx.integrity.unknown(keys))
        return [blob for blob in some if blob.key in unknown]

    def _is_old(self, blob: StoredBlob) -> bool:
        grace = max(self._plan.grace_seconds, ORPHAN_SECONDS_MIN)
        return time.time() - blob.modified_at > grace

    async def _orphan(self, blob: StoredBlob) -> Finding:
        found = _nobodys(blob)
        if not self._plan.repair or (blob.remote and not self._plan.remote):
            return found
        grace = timedelta(seconds=self._plan.grace_seconds)
        if await self._store.write(lambda tx: tx.integrity.orphan(blob.key, tx.now + grace)):
            return replace(found, repaired="goes once the grace is over")
        return replace(found, repaired="known meanwhile")

    async def _known_damage(self) -> AsyncGenerator[Finding, None]:
        for blob in await self._store.read(lambda tx: tx.integrity.damaged()):
            found = Finding(Fault.DAMAGED_BLOB, blob.key, "known to be damaged", blob.workspace_id)
            if self._plan.repair and await self._is_sound(blob.key, blob):
                await self._store.write(lambda tx, key=blob.key: tx.integrity.undamage(key))  # type: ignore[misc]
                found = replace(found, repaired="its bytes are right again")
            elif self._plan.repair:
                found = await self._mended_blob(found, blob)
            yield found

    async def _named(self) -> AsyncGenerator[Finding, None]:
        known = {blob.key for blob in await self._store.read(lambda tx: tx.integrity.damaged())}
        async for page in self._pages(
            lambda tx, after: tx.integrity.named(after, PAGE), lambda one: one.key, self._plan.after
        ):
            for blob in page:
                found = None if blob.key in known else await self._judged(blob)
                if found is not None:
                    yield await self._mended_blob(found, blob) if self._plan.repair else found
                self.progress.blobs += 1
                self.progress.position = blob.key
                self._told(self.progress)

    async def _judged(self, blob: NamedBlob) -> Finding | None:
        found = await self._looked_at(blob)
        if found is None or not await self._store.read(lambda tx: tx.integrity.is_named(blob.key)):
            return None  # bytes go only after the last name
        return found

    async def _looked_at(self, blob: NamedBlob) -> Finding | None:
        size = await self._blobs.size(blob.key)
        if size is None:
            what = f"{blob.size} bytes are not there"
            return Finding(Fault.MISSING_BLOB, blob.key, what, blob.workspace_id)
        if size != blob.size:
            what = f"{size} bytes are there, and were {blob.size}"
            return Finding(Fault.WRONG_SIZE, blob.key, what, blob.workspace_id)
        if self._plan.scrub and not await self._is_sound(blob.key, blob):
            what = f"the bytes are not those of {blob.digest}"
            return Finding(Fault.FLIPPED_BITS, blob.key, what, blob.workspace_id)
        return None

    async def _mended_blob(self, found: Finding, blob: NamedBlob) -> Finding:
        sound = None
        for other in await self._store.read(lambda tx: tx.integrity.identical(blob)):
            if await self._is_sound(other, blob):
                sound = other
                break
        done = await self._store.write(lambda tx: mend_blob(tx, blob, sound, found.fault))
        return replace(found, repaired=done)

    async def _is_sound(self, key: str, blob: NamedBlob) -> bool:
        """Say whether the bytes under a key are those of a blob; reads all of them.

        What a disk can't read is lost. A store far away may be out of reach: that ends the run.
        """
        judge = is_sound_or_raises if self._blobs.remote else is_sound
        return await judge(self._blobs, key, blob.size, blob.digest, self._pace)

    async def _pace(self, read_bytes: int) -> None:
        self.progress.scrubbed_bytes += read_bytes
        if self._plan.rate_bytes is not None:
            due = self._began + self.progress.scrubbed_bytes / self._plan.rate_bytes
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _pages(
        self, load: Callable[[Tx, str], list[T]], key: Callable[[T], str], after: str = ""
    ) -> AsyncGenerator[list[T], None]:
        while page := await self._store.read(lambda tx, after=after: load(tx, after)):  # type: ignore[misc]
            yield page
            after = key(page[-1])


def _nobodys(blob: StoredBlob) -> Finding:
    where = " in the store" if blob.remote else ""
    if blob.whole:
        what = f"{blob.size} bytes{where} that nothing names"
        return Finding(Fault.ORPHAN_BLOB, blob.key, what)
    return Finding(Fault.ORPHAN_PARTS, blob.key, f"parts{where} that nothing names")
