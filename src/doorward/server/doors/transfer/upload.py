"""Bytes in: one ``PUT`` to a signed URL, on disk before anybody is told."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import refused
from doorward.server.doors.asgi import Receive, Scope, Send, header, respond
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.problem_json import send_problem
from doorward.server.files.model import Node
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    ChecksumMismatch,
    ContentInterrupted,
    MethodNotAllowed,
    Problem,
    RequestMalformed,
    SizeMismatch,
    UploadNotFound,
    UploadTooLarge,
    UploadUrlInvalid,
)
from doorward.server.uploads import service as uploads
from doorward.server.uploads.ports import Sink, Stored
from doorward.server.uploads.service import Attempted

PREFIX = "/transfer/"
_ID_CHARACTERS_MAX = 80
_RECEIVE = Action.UPLOAD_RECEIVE
_PROGRESS_SECONDS = 1.0
_FINAL = (SizeMismatch, ChecksumMismatch, UploadTooLarge)

_DRAINED_BYTES_MAX = 64 << 20
_DRAIN_SECONDS = 5.0

Present = Callable[[Node], str]


@dataclass(frozen=True, slots=True)
class UploadDoor:
    """Serves upload URLs; ``present`` shows, as JSON, the file that came of one."""

    house: House
    present: Present

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request for an upload URL."""
        upload_id = scope["path"].removeprefix(PREFIX)[:_ID_CHARACTERS_MAX]
        from_ = Caller("", Credential("upload_url", upload_id), origin_of(scope))
        try:
            file = await self._receive(scope, receive, upload_id, from_)
        except Problem as problem:
            await self._audit(problem, upload_id, from_)
            await _answer_problem(receive, send, problem, from_.origin.request_id)
            return
        headers = [("Content-Type", "application/json"), ("Location", f"/api/v1/files/{file.id}")]
        await respond(send, 201, headers, self.present(file).encode())

    async def _audit(self, problem: Problem, upload_id: str, from_: Caller) -> None:
        """Name whoever bought the upload, where the signature proved that this is its URL."""
        if isinstance(problem, UploadUrlInvalid | MethodNotAllowed):
            target = Target(None, "upload", upload_id)
            await self.house.knocks.record(Attempt(_RECEIVE, target, from_), problem)
            return
        await refused(
            self.house.store,
            lambda tx: uploads.attempt_to_receive(tx, upload_id, from_),
            problem,
        )

    async def _receive(self, scope: Scope, receive: Receive, upload_id: str, from_: Caller) -> Node:
        if scope["method"] != "PUT":
            raise MethodNotAllowed(headers={"Allow": "PUT"})
        self._check_url(scope, upload_id)
        attempted = await self.house.store.write(
            lambda tx: uploads.receive_upload(tx, upload_id, from_)
        )
        sink = self.house.blobs.create(attempted.blob_key, sha256=_wants_sha256(attempted))
        try:
            self._check_revoked(attempted)
            _check_length(scope, attempted)
            await self._take(receive, attempted, sink)
            stored = await sink.finish()
            _check_digest(attempted, stored)
            self._check_revoked(attempted)
            _, file = await self.house.store.write(
                lambda tx: uploads.finish_upload(tx, attempted, stored)
            )
        except BaseException as exc:
            failure = exc.code if isinstance(exc, _FINAL) else None
            await asyncio.shield(self._drop(attempted, sink, failure))
            raise
        return file

    async def _drop(self, attempted: Attempted, sink: Sink, failure: str | None) -> None:
        """Remove the bytes of an attempt, unless a row needs them after all.

        Whoever waited for the last command may have been cancelled while it was carried out. The
        command that decides here comes after it, and so sees what came of it.
        """
        needed = await self.house.store.write(
            lambda tx: uploads.end_attempt(tx, attempted, failure)
        )
        if not needed:
            await sink.abort()

    def _check_url(self, scope: Scope, upload_id: str) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
        expires, signature = query.get("expires", []), query.get("signature", [])
        if len(expires) != 1 or len(signature) != 1:
            raise UploadUrlInvalid
        self.house.signer.check(upload_id, expires[0], signature[0], self.house.clock())

    def _check_revoked(self, attempted: Attempted) -> None:
        if self.house.revoked(attempted.upload.by):
            raise UploadNotFound(reason="revoked")

    async def _take(self, receive: Receive, attempted: Attempted, sink: Sink) -> None:
        size = attempted.upload.declared.size
        noted = time.monotonic()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ContentInterrupted
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if sink.received_bytes + len(chunk) > size:
                raise UploadTooLarge(
                    f"More bytes came than the {size} that were declared.", limit_bytes=size
                )
            if chunk:
                await sink.write(chunk)
            if time.monotonic() - noted > _PROGRESS_SECONDS:
                noted = time.monotonic()
                await self._note(attempted, sink.received_bytes)
        if sink.received_bytes != size:
            raise SizeMismatch(
                f"{sink.received_bytes} bytes came and {size} were declared.", declared_bytes=size
            )

    async def _note(self, attempted: Attempted, received: int) -> None:
        """Store how far it is, and stop when another request took over or a right is gone."""
        self._check_revoked(attempted)
        await self.house.store.write(lambda tx: uploads.note_progress(tx, attempted, received))


def _wants_sha256(attempted: Attempted) -> bool:
    return (attempted.upload.declared.checksum or "").startswith("sha256:")


def _check_length(scope: Scope, attempted: Attempted) -> None:
    """Refuse by the announced length before a byte is read."""
    announced, size = header(scope, b"content-length"), attempted.upload.declared.size
    if announced is None:
        return
    if not announced.isdigit():
        raise RequestMalformed("The Content-Length is not a number.")
    if int(announced) > size:
        raise UploadTooLarge(
            f"The body has {int(announced)} bytes and {size} were declared.", limit_bytes=size
        )
    if int(announced) < size:
        raise SizeMismatch(
            f"The body has {int(announced)} bytes and {size} were declared.", declared_bytes=size
        )


def _check_digest(attempted: Attempted, stored: Stored) -> None:
    declared = attempted.upload.declared.checksum
    if declared is not None and declared not in {stored.digest, stored.sha256}:
        raise ChecksumMismatch


async def _answer_problem(receive: Receive, send: Send, problem: Problem, request_id: str) -> None:
    """Answer at once, then take what is still coming for a while, so that the client reads it.

    A connection closed on unread bytes is reset, and the answer may be lost with it.
    """
    problem.headers.setdefault("Connection", "close")
    await send_problem(send, problem, request_id, last=False)
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    drained, more = 0, True
    while more and drained < _DRAINED_BYTES_MAX:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
