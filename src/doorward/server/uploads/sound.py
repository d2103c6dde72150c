"""Whether stored bytes are still those that a digest names."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256

from blake3 import blake3

from doorward.server.problems import Problem
from doorward.server.uploads.ports import BlobStore


async def is_sound(
    blobs: BlobStore,
    key: str,
    size: int,
    digest: str,
    paced: Callable[[int], Awaitable[None]] | None = None,
) -> bool:
    """Say whether the blob is there and has these bytes; reads all of them.

    ``paced`` is awaited with the size of each chunk. What can't be read is not sound.
    """
    try:
        return await is_sound_or_raises(blobs, key, size, digest, paced)
    except Problem:
        return False


async def is_sound_or_raises(
    blobs: BlobStore,
    key: str,
    size: int,
    digest: str,
    paced: Callable[[int], Awaitable[None]] | None = None,
) -> bool:
    """Say the same, but raise StorageFailed where the store can't say what it has."""
    algorithm = digest.partition(":")[0]
    hasher = sha256() if algorithm == "sha256" else blake3()
    if await blobs.size(key) != size:
        return False
    async for chunk in blobs.read(key, 0, size):
        await asyncio.to_thread(hasher.update, chunk)
        if paced is not None:
            await paced(len(chunk))
    return digest == f"{algorithm}:{hasher.hexdigest()}"
