"""Objects of S3-compatible stores, Google Cloud Storage and Azure, by way of ``obstore``."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from doorward.server.integrity.model import StoredBlob
from doorward.server.problems import PartsInvalid, StorageFailed
from doorward.server.settings import SettingsInvalid
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.receiving import Hasher, new_hashers
from doorward.server.store.blobs.remote import (
    at_latest,
    is_ours,
    log,
    read_ahead,
    remote_problem,
)
from doorward.server.store.blobs.s3 import PartsRefused, S3Api
from doorward.server.uploads.ports import Stored

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

T = TypeVar("T")

PART_BYTES_MIN = 8 << 20
PARTS_MAX = 9000  # below the 10,000 that the stores take
PARTS_AT_ONCE = 4
_CONNECT_SECONDS = 5
_PAGE = 1000
_UNREADABLE = (
    "{} can't be opened: a credential that the environment gives, such as the file that "
    "GOOGLE_APPLICATION_CREDENTIALS names, is not there or can't be read as one."
)


def open_cloud(storage: RemoteStorage) -> "CloudObjects":
    """Give the objects of a store, without asking it anything.

    Raises SettingsInvalid where the credentials can't be read, and repeats nothing of them.
    """
    try:
        store = _store(storage)
    except (BaseError, OSError, ValueError):
        # What obstore says of a file that is no account's may be what is in the file.
        raise SettingsInvalid([_UNREADABLE.format(storage.shown)]) from None
    return CloudObjects(storage, store, S3Api.of(storage))


class CloudObjects:
    """Objects of one bucket, below one prefix.

    ``api`` is S3's own, for what ``obstore`` does not offer: what the store's checksum is, and what
    is left of uploads in parts. None where the store is another one or our keys are not at hand.
    """

    def __init__(
        self, storage: RemoteStorage, store: S3Store | GCSStore | AzureStore, api: S3Api | None
    ) -> None:
        self._storage = storage
        self._store = store
        self.api = api

    @property
    def parts(self) -> "S3Parts | None":
        """What takes parts from clients: only where we may sign their URLs."""
        return None if self.api is None else S3Parts(self, self.api)

    async def put(self, key: str, path: Path, stored: Stored) -> str:
        """Store a file, in parts where it is large, and compare what the store has then."""
        part_bytes = max(PART_BYTES_MIN, math.ceil(stored.size / PARTS_MAX))
        if self.api is not None and stored.size > part_bytes:
            await self.api.abort_all(key)  # what a process that was killed left of this blob
        with self._told():
            await obstore.put_async(
                self._store,
                key,
                path,
                use_multipart=stored.size > part_bytes,
                chunk_size=part_bytes,
                max_concurrency=PARTS_AT_ONCE,
            )
        await self._compare(key, path, stored, part_bytes)
        return key

    async def get(self, key: str, start: int, stop: int) -> bytes:
        """Give a range of an object."""
        with self._told():
            found = await obstore.get_range_async(self._store, key, start=start, end=stop)
            return found.to_bytes()

    async def delete(self, key: str) -> None:
        """Remove an object, and the parts of one that never became whole."""
        if self.api is not None:
            await self.api.abort_all(key)
        with self._told():
            await _unless_missing(obstore.delete_async(self._store, key))

    async def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give the objects below the prefix whose keys are of our form, then what was only begun.

        The store's clock tells when, and as much is added as ours may be off it.
        """
        with self._told():
            pages = aiter(obstore.list(self._store, chunk_size=_PAGE))
        while (page := await self._next(pages)) is not None:
            yield [
                StoredBlob(one["path"], one["size"], at_latest(one["last_modified"]), remote=True)
                for one in page
                if is_ours(one["path"])
            ]
        if self.api is not None:
            async with aclosing(self.api.unfinished()) as begun:
                async for some in begun:
                    yield some

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether an object, or what was begun of one, is still there."""
        if blob.whole:
            return await self.size_of(blob.key) is not None
        return self.api is not None and await self.api.is_begun(blob.key)

    async def check(self) -> None:
        """Ask for an object that is not there: whoever may not ask is told so."""
        with self._told():
            await _unless_missing(obstore.get_range_async(self._store, "check", start=0, end=1))

    async def leave(self) -> None:
        """Let go of connections."""
        if self.api is not None:
            await self.api.leave()

    async def size_of(self, key: str) -> int | None:
        """Say how large an object is, None where there is none."""
        with self._told():
            found = await _unless_missing(obstore.head_async(self._store, key))
            return None if found is None else found["size"]

    async def read_back(self, key: str, size: int, *, with_sha256: bool) -> Stored:
        """Read an object once and give its digests; raises StorageFailed, StorageFull."""
        hashers = new_hashers(sha256=with_sha256)
        chunks = read_ahead(self, key, 0, size)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(_update, hashers, chunk)
        finally:
            await chunks.aclose()
        digests = [hasher.hexdigest() for hasher in hashers]
        return Stored(size, f"blake3:{digests[0]}", f"sha256:{digests[1]}" if with_sha256 else None)

    async def _next(
        self, pages: "AsyncIterator[Sequence[ObjectMeta]]"
    ) -> "Sequence[ObjectMeta] | None":
        with self._told():
            return await anext(pages, None)

    async def _compare(self, key: str, path: Path, stored: Stored, part_bytes: int) -> None:
        """Make sure that the store has what we have, by its checksum or by reading it back."""
        size = await self.size_of(key)
        if size != stored.size:
            raise self._differs(key, f"{size} bytes and not {stored.size}")
        theirs = None if self.api is None else await self.api.checksum(key)
        if theirs is not None:
            if theirs != await asyncio.to_thread(_s3_checksum, path, stored.size, part_bytes):
                raise self._differs(key, "another checksum")
        elif (await self.read_back(key, size, with_sha256=False)).digest != stored.digest:
            raise self._differs(key, "other bytes")

    def _differs(self, key: str, how: str) -> StorageFailed:
        log.error("the store %s has %s of %s than it was given", self._storage.shown, how, key)
        return StorageFailed()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as exc:
            raise remote_problem(self._storage, exc) from None


class S3Parts:
    """PartStore over the bucket of ``objects``."""

    def __init__(self, objects: CloudObjects, api: S3Api) -> None:
        self._objects = objects
        self._api = api

    async def begin(self, key: str) -> str:
        """Expect an object in parts."""
        return await self._api.begin(key)

    def urls(
        self, key: str, multipart_id: str, sizes: Sequence[int], life_seconds: int
    ) -> list[str]:
        """Give the URLs that take the parts, in order."""
        return [
            self._api.part_url(key, multipart_id, number, size=size, life_seconds=life_seconds)
            for number, size in enumerate(sizes, 1)
        ]

    async def join(self, key: str, multipart_id: str, tags: Sequence[tuple[int, str]]) -> int:
        """Make one object of the parts, or find the one that an earlier request made of them."""
        try:
            await self._api.complete(key, multipart_id, tags)
        except PartsRefused:
            raise PartsInvalid from None
        size = await self._objects.size_of(key)
        if size is None:
            raise PartsInvalid("The store has no parts of this upload any more.")
        return size

    async def read_back(self, key: str, size: int, *, with_sha256: bool) -> Stored:
        """Read an object once and give its digests."""
        return await self._objects.read_back(key, size, with_sha256=with_sha256)


async def _unless_missing(asked: Awaitable[T]) -> T | None:
    """Give what was asked for, None where there is no such object; a missing bucket raises."""
    try:
        return await asked
    except FileNotFoundError as exc:
        if "NoSuchBucket" in str(exc) or "ContainerNotFound" in str(exc):
            raise
        return None


def _update(hashers: list[Hasher], chunk: bytes) -> None:
    for hasher in hashers:
        hasher.update(chunk)


def _s3_checksum(path: Path, size: int, part_bytes: int) -> str:
    """Give the checksum that S3 makes of an object: of its parts' where it came in parts."""
    parts = []
    with path.open("rb") as file:
        for _ in range(max(1, math.ceil(size / part_bytes))):
            part, left = sha256(), part_bytes
            while left and (chunk := file.read(min(left, 1 << 20))):
                part.update(chunk)
                left -= len(chunk)
            parts.append(part.digest())
    if size <= part_bytes:
        return parts[0].hex()
    return f"{sha256(b''.join(parts)).hexdigest()}-{len(parts)}"


