"""What goes by itself: uploads whose life is over, and blobs that no row needs."""

import asyncio
import logging
from contextlib import suppress

from doorward.server.commands import Store, Tx
from doorward.server.uploads.ports import BlobStore
from doorward.server.uploads.sweeping import reopen_interrupted, sweep_overdue

log = logging.getLogger("doorward.sweeper")

BATCH = 500
PERIOD_SECONDS = 5.0


async def recover(store: Store, blobs: BlobStore) -> None:
    """Clean up after a crash; only while no other process serves the folder."""
    while await store.write(lambda tx: reopen_interrupted(tx, BATCH)):
        pass
    await sweep(store, blobs)


async def sweep(store: Store, blobs: BlobStore) -> None:
    """End what is overdue and remove what is doomed; blobs first, then the notes of them."""
    while await store.read(lambda tx: bool(tx.uploads.overdue(tx.now, 1))):
        await store.write(lambda tx: sweep_overdue(tx, BATCH))
    while keys := await store.read(lambda tx: tx.blobs.doomed(BATCH)):
        await asyncio.to_thread(_delete_all, blobs, keys)
        gone = keys

        def forget(tx: Tx, keys: list[str] = gone) -> None:
            tx.blobs.forget(keys)

        await store.write(forget)


async def keep_sweeping(store: Store, blobs: BlobStore) -> None:
    """Sweep again and again until cancelled; a sweep that fails is logged and tried again."""
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        try:
            await sweep(store, blobs)
        except Exception:  # one sweep that fails must not be the last one
            log.exception("a sweep failed")


def _delete_all(blobs: BlobStore, keys: list[str]) -> None:
    for key in keys:
        with suppress(FileNotFoundError):
            blobs.delete(key)
