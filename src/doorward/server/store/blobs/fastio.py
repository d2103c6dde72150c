"""Objects as files of a Fast.io workspace, relayed with a key that never leaves the server.

Fast.io finds a file by its node, so that the key of a blob that is stored there ends with it. A
blob has a name of its own in the folder of its day: sent again it takes the place of itself.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import quote

from doorward.server.integrity.model import StoredBlob
from doorward.server.problems import Problem, StorageFailed
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.fastio_api import FastioApi, Payload
from doorward.server.store.blobs.receiving import new_hashers
from doorward.server.store.blobs.remote import log, read_ahead, remote_problem
from doorward.server.uploads.ports import Stored

SINGLE_BYTES_MAX = 4 << 20
CHUNK_BYTES_MIN = 8 << 20
_CHUNK_BYTES_MAX = 100_000_000
_CHUNKS = 10_000
_AT_ONCE_BYTES = 3 * CHUNK_BYTES_MIN
_WAIT_SECONDS = 60
_POLLS_MAX = 60
_PAGE = 500
_PAGES_MAX = 10_000
_NODE = "#"
_HASHES = frozenset({"md5", "sha1", "sha256", "sha384"})
_FAILED = frozenset({"assembly_failed", "store_failed"})


class FastioObjects:
    """Objects of one workspace, below one folder."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage = storage
        self._api = FastioApi(storage)
        self._workspace = f"/workspace/{quote(storage.bucket, safe='')}"
        self._folders: dict[str, str] = {}

    @property
    def parts(self) -> None:
        """It signs no URLs, so that bytes can't come from clients."""
        return None

    async def put(self, key: str, path: Path, stored: Stored) -> str:
        """Store a file and compare what the service has then."""
        try:
            return await self._put(key, path, stored)
        except Problem:
            self._folders = {}  # one that is gone is made again
            raise

    async def _put(self, key: str, path: Path, stored: Stored) -> str:
        day, _, name = key.rpartition("/")
        about = {
            "name": name,
            "size": stored.size,
            "action": "create",
            "instance_id": self._storage.bucket,
            "folder_id": await self._folder(day),
            "profile_type": "workspace",
        }
        if stored.size <= SINGLE_BYTES_MAX:
            data = await asyncio.to_thread(path.read_bytes)
            begun = await self._must("POST", "/upload/", form=about, file=(name, data))
        else:
            begun = await self._must("POST", "/upload/", form=about)
            await self._send_chunks(_text(begun, "id"), path, stored.size)
        session = _text(begun, "id")
        node = begun.get("new_file_id") or await self._placed(session)
        await self._compare(str(node), path, stored)
        await self._forget(session)
        return f"{key}{_NODE}{node}"

    async def get(self, key: str, start: int, stop: int) -> bytes:
        """Give a range of a file."""
        node = key.partition(_NODE)[2]
        if not node:
            raise remote_problem(self._storage, "a blob without a node was never stored")
        return await self._api.read(f"{self._node(node)}/read/", start, stop)

    async def size_of(self, key: str) -> int | None:
        """Say how large a file is, None where there is none."""
        node = key.partition(_NODE)[2]
        found = await self._api.call("GET", f"{self._node(node)}/details/") if node else None
        size = str(((found or {}).get("node") or {}).get("size"))
        return int(size) if size.isdigit() else None

    async def delete(self, key: str) -> None:
        """Remove a file for good, also one whose node no row ever had."""
        bare, _, node = key.partition(_NODE)
        found = node or await self._find(bare)
        if found is None:
            return
        await self._api.call("DELETE", f"{self._node(found)}/delete/")
        await self._api.call("DELETE", f"{self._node(found)}/purge/")

    async def check(self) -> None:
        """Make sure that the key counts and may write in the workspace."""
        await self._must("GET", "/user/auth/check/")
        granted = await self._must("GET", "/auth/scopes/")
        scopes = granted.get("scopes") or []
        if scopes and not granted.get("full_access") and not self._may_write(scopes):
            raise remote_problem(self._storage, "the key's scopes don't let it write there")

    async def inventory(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give nothing: a file is ours by the node that a row has, and not by its name."""
        nothing: tuple[list[StoredBlob], ...] = ()
        for page in nothing:
            yield page

    async def is_there(self, blob: StoredBlob) -> bool:
        """Say whether there is such a file."""
        return await self.size_of(blob.key) is not None

    async def leave(self) -> None:
        """Let go of connections."""
        await self._api.leave()

    def _may_write(self, scopes: list[str]) -> bool:
        """Judge the scopes by what they say; whether an organization owns it only they know."""
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            entity, _, mode = rest.partition(":")
            covers = kind in {"user", "org"} or entity in {"*", self._storage.bucket}
            if kind in {"user", "org", "workspace"} and covers and mode.startswith("rw"):
                return True
        return False

    async def _folder(self, name: str) -> str:
        """Give the folder of a day; one of that name is there once, whoever asks first."""
        if name not in self._folders:
            parent = quote(self._storage.folder, safe="")
            path = f"{self._workspace}/storage/{parent}/createfolder/"
            made = await self._must("POST", path, form={"name": name})
            self._folders = {name: _text(made.get("node"), "id")}
        return self._folders[name]

    async def _send_chunks(self, session: str, path: Path, size: int) -> None:
        chunk_bytes = await self._chunk_bytes(size)
        at_once = asyncio.Semaphore(max(1, _AT_ONCE_BYTES // chunk_bytes))

        async def send(order: int) -> None:
            async with at_once:
                await self._send_chunk(session, path, order, chunk_bytes)

        try:
            async with asyncio.TaskGroup() as tasks:
                for order in range(1, math.ceil(size / chunk_bytes) + 1):
                    tasks.create_task(send(order))
            await self._must("POST", f"/upload/{quote(session)}/complete/", form={})
        except BaseException as exc:
            await self._forget(session)
            if isinstance(exc, BaseExceptionGroup):
                raise exc.exceptions[0] from None
            raise

    async def _send_chunk(self, session: str, path: Path, order: int, chunk_bytes: int) -> None:
        data = await asyncio.to_thread(_read_at, path, (order - 1) * chunk_bytes, chunk_bytes)
        await self._must(
            "POST",
            f"/upload/{quote(session)}/chunk/",
            query={"order": order, "size": len(data)},
            form={"hash": hashlib.sha256(data).hexdigest(), "hash_algo": "sha256"},
            file=("chunk.bin", data),
        )

    async def _chunk_bytes(self, size: int) -> int:
        """Keep to what the plan allows: few chunks on a small one, and none over its size."""
        query = {"action": "create", "instance_id": self._storage.bucket}
        limits = await self._api.call("GET", "/upload/limits/", query=query) or {}
        most, count = limits.get("chunk_size"), limits.get("chunks")
        most = most if isinstance(most, int) and most > 0 else _CHUNK_BYTES_MAX
        count = count if isinstance(count, int) and count > 1 else _CHUNKS
        return min(most, max(CHUNK_BYTES_MIN, math.ceil(size / (count - 1))))

    async def _placed(self, session: str) -> str:
        """Wait until the service has made a file of what was sent; raises StorageFailed."""
        for _ in range(_POLLS_MAX):
            found = await self._must(
                "GET",
                f"/upload/{quote(session)}/details/",
                query={"wait": _WAIT_SECONDS},
                wait_seconds=_WAIT_SECONDS,
            )
            state = found.get("session") or {}
            if state.get("status") == "stored":
                return _text(state, "new_file_id")
            if state.get("status") in _FAILED:
                await self._forget(session)
                raise remote_problem(
                    self._storage, f"{state['status']}: {state.get('status_message')}"
                )
        raise remote_problem(self._storage, "what was sent did not become a file in time")

    async def _compare(self, node: str, path: Path, stored: Stored) -> None:
        """Make sure that the service has what we have, by its hash or by reading it back."""
        found = (await self._must("GET", f"{self._node(node)}/details/")).get("node") or {}
        theirs, algorithm = found.get("hash"), found.get("hash_algo")
        if str(found.get("size")) != str(stored.size):
            same = False
        elif theirs and algorithm in _HASHES:
            same = str(theirs).lower() == await asyncio.to_thread(_digest, path, algorithm)
        else:
            same = await self._read_back(node, stored.size) == stored.digest
        if not same:
            log.error("the store %s has other bytes than it was given", self._storage.shown)
            raise StorageFailed

    async def _read_back(self, node: str, size: int) -> str:
        [hasher] = new_hashers(sha256=False)
        async for chunk in read_ahead(self, f"{_NODE}{node}", 0, size):
            hasher.update(chunk)
        return f"blake3:{hasher.hexdigest()}"

    async def _forget(self, session: str) -> None:
        """Let the service forget an upload, which does nothing to the file that came of it."""
        try:
            await self._api.call("DELETE", f"/upload/{quote(session)}/")
        except Problem:
            log.warning("Fast.io keeps an upload that is over, until it expires there")

    async def _find(self, key: str) -> str | None:
        """Find a file by its name, which only one that a crash left has to be found by."""
        day, _, name = key.rpartition("/")
        folder = await self._folder(day)
        query: dict[str, str | int] = {"page_size": _PAGE}
        for _ in range(_PAGES_MAX):
            page = await self._api.call("GET", f"{self._node(folder)}/list/", query=query) or {}
            for node in (page.get("nodes") or {}).get("items") or []:
                if node.get("name") == name:
                    return _text(node, "id")
            if not page.get("next_cursor"):
                break
            query["cursor"] = page["next_cursor"]
        return None

    async def _must(self, method: str, path: str, **request: object) -> Payload:
        """Call for something that has to be there."""
        found = await self._api.call(method, path, **request)  # type: ignore[arg-type]
        if found is None:
            raise remote_problem(self._storage, f"404 for {method} {path}")
        return found

    def _node(self, node: str) -> str:
        return f"{self._workspace}/storage/{quote(node, safe='')}"


def _text(payload: Payload | None, name: str) -> str:
    value = (payload or {}).get(name)
    if not isinstance(value, str) or not value:
        log.error("Fast.io gave no %s", name)
        raise StorageFailed
    return value


def _read_at(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
