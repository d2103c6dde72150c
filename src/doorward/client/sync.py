"""``Doorward``: the client for code that waits."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from doorward.client import calls
from doorward.client.calls import Call, Turn
from doorward.client.digests import CHUNK_BYTES
from doorward.client.errors import ConnectionFailed, DoorwardError, error_of
from doorward.client.handover import Handovers
from doorward.client.keys import KeyMethods
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
Token = str | Callable[[], str]

_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)


class Doorward(Handovers, KeyMethods):
    """A Doorward server, over a pool of connections; close it, or use it in ``with``.

    ``token`` is a session token or a key, or something that gives one for each request. It is
    sent to ``url`` and nowhere else. 429 and 503 are tried again, 401 and 403 never.
    """

    def __init__(
        self,
        url: str | None = None,
        token: Token | None = None,
        *,
        retry: RetryPolicy | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = calls.base_of(url)
        self._token: Token | None = calls.token_of(token)
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._http = httpx2.Client(timeout=_TIMEOUT, transport=transport, follow_redirects=False)

    def __repr__(self) -> str:
        return f"Doorward({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def me(self) -> Me:
        """Say who the server takes you for."""
        return self.run(calls.me())

    def explain(
        self, action: str, resource: str | None = None, principal: str | None = None
    ) -> Explanation:
        """Say what would come of an action on a resource, for you or for somebody else."""
        return self.run(calls.explain(action, resource, principal))

    def decisions(self, request_id: str) -> list[Decision]:
        """Replay what was decided for a request."""
        return (self.run(calls.decisions(request_id))).data

    def usage(self) -> Usage:
        """Read storage and credits of your organization, or your own, and your limits."""
        return self.run(calls.usage())

    def workspaces(self) -> Iterator[Workspace]:
        """Give the workspaces you are in."""
        return self.pages(calls.workspaces)

    def workspace(self, workspace_id: str) -> Workspace:
        """Read a workspace."""
        return self.run(calls.workspace(workspace_id))

    def create_workspace(self, name: str) -> Workspace:
        """Create a workspace that you own."""
        return self.run(calls.create_workspace(name))

    def rename_workspace(self, workspace_id: str, name: str) -> Workspace:
        """Rename a workspace."""
        return self.run(calls.rename_workspace(workspace_id, name))

    def delete_workspace(self, workspace_id: str) -> None:
        """Delete a workspace with everything in it."""
        self.run(calls.delete_workspace(workspace_id))

    def members(self, workspace_id: str) -> Iterator[Member]:
        """Give who is in a workspace."""
        return self.pages(lambda cursor: calls.members(workspace_id, cursor))

    def add_member(self, workspace_id: str, user_id: str, role: str) -> Member:
        """Let a person in."""
        return self.run(calls.add_member(workspace_id, user_id, role))

    def remove_member(self, workspace_id: str, user_id: str) -> None:
        """Take a person out."""
        self.run(calls.remove_member(workspace_id, user_id))

    def files(self, workspace_id: str, parent_id: str | None = None) -> Iterator[File]:
        """Give what is in a folder, or at the root, by name."""
        return self.pages(lambda cursor: calls.files(workspace_id, parent_id, cursor))

    def child(self, workspace_id: str, parent_id: str | None, name: str) -> File | None:
        """Find a child by its exact name."""
        found = self.run(calls.child(workspace_id, parent_id, name)).data
        return found[0] if found else None

    def create_folder(
        self,
        workspace_id: str,
        name: str,
        parent_id: str | None = None,
        *,
        exist_ok: bool = False,
    ) -> File:
        """Create a folder."""
        return self.run(calls.create_folder(workspace_id, name, parent_id, exist_ok=exist_ok))

    def file(self, file_id: str) -> File:
        """Read a file's details."""
        return self.run(calls.file(file_id))

    def move_file(self, file_id: str, **change: Any) -> File:
        """Rename (``name=``) or move (``parent_id=``, None for the root)."""
        return self.run(calls.move_file(file_id, **change))

    def delete_file(self, file_id: str) -> None:
        """Put a file or folder in the bin."""
        self.run(calls.delete_file(file_id))

    def restore_file(self, file_id: str, **where: Any) -> File:
        """Take out of the bin, or bring back a version (``version_id=``)."""
        return self.run(calls.restore_file(file_id, **where))

    def versions(self, file_id: str) -> Iterator[Version]:
        """Give the contents a file had, newest first."""
        return self.pages(lambda cursor: calls.versions(file_id, cursor))

    def link(self, file_id: str, **options: Any) -> SharedLink:
        """Make a download link of a file or folder, which acts for you.

        ``expires_in=`` (seconds), ``uses=``, ``bytes=``, ``networks=``, ``password=``,
        ``version_id=``, ``disposition=``.
        """
        return self.run(calls.share(file_id, **options))

    def links(self, **where: Any) -> Iterator[Link]:
        """Give signed URLs handed out, newest first; ``workspace=``, ``live=`` and so on narrow."""
        return self.pages(lambda cursor: calls.links(cursor, **where))

    def read_link(self, link_id: str) -> Link:
        """Read a link's uses and limits."""
        return self.run(calls.link(link_id))

    def narrow_link(self, link_id: str, **change: Any) -> Link:
        """Set tighter bounds: ``expires_at=``, ``uses=``, ``bytes=``, ``networks=``."""
        return self.run(calls.narrow_link(link_id, **change))

    def kill_link(self, link_id: str) -> None:
        """Kill a link; what is under way by it ends within a second."""
        self.run(calls.kill_link(link_id))

    def audit(self, **where: Any) -> Iterator[AuditRecord]:
        """Give what was tried, newest first; ``workspace=``, ``actor=``, ``since=`` narrow."""
        return self.pages(lambda cursor: calls.audit(cursor, **where))

    def export_audit(self, **where: Any) -> Iterator[bytes]:
        """Give the trail as lines that verify without the server; raises DoorwardError."""
        path, params = calls.audit_export(**where)
        url, headers = f"{self.url}/api/v1{path}", self._authorization()
        try:
            with self._http.stream("GET", url, params=params, headers=headers) as response:
                if not response.is_success:
                    raise error_of(response.status_code, response.read())
                yield from response.iter_raw(CHUNK_BYTES)
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc

    def declare_upload(self, workspace_id: str, **declared: Any) -> Upload:
        """Declare a file to come: ``name=``, ``size=`` and what else the server takes."""
        return self.run(calls.declare_upload(workspace_id, **declared))

    def upload(self, upload_id: str) -> Upload:
        """Read how far an upload is."""
        return self.run(calls.upload(upload_id))

    def abort_upload(self, upload_id: str) -> None:
        """Give an upload up."""
        self.run(calls.abort_upload(upload_id))

    def upload_file(
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
        upload = self.declare_upload(workspace_id, **upload_declaration(outgoing, name, declared))
        for attempt in range(1, self._retry.tries + 1):
            try:
                start = 0 if attempt == 1 else self._offset(upload)
                return outgoing.check(self._send(upload, outgoing, start))
            except DoorwardError as error:
                if attempt == self._retry.tries or not sent_again(error):
                    raise
                if needs_renewal(error):
                    upload = self.run(calls.renew_upload(upload.id))
                else:
                    self._sleep(self._retry.backoff(attempt))
        raise AssertionError("unreachable")

    def start_import(self, workspace_id: str, url: str, **declared: Any) -> Upload:
        """Have the server fetch a URL; the upload tells how far it is."""
        return self.run(calls.start_import(workspace_id, url, **declared))

    def import_url(
        self, url: str, workspace_id: str, *, progress: Progress | None = None, **declared: Any
    ) -> File:
        """Have the server fetch a URL, and wait for the file; ``name=`` and more are optional.

        Raises DoorwardError, ImportFailed.
        """
        upload = self.start_import(workspace_id, url, **declared)
        return self.follow_import(upload, progress=progress)

    def follow_import(self, upload: Upload, *, progress: Progress | None = None) -> File:
        """Wait until an import that was started is a file; raises DoorwardError, ImportFailed."""
        followed = Followed(progress)
        while (file := followed.file(upload)) is None:
            self._sleep(FOLLOW_SECONDS)
            upload = self.upload(upload.id)
        return file

    def download_file(
        self, file: File, destination: str | Path, *, progress: Progress | None = None
    ) -> Path:
        """Fetch a file, going on where a cut left it, and name it only once it is whole and right.

        Raises DoorwardError, DigestMismatch, OSError.
        """
        incoming = Incoming(file, Path(destination), progress)
        for attempt in range(1, self._retry.tries + 1):
            try:
                self._fetch(incoming)
                return incoming.finish()
            except ConnectionFailed:
                if attempt == self._retry.tries:
                    raise
                self._sleep(self._retry.backoff(attempt))
        raise AssertionError("unreachable")

    def pages(self, turn: Turn[T]) -> Iterator[T]:
        """Give every row of a list, fetching pages as they are needed."""
        cursor: str | None = None
        while True:
            page: Page[T] = self.run(turn(cursor))
            yield from page.data
            cursor = page.next_cursor
            if cursor is None:
                return

    def run(self, call: Call[T]) -> T:
        """Make a request, as often as the policy says; raises DoorwardError."""
        attempt = 1
        while True:
            try:
                response = self._http.request(
                    call.method,
                    f"{self.url}/api/v1{call.path}",
                    params=dict(call.params),
                    json=call.body,
                    headers=self._authorization(),
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
            self._sleep(wait)

    def _credential(self) -> str | None:
        return self._token() if callable(self._token) else self._token

    def _authorization(self) -> dict[str, str]:
        token = self._credential()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _offset(self, upload: Upload) -> int | None:
        """Ask the signed URL how far the upload is, None where it is complete."""
        try:
            # HEAD asks the same, and its answer can't say what is wrong.
            response = self._http.get(upload.url or "")
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc
        if not response.is_success:
            raise error_of(response.status_code, response.content)
        return offset_of(response.headers, upload.size)

    def _send(self, upload: Upload, outgoing: Outgoing, start: int | None) -> File:
        """Send to the signed URL, which needs no credential and gets none."""
        if start is None:
            return self._arrived(upload, outgoing)
        try:
            response = self._http.request(
                "PATCH" if start else "PUT",
                upload.url or "",
                content=outgoing.chunks(start),
                headers=outgoing.headers(start),
            )
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc
        if not response.is_success:
            raise error_of(response.status_code, response.content)
        return calls.SENT.read(response.content)

    def _arrived(self, upload: Upload, outgoing: Outgoing) -> File:
        """Read the file of an upload whose last answer was lost on the way."""
        outgoing.hash_all()
        done = self.run(calls.upload(upload.id))
        if done.file is None:
            raise ConnectionFailed("The upload is complete, and its file is not there.")
        return done.file

    def _fetch(self, incoming: Incoming) -> None:
        if incoming.whole:
            return
        url = f"{self.url}/api/v1{calls.content_path(incoming.file.id)}"
        headers = self._authorization() | incoming.headers()
        try:
            with self._http.stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    raise error_of(response.status_code, response.read())
                with incoming.open(response.status_code) as kept:
                    for chunk in response.iter_raw(CHUNK_BYTES):
                        incoming.take(kept, chunk)
        except httpx2.TransportError as exc:
            raise ConnectionFailed(describe_break(exc)) from exc