def _store(storage: RemoteStorage) -> S3Store | GCSStore | AzureStore:
    client: ClientConfig = {
        "timeout": f"{storage.timeout_seconds}s",
        "connect_timeout": f"{min(_CONNECT_SECONDS, storage.timeout_seconds)}s",
        "allow_http": (storage.endpoint or "").startswith("http:"),
        "user_agent": "doorward",
    }
    retry: RetryConfig = {
        "max_retries": storage.retries,
        "retry_timeout": timedelta(seconds=2 * storage.timeout_seconds),
        "backoff": {
            "init_backoff": timedelta(milliseconds=200),
            "max_backoff": timedelta(seconds=10),
            "base": 2,
        },
    }
    kind, config = {
        "gs": (GCSStore, _google_config),
        "az": (AzureStore, _azure_config),
        "s3": (S3Store, _s3_config),
    }[storage.scheme]
    store: S3Store | GCSStore | AzureStore = kind(
        storage.bucket,
        prefix=storage.prefix or None,
        config=config(storage),
        client_options=client,
        retry_config=retry,
    )
    return store


def _google_config(storage: RemoteStorage) -> dict[str, str]:
    return _said({"base_url": storage.endpoint})


def _azure_config(storage: RemoteStorage) -> dict[str, str]:
    return _said(
        {
            "account_name": storage.account,
            "account_key": storage.secret_access_key,
            "endpoint": storage.endpoint,
        }
    )


def _s3_config(storage: RemoteStorage) -> dict[str, str]:
    return _said(
        {
            "region": storage.region or "us-east-1",
            "endpoint": storage.endpoint,
            "access_key_id": storage.access_key_id,
            "secret_access_key": storage.secret_access_key,
            "session_token": storage.session_token,
            "checksum_algorithm": "SHA256",
            "virtual_hosted_style_request": "false" if storage.path_style else "true",
        }
    )


def _said(options: dict[str, str | None]) -> dict[str, str]:
    """Leave out what nobody set, which the store is to find by itself."""
    return {name: value for name, value in options.items() if value}
