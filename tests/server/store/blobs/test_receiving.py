"""One blob while its bytes come: what is acknowledged is there, in its place."""

import asyncio
import errno
import os

import pytest

from doorward.server.problems import StorageFull
from doorward.server.store.blobs.local import LocalBlobs

MIB = 1 << 20
KEY = "20260101/blob"


@pytest.fixture
def disk(monkeypatch):
    """A disk that refuses the second write to a blob, and takes every other."""
    writes = 0
    real = os.writev

    def writev(fd, parts):
        nonlocal writes
        writes += 1
        if writes == 2:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, parts)

    monkeypatch.setattr(os, "writev", writev)


async def forget(_: int) -> None:
    """Nothing is forgotten here."""


def test_what_came_after_bytes_that_could_not_be_stored_is_not_put_in_their_place(tmp_path, disk):
    async def send():
        blobs = LocalBlobs(tmp_path, durable=True)
        sink = blobs.receive(KEY, sha256=False, forget=forget)
        await sink.open()
        sink.begin(known=0, start=0)
        with pytest.raises(StorageFull):
            for letter in b"abcd":
                await sink.write(bytes([letter]) * MIB)
        durable = await sink.sync()
        await sink.close()
        return durable

    durable = asyncio.run(send())

    assert durable == MIB
    assert (tmp_path / KEY).read_bytes()[:durable] == b"a" * MIB
