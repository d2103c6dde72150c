"""``AsyncDoorward``: the client for asyncio; what it does, ``Doorward`` does too."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from doorward.client import calls
from doorward.client.calls import Call, Turn
from doorward.client.digests import CHUNK_BYTES
from doorward.client.errors import ConnectionFailed, DoorwardError, error_of
from doorward.client.handover import AsyncHandovers
from doorward.client.keys import AsyncKeyMethods
from doorward.client.model import (
    AuditRecord,
    Decision,
    Explanation,
    File,
    Link,
    Me,
    Member,
    Page,
    SharedLink,
    Upload,
    Usage,
    Version,
    Workspace,
)
from doorward.client.retry import RetryPolicy
from doorward.client.transfers import (
    FOLLOW_SECONDS,
    Followed,
    Incoming,
    Outgoing,
    Progress,
    describe_break,
    needs_renewal,
    offset_of,
    sent_again,
    upload_declaration,
)

T = TypeVar("T")
Token = str | Callable[[], str] | Callable[[], Awaitable[str]]

_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)


class AsyncDoorward(AsyncHandovers, AsyncKeyMethods):
    """A Doorward server, over a pool of connections; close it, or use it in ``async with``.

    ``token`` is a session token or a key, or something that gives one for each request. It is
    sent to ``url`` and nowhere else. 429 and 503 are tried again, 401 and 403 never.
    """

    def __init__(
        self,
        url: str | None = None,
        token: Token | None = None,
        *,
        retry: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = calls.base_of(url)
        self._token: Token | None = calls.token_of(token)
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._http = httpx2.AsyncClient(
            timeout=_TIMEOUT, transport=transport, follow_redirects=False
        )

    def __repr__(self) -> str:
        return f"AsyncDoorward({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def me(self) -> Me:
        """Say who the server takes you for."""
        return await self.run(calls.me())

    async def explain(
        self, action: str, resource: str | None = None, principal: str | None = None
    ) -> Explanation:
        """Say what would come of an action on a resource, for you or for somebody else."""
        return await self.run(calls.explain(action, resource, principal))

    async def decisions(self, request_id: str) -> list[Decision]:
        """Replay what was decided for a request."""
        return (await self.run(calls.decisions(request_id))).data

    async def usage(self) -> Usage:
        """Read storage and credits of your organization, or your own, and your limits."""
        return await self.run(calls.usage())

    def workspaces(self) -> AsyncIterator[Workspace]:
        """Give the workspaces you are in."""
        return self.pages(calls.workspaces)

    async def workspace(self, workspace_id: str) -> Workspace:
        """Read a workspace."""
        return await self.run(calls.workspace(workspace_id))

    async def create_workspace(self, name: str) -> Workspace:
        """Create a workspace that you own."""
        return await self.run(calls.create_workspace(name))

    async def rename_workspace(self, workspace_id: str, name: str) -> Workspace:
        """Rename a workspace."""
        return await self.run(calls.rename_workspace(workspace_id, name))

    async def delete_workspace(self, workspace_id: str) -> None:
        """Delete a workspace with everything in it."""
        await self.run(calls.delete_workspace(workspace_id))

    def members(self, workspace_id: str) -> AsyncIterator[Member]:
        """Give who is in a workspace."""
        return self.pages(lambda cursor: calls.members(workspace_id, cursor))

    async def add_member(self, workspace_id: str, user_id: str, role: str) -> Member:
        """Let a person in."""
        return await self.run(calls.add_member(workspace_id, user_id, role))

    async def remove_member(self, workspace_id: str, user_id: str) -> None:
        """Take a person out."""
        await self.run(calls.remove_member(workspace_id, user_id))

    def files(self, workspace_id: str, parent_id: str | None = None) -> AsyncIterator[File]:
        """Give what is in a folder, or at the root, by name."""
        return self.pages(lambda cursor: calls.files(workspace_id, parent_id, cursor))

    async def child(self, workspace_id: str, parent_id: str | None, name: str) -> File | None:
        """Find a child by its exact name."""
        found = (await self.run(calls.child(workspace_id, parent_id, name))).data
        return found[0] if found else None

    async def create_folder(
        self,
        workspace_id: str,
        name: str,
        parent_id: str | None = None,
        *,
        exist_ok: bool = False,
    ) -> File:
        """Create a folder."""
        return await self.run(calls.create_folder(workspace_id, name, parent_id, exist_ok=exist_ok))

    async def file(self, file_id: str) -> File:
        """Read a file's details."""
        return await self.run(calls.file(file_id))

    async def move_file(self, file_id: str, **change: Any) -> File:
        """Rename (``name=``) or move (``parent_id=``, None for the root)."""
        return await self.run(calls.move_file(file_id, **change))

    async def delete_file(self, file_id: str) -> None:
        """Put a file or folder in the bin."""
        await self.run(calls.delete_file(file_id))

    async def restore_file(self, file_id: str, **where: Any) -> File:
        """Take out of the bin, or bring back a version (``version_id=``)."""
        return await self.run(calls.restore_file(file_id, **where))

    def versions(self, file_id: str) -> AsyncIterator[Version]:
        """Give the contents a file had, newest first."""
        return self.pages(lambda cursor: calls.versions(file_id, cursor))

    async def link(self, file_id: str, **options: Any) -> SharedLink:
        """Make a download link of a file or folder, which acts for you.

        ``expires_in=`` (seconds), ``uses=``, ``bytes=``, ``networks=``, ``password=``,
        ``version_id=``, ``disposition=``.
        """
        return await self.run(calls.share(file_id, **options))

    def links(self, **where: Any) -> AsyncIterator[Link]:
        """Give signed URLs handed out, newest first; ``workspace=``, ``live=`` and so on narrow."""
        return self.pages(lambda cursor: calls.links(cursor, **where))

    async def read_link(self, link_id: str) -> Link:
        """Read a link's uses and limits."""
        return await self.run(calls.link(link_id))

    async def narrow_link(self, link_id: str, **change: Any) -> Link:
        """Set tighter bounds: ``expires_at=``, ``uses=``, ``bytes=``, ``networks=``."""
        return await self.run(calls.narrow_link(link_id, **change))

    async def kill_link(self, link_id: str) -> None:
        """Kill a link; what is under way by it ends within a second."""
        await self.run(calls.kill_link(link_id))

    def audit(self, **where: Any) -> AsyncIterator[AuditRecord]:
        """Give what was tried, newest first; ``workspace=``, ``actor=``, ``since=`` narrow."""
        return self.pages(lambda cursor: calls.audit(cursor, **where))

    async def export_audit(self, **where: Any) -> AsyncIterator[bytes]:
        """Give the trail as lines that verify without the server; raises DoorwardError."""
        path, params = calls.audit_export(**where)
        url, headers = f"{self.url}/api/v1{path}", await self._authorization()
        try:
            async with self._http.stream("GET", url, params=params, headers=headers) as response:
                if not response.is_success:
                    raise error_of(response.status_code, await response.aread())
                async for chunk in response.aiter_raw(CHUNK_BYTES):
                    yield chunk
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc

    async def declare_upload(self, workspace_id: str, **declared: Any) -> Upload:
        """Declare a file to come: ``name=``, ``size=`` and what else the server takes."""
        return await self.run(calls.declare_upload(workspace_id, **declared))

    async def upload(self, upload_id: str) -> Upload:
        """Read how far an upload is."""
        return await self.run(calls.upload(upload_id))

    async def abort_upload(self, upload_id: str) -> None:
        """Give an upload up."""
        await self.run(calls.abort_upload(upload_id))

    async def upload_file(
        self,
        path: str | Path,
        workspace_id: str,
        *,
        name: str | None = None,
        progress: Progress | None = None,
        **declared: Any,
    ) -> File:
        """Send a file, going on after a cut, and check that what was stored is what was read.

        Raises DoorwardError, DigestMismatch, OSError.
        """
        outgoing = Outgoing.of(Path(path), progress)
        upload = await self.declare_upload(
            workspace_id, **upload_declaration(outgoing, name, declared)
        )
        for attempt in range(1, self._retry.tries + 1):
            try:
                start = 0 if attempt == 1 else await self._offset(upload)
                return outgoing.check(await self._send(upload, outgoing, start))
            except DoorwardError as error:
                if attempt == self._retry.tries or not sent_again(error):
                    raise
                if needs_renewal(error):
                    upload = await self.run(calls.renew_upload(upload.id))
                else:
                    await self._sleep(self._retry.backoff(attempt))
        raise AssertionError("unreachable")

    async def start_import(self, workspace_id: str, url: str, **declared: Any) -> Upload:
        """Have the server fetch a URL; the upload tells how far it is."""
        return await self.run(calls.start_import(workspace_id, url, **declared))

    async def import_url(
        self, url: str, workspace_id: str, *, progress: Progress | None = None, **declared: Any
    ) -> File:
        """Have the server fetch a URL, and wait for the file; ``name=`` and more are optional.

        Raises DoorwardError, ImportFailed.
        """
        upload = await self.start_import(workspace_id, url, **declared)
        return await self.follow_import(upload, progress=progress)

    async def follow_import(self, upload: Upload, *, progress: Progress | None = None) -> File:
        """Wait until an import that was started is a file; raises DoorwardError, ImportFailed."""
        followed = Followed(progress)
        while (file := followed.file(upload)) is None:
            await self._sleep(FOLLOW_SECONDS)
            upload = await self.upload(upload.id)
        return file

    async def download_file(
        self, file: File, destination: str | Path, *, progress: Progress | None = None
    ) -> Path:
        """Fetch a file, going on where a cut left it, and name it only once it is whole and right.

        Raises DoorwardError, DigestMismatch, OSError.
        """
        incoming = Incoming(file, Path(destination), progress)
        for attempt in range(1, self._retry.tries + 1):
            try:
                await self._fetch(incoming)
                return await asyncio.to_thread(incoming.finish)
            except ConnectionFailed:
                if attempt == self._retry.tries:
                    raise
                await self._sleep(self._retry.backoff(attempt))
        raise AssertionError("unreachable")

    async def pages(self, turn: Turn[T]) -> AsyncIterator[T]:
        """Give every row of a list, fetching pages as they are needed."""
        cursor: str | None = None
        while True:
            page: Page[T] = await self.run(turn(cursor))
            for row in page.data:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def run(self, call: Call[T]) -> T:
        """Make a request, as often as the policy says; raises DoorwardError."""
        attempt = 1
        while True:
            try:
                response = await self._http.request(
                    call.method,
                    f"{self.url}/api/v1{call.path}",
                    params=dict(call.params),
                    json=call.body,
                    headers=await self._authorization(),
                )
            except httpx2.TransportError as exc:
                wait = self._retry.wait_after_break(attempt, call.method)
                if wait is None:
                    raise ConnectionFailed(describe_break(exc)) from exc
            else:
                if response.is_success:
                    return call.read(response.content)
                retry_after = response.headers.get("retry-after")
                wait = self._retry.wait_after_status(attempt, response.status_code, retry_after)
                if wait is None:
                    raise error_of(response.status_code, response.content)
            attempt += 1
            await self._sleep(wait)

    async def _credential(self) -> str | None:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else token

    async def _authorization(self) -> dict[str, str]:
        token = await self._credential()
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def _offset(self, upload: Upload) -> int | None:
        """Ask the signed URL how far the upload is, None where it is complete."""
        try:
            # HEAD asks the same, and its answer can't say what is wrong.
            response = await self._http.get(upload.url or "")
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc
        if not response.is_success:
            raise error_of(response.status_code, response.content)
        return offset_of(response.headers, upload.size)

    async def _send(self, upload: Upload, outgoing: Outgoing, start: int | None) -> File:
        """Send to the signed URL, which needs no credential and gets none."""
        if start is None:
            return await self._arrived(upload, outgoing)
        try:
            response = await self._http.request(
                "PATCH" if start else "PUT",
                upload.url or "",
                content=_beside(outgoing.chunks(start)),
                headers=outgoing.headers(start),
            )
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc
        if not response.is_success:
            raise error_of(response.status_code, response.content)
        return calls.SENT.read(response.content)

    async def _arrived(self, upload: Upload, outgoing: Outgoing) -> File:
        """Read the file of an upload whose last answer was lost on the way."""
        await asyncio.to_thread(outgoing.hash_all)
        done = await self.run(calls.upload(upload.id))
        if done.file is None:
            raise ConnectionFailed("The upload is complete, and its file is not there.")
        return done.file

    async def _fetch(self, incoming: Incoming) -> None:
        if incoming.whole:
            return
        url = f"{self.url}/api/v1{calls.content_path(incoming.file.id)}"
        headers = await self._authorization() | incoming.headers()
        try:
            async with self._http.stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    raise error_of(response.status_code, await response.aread())
                with incoming.open(response.status_code) as kept:
                    async for chunk in response.aiter_raw(CHUNK_BYTES):
                        await asyncio.to_thread(incoming.take, kept, chunk)
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc


async def _beside(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the disk beside the event loop, not in it."""
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk
