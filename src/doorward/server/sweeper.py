"""What goes by itself: uploads, links, the bin and the trail when their time is over; blobs."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from doorward.server.alerts.model import Thresholds
from doorward.server.alerts.service import look, tell
from doorward.server.audit.pruning import is_overdue, prune_overdue
from doorward.server.audit.signing import Signer
from doorward.server.commands import Store, Tx
from doorward.server.files.purging import purge_overdue, purge_removed
from doorward.server.links.sweeping import remove_over
from doorward.server.members import service as members
from doorward.server.oauth.sweeping import remove_idle
from doorward.server.problems import Problem
from doorward.server.transfers import sweeping as transfers
from doorward.server.transfers.sweeping import sweep_expired
from doorward.server.uploads.model import Limits
from doorward.server.uploads.ports import BlobStore
from doorward.server.uploads.sweeping import remove_closed, reopen_interrupted, sweep_overdue

log = logging.getLogger("doorward.sweeper")

BATCH = 500
EVENTS_KEPT = timedelta(days=7)
SECRETS_KEPT = timedelta(days=30)  # so that the trail tells one rotated out from one made up
BIN_BATCH = 20  # each may be a folder of any size, and other commands wait meanwhile
AT_ONCE = 8
PERIOD_SECONDS = 5.0
LOOK_SECONDS = 20.0


# Each removes so many rows whose time is over, and says whether there may be more.
_OVERDUE: tuple[Callable[[Tx], object], ...] = (
    lambda tx: remove_over(tx, BATCH),
    lambda tx: sweep_expired(tx, BATCH),
    lambda tx: transfers.remove_over(tx, BATCH),
    lambda tx: tx.events.drop_before(tx.now - EVENTS_KEPT, BATCH) == BATCH,
    lambda tx: len(tx.keys.forget(tx.now - SECRETS_KEPT, BATCH)) == BATCH,
    lambda tx: remove_idle(tx, BATCH),
)


async def recover(store: Store, blobs: BlobStore) -> None:
    """Clean up after a crash; only while no other process serves the folder."""
    while await store.write(lambda tx: reopen_interrupted(tx, BATCH)):
        pass
    await store.write(lambda tx: tx.blobs.keepers_died())
    if not blobs.remote:  # an outage elsewhere must not hold a start up; a later sweep goes there
        await sweep(store, blobs)


async def sweep(store: Store, blobs: BlobStore) -> None:
    """End what is overdue and remove what is doomed; blobs first, then the notes of them.

    A blob is claimed in a transaction that makes sure that nothing names it, and from then on
    nothing can, before its bytes go.
    """
    while await store.read(lambda tx: bool(tx.uploads.overdue(tx.now, 1))):
        await store.write(lambda tx: sweep_overdue(tx, BATCH))
    while await store.read(lambda tx: bool(tx.members.over(1))):
        await store.write(lambda tx: members.remove_over(tx, BATCH))
    for remove in _OVERDUE:
        while await store.write(remove):
            pass
    while await store.read(lambda tx: tx.blobs.is_due(tx.now)):
        keys = await store.write(lambda tx: tx.blobs.claim(tx.now, BATCH))
        gone = await _delete_all(blobs, keys)
        await store.write(_forget(gone))
        if len(gone) < len(keys):
            return  # the store fails: the rest is tried again by a later sweep


async def sweep_bin(store: Store, limits: Limits) -> None:
    """Delete for good what was in the bin, or in a deleted workspace, long enough."""
    days, grace = limits.bin_days, limits.blob_grace_seconds
    if not days:
        return
    kept = timedelta(days)
    while await store.read(lambda tx: bool(tx.files.bin_overdue(tx.now - kept, 1))):
        await store.write(lambda tx: purge_overdue(tx, days, grace, BIN_BATCH))
    while await store.read(lambda tx: bool(tx.workspaces.removed(tx.now - kept, 1))):
        await store.write(lambda tx: purge_removed(tx, days, grace, 1))


async def sweep_rows(store: Store, limits: Limits) -> None:
    """Remove the rows of uploads that ended long enough ago."""
    days = limits.upload_rows_days
    if not days:
        return
    while await store.read(lambda tx: bool(tx.uploads.closed(tx.now - timedelta(days), 1))):
        await store.write(lambda tx: remove_closed(tx, days, BATCH))


async def sweep_trail(store: Store, signer: Signer, days: int) -> None:
    """Prune the audit trail of what is older than so many days, leaving signed proofs.

    Raises ChainBroken, where something is wrong with what was to go: it stays.
    """
    while days and await store.read(lambda tx: is_overdue(tx, days)):
        await store.write(lambda tx: prune_overdue(tx, signer, days, BATCH))


async def keep_sweeping(
    store: Store, blobs: BlobStore, limits: Limits, signer: Signer, audit_days: int
) -> None:
    """Sweep again and again until cancelled; a sweep that fails is logged and tried again."""
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        try:
            await sweep_bin(store, limits)
            await sweep(store, blobs)
            await sweep_rows(store, limits)
            await sweep_trail(store, signer, audit_days)
        except Exception:  # one sweep that fails must not be the last one
            if store.closing:
                return
            log.exception("a sweep failed")


async def keep_looking(store: Store, thresholds: Thresholds) -> None:
    """Look for what an operator should know, again and again until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            tell(await store.write(lambda tx: look(tx, thresholds)))
        except Exception:  # one look that fails must not be the last one
            if store.closing:
                return
            log.exception("the trail could not be looked at for alerts")


def _forget(gone: list[str]) -> Callable[[Tx], None]:
    return lambda tx: tx.blobs.forget(gone)


async def _delete_all(blobs: BlobStore, keys: list[str]) -> list[str]:
    """Give the keys that are gone; after the first that fails no more are tried."""
    gone: list[str] = []
    for first in range(0, len(keys), AT_ONCE):
        some = keys[first : first + AT_ONCE]
        ends = await asyncio.gather(*map(blobs.delete, some), return_exceptions=True)
        gone += [key for key, end in zip(some, ends, strict=True) if end is None]
        for end in ends:
            if end is not None and not isinstance(end, Problem):
                raise end
        if any(ends):
            break
    return gone
