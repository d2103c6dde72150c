"""Bytes in: one ``PUT`` to a signed URL, on disk before anybody is told."""

import asyncio
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
from doorward.server.doors.transfer.receiver import Part, Receiver
from doorward.server.files.model import Node
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    ChecksumMismatch,
    Internal,
    MethodNotAllowed,
    Problem,
    RequestMalformed,
    SizeMismatch,
    UploadTooLarge,
    UploadUrlInvalid,
)
from doorward.server.uploads import service as uploads

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
    receiver: Receiver
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
        part = Part(length=_announced_length(scope))
        received = await self.receiver.receive(upload_id, from_, part, receive)
        if received.file is None:  # a whole that is taken is a file
            raise Internal
        return received.file

    def _check_url(self, scope: Scope, upload_id: str) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
        expires, signature = query.get("expires", []), query.get("signature", [])
        if len(expires) != 1 or len(signature) != 1:
            raise UploadUrlInvalid
        self.house.signer.check(upload_id, expires[0], signature[0], self.house.clock())


def _announced_length(scope: Scope) -> int | None:
    announced = header(scope, b"content-length")
    if announced is None:
        return None
    if not announced.isdigit():
        raise RequestMalformed("The Content-Length is not a number.")
    return int(announced)


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
