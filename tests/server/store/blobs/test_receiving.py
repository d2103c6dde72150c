"""One blob while its bytes come: what is acknowledged is there, in its place."""

import asyncio
import errno
import os
import shutil
from itertools import count
from pathlib import Path

import pytest
from blake3 import blake3

from doorward.server.problems import Problem
from doorward.server.store.blobs.local import LocalBlobs

MIB = 1 << 20
KEY = "20260101/blob"


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path, durable=True)


async def forget(_: int) -> None:
    """Nothing is forgotten here."""


async def writing(blobs, *, known: int, start: int):
    sink = blobs.receive(KEY, sha256=False, forget=forget)
    await sink.open()
    sink.begin(known=known, start=start)
    return sink


async def send(blobs, content: bytes, *, known: int, start: int) -> None:
    sink = await writing(blobs, known=known, start=start)
    await sink.write(content)
    await sink.sync()
    await sink.close()


def test_what_came_after_bytes_that_could_not_be_stored_is_not_put_in_their_place(
    blobs, monkeypatch
):
    monkeypatch.setattr(os, "writev", full_once(os.writev))

    async def send_four() -> int | None:
        sink = await writing(blobs, known=0, start=0)
        with pytest.raises(Problem):
            await write_four(sink)
        durable = await sink.sync()
        await sink.close()
        return durable

    durable = asyncio.run(send_four())

    assert durable == MIB
    assert blobs.path(KEY).read_bytes()[:durable] == b"a" * MIB


def test_digests_so_far_count_only_while_no_other_process_wrote_the_blob_anew(blobs, tmp_path):
    other = LocalBlobs(tmp_path, durable=True)

    async def send_in_turns():
        await send(blobs, b"x" * 100, known=0, start=0)
        await send(other, b"y" * 100, known=100, start=0)
        sink = await writing(blobs, known=100, start=100)
        await sink.write(b"z" * 100)
        stored = await sink.finish()
        await sink.close()
        return stored

    stored = asyncio.run(send_in_turns())

    content = blobs.path(KEY).read_bytes()
    assert content == b"y" * 100 + b"z" * 100
    assert stored.digest == f"blake3:{blake3(content).hexdigest()}"


@pytest.mark.parametrize("found", [False, True])
def test_the_folder_of_a_day_is_durable_before_the_first_answer_whoever_made_it(
    blobs, tmp_path, monkeypatch, found
):
    if found:  # another process made it, and its sync may not have begun
        blobs.path(KEY).parent.mkdir()
    synced = folders_synced(monkeypatch)

    asyncio.run(send(blobs, b"x", known=0, start=0))
    first, synced[:] = list(synced), []
    asyncio.run(send(blobs, b"xy", known=1, start=0))

    assert first == [str(tmp_path), str(blobs.path(KEY).parent)]
    assert synced == [str(blobs.path(KEY).parent)]


def test_the_folder_of_a_day_that_went_and_came_again_is_made_durable_again(
    blobs, tmp_path, monkeypatch
):
    asyncio.run(send(blobs, b"x", known=0, start=0))
    shutil.rmtree(blobs.path(KEY).parent)
    synced = folders_synced(monkeypatch)

    asyncio.run(send(blobs, b"x", known=0, start=0))

    assert synced == [str(tmp_path), str(blobs.path(KEY).parent)]


def folders_synced(monkeypatch) -> list[str]:
    """Where folders are synced from now on."""
    synced, real = [], os.fsync

    def fsync(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


async def write_four(sink) -> None:
    for letter in b"abcd":
        await sink.write(bytes([letter]) * MIB)


def full_once(real):
    """A disk that refuses the second write, and takes those before and after it."""
    calls = count(1)

    def writev(fd: int, parts: list[bytes]) -> int:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, parts)

    return writev
