"""Blobs kept in a store far away, which the local disk receives first.

What is acknowledged while bytes come is on the local disk. The store is given a blob when that is
whole, and a row makes it visible only after the store was seen to have it. What still lies on the
disk is read from there, which also serves whatever was stored before the store was chosen.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from doorward.server.integrity.model import STAGED, StoredBlob
from doorward.server.problems import Problem, StorageFailed, StorageFull
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.local import LocalBlobs
from doorward.server.store.blobs.receiving import LocalSink
from doorward.server.uploads.ports import Forget, PartStore, Stored

log = logging.getLogger("doorward.blobs")

READ_BYTES = 4 << 20
CLOCK_SECONDS_MAX = 15 * 60  # S3 and Azure refuse requests that are further off
_SHOWN_CHARACTERS_MAX = 300
_OURS = re.compile(r"[0-9]{8}/blob_[a-z2-7]{26}")  # the day, and an id as transactions make it
_FULL = re.compile(r"(^|status code: )507\b|StorageFull|QuotaExceeded|InsufficientStorage")


class Objects(Protocol):
    """What a store far away can do; each call asks it a bounded number of times.

    All of them raise StorageFull and StorageFailed.
    """

    @property
    def parts(self) -> PartStore | None:
        """What takes parts from clients, None where the store takes none."""

    async def put(self, key: str, path: Path, stored: Stored) -> str:
        """Store a file and make sure that it arrived; gives the key it is found by from then on."""

    async def get(self, key: str, start: int, stop: int) -> bytes:
        """Give bytes ``start`` to ``stop`` (exclusive)."""

    async def size_of(self, key: str) -> int | None:
        """Say how large an object is, None where there is none."""

    async def delete(self, key: str) -> None:
        """Remove what there is of an object, also of one that never became whole."""

    def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give what has the form of our keys, some at a time; a store that lists none gives none.

        Nothing that others keep beside it is given.
        """

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether what the inventory gave is still there."""

    async def check(self) -> None:
        """Make sure that the store can be reached and knows us."""

    async def leave(self) -> None:
        """Let go of connections."""


class RemoteBlobs:
    """BlobStore over a store far away, with the local disk in front of it."""

    def __init__(self, staging: LocalBlobs, objects: Objects) -> None:
        self.staging = staging
        self.objects = objects

    @property
    def remote(self) -> bool:
        """Blobs are kept elsewhere than they come to."""
        return True

    def receive(self, key: str, *, sha256: bool, forget: Forget) -> LocalSink:
        """Give what writes on a blob, on the local disk."""
        return self.staging.receive(key, sha256=sha256, forget=forget)

    async def keep(self, key: str, stored: Stored) -> Stored:
        """Give the store the staged blob; the staged one goes once a row holds the other."""
        found = await self.objects.put(key, self.staging.path(key), stored)
        return Stored(stored.size, stored.digest, stored.sha256, found, (f"{STAGED}{key}",))

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``stop`` (exclusive), the next ones asked for meanwhile."""
        fd = await self.staging.open(key)  # a sweep may remove the file at any moment
        if fd is not None:
            chunks = self.staging.read(key, start, stop, fd=fd)
        else:
            chunks = read_ahead(self.objects, key, start, stop)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    async def stretch(self, key: str, start: int, stop: int) -> None:
        """Give nothing: what is staged may go at any moment, and the rest is far away."""
        del key, start, stop

    async def size(self, key: str) -> int | None:
        """Say how many bytes a blob has, on the disk or in the store; None where there is none."""
        staged = await self.staging.size(key)
        return await self.objects.size_of(key) if staged is None else staged

    async def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give the copies on the disk, and what lies in the store as far as that can list it."""
        async with aclosing(self.staging.inventory()) as pages:
            async for page in pages:
                yield [replace(blob, key=f"{STAGED}{blob.key}") for blob in page]
        async with aclosing(self.objects.inventory()) as pages:
            async for page in pages:
                yield page

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether what the inventory gave is still there, on the disk or in the store."""
        if blob.key.startswith(STAGED):
            return await self.staging.size(blob.key.removeprefix(STAGED)) is not None
        return await self.objects.is_there(blob)

    async def delete(self, key: str) -> None:
        """Remove a blob from the store and from the disk, or the staged one alone."""
        if not key.startswith(STAGED):
            await self.objects.delete(key)
        await self.staging.delete(key.removeprefix(STAGED))

    async def check(self) -> None:
        """Make sure that the store can be reached."""
        await self.objects.check()

    async def leave(self) -> None:
        """Let go of connections."""
        await self.objects.leave()

    def close(self) -> None:
        """Wait for what is under way on the disk."""
        self.staging.close()


def at_latest(theirs: datetime) -> float:
    """Give a time of the store's clock as the latest that it may be by ours."""
    return theirs.timestamp() + CLOCK_SECONDS_MAX


def is_ours(key: str) -> bool:
    """Say whether a key below our prefix has exactly the form that we give to blobs."""
    return _OURS.fullmatch(key) is not None


async def read_ahead(
    objects: Objects, key: str, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """Give bytes in chunks of which two are held at most; raises StorageFailed."""
    ahead: asyncio.Future[bytes] | None = None
    try:
        while start < stop or ahead is not None:
            chunk = None if ahead is None else await ahead
            ahead = None
            if start < stop:
                end = min(stop, start + READ_BYTES)
                ahead = asyncio.ensure_future(_exactly(objects, key, start, end))
                start = end
            if chunk is not None:
                yield chunk
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()  # nobody waits for it any more


async def _exactly(objects: Objects, key: str, start: int, stop: int) -> bytes:
    data = await objects.get(key, start, stop)
    if len(data) != stop - start:
        log.error("the store gave %d bytes of %s where %d are", len(data), key, stop - start)
        raise StorageFailed
    return data


def remote_problem(storage: RemoteStorage, exc: BaseException | str) -> Problem:
    """Say what the caller may know of a store that failed; the rest goes to the log.

    Of what the store said only the first line does, without anything that is secret.
    """
    said = str(exc).partition("\n")[0][:_SHOWN_CHARACTERS_MAX] or type(exc).__name__
    for secret in storage.secrets:
        said = said.replace(secret, "***")
    log.error("the store %s failed: %s", storage.shown, said)
    return StorageFull() if _FULL.search(str(exc)) else StorageFailed()
