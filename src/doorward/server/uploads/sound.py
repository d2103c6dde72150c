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
    algorithm = digest.partition(":")[0]
    hasher = sha256() if algorithm == "sha256" else blake3()
    try:
        if await blobs.size(key) != size:
            return False
        async for chunk in blobs.read(key, 0, size):
            await asyncio.to_thread(hasher.update, chunk)
            if paced is not None:
                await paced(len(chunk))
    except Problem:
        return False
    return digest == f"{algorithm}:{hasher.hexdigest()}"
