"""Resumable Uploads for HTTP, the IETF's draft, at an upload's own URL (interop version 8).

The draft tells a representation that is complete from bytes that are all there: a file is made when
the client says that this was the last of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from doorward.server.doors.asgi import Scope, header
from doorward.server.doors.house import House
from doorward.server.doors.transfer.exchange import Answer, Asked, interim_of, number_of
from doorward.server.doors.transfer.part import Part, Received
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.doors.transfer.tus import size_max
from doorward.server.files.model import Node
from doorward.server.problems import (
    ChecksumMismatch,
    LengthInconsistent,
    NameTaken,
    ParentInvalid,
    Problem,
    QuotaExceeded,
    RequestMalformed,
    UploadTooLarge,
)
from doorward.server.uploads.model import Upload, UploadStatus
from doorward.server.uploads.service import require_open
from doorward.server.uploads.sizing import RECEIVING

INTEROP_VERSION = "8"
MEDIA_TYPE = "application/partial-upload"
SUPPORTED = 104
_COMPLETE = {True: "?1", False: "?0"}
# All bytes came and no file can be made of them: to resume would not help.
_PROCESSING = (ChecksumMismatch, NameTaken, ParentInvalid, QuotaExceeded)

Present = Callable[[Node], str]


@dataclass(frozen=True, slots=True)
class Draft:
    """Answers requests for uploads as the draft has them."""

    house: House
    receiver: Receiver
    present: Present

    async def offset(self, asked: Asked) -> Answer:
        """Say how far the upload is, by an offset that the next request can go on from."""
        upload = await self.receiver.settle(asked.upload_id, asked.from_)
        complete = upload.status is UploadStatus.COMPLETE
        if not complete:
            require_open(upload)
        headers = {
            "Upload-Offset": str(upload.received_bytes),
            "Upload-Complete": _COMPLETE[complete],
            "Upload-Limit": limits_of(self.house, upload),
            "Cache-Control": "no-store",
        }
        if upload.size is not None:
            headers["Upload-Length"] = str(upload.size)
        return Answer(204, headers)

    async def append(self, asked: Asked) -> Answer:
        """Take bytes at the offset the client says, and make the file where these are the last."""
        offset, last = _field(asked.scope, "upload-offset"), asked_complete(asked.scope)
        if offset is None or last is None:
            raise RequestMalformed("The headers Upload-Offset and Upload-Complete are both needed.")
        part = Part(
            offset=offset,
            length=asked.number("content-length"),
            whole_length=asked_length(asked.scope, offset),
            last=last,
            closes=last,
            progress=progress_of(asked.scope),
        )
        received = await self.receiver.receive(asked.upload_id, asked.from_, part, asked.body)
        return self.answer(received, last=last)

    def answer(self, received: Received, *, last: bool) -> Answer:
        """Answer with the file, or with how far it is; raises LengthInconsistent.

        A client that says that this was all, where more was announced, contradicts itself.
        """
        if received.file is not None:
            headers = {
                "Content-Type": "application/json",
                "Location": f"/api/v1/files/{received.file.id}",
                "Upload-Complete": "?1",
            }
            return Answer(201, headers, self.present(received.file).encode())
        if last and not received.upload.whole:
            raise LengthInconsistent(declared_bytes=received.upload.size)
        headers = {
            "Upload-Offset": str(received.upload.received_bytes),
            "Upload-Complete": "?0",
            "Upload-Limit": limits_of(self.house, received.upload),
        }
        return Answer(204, headers)

    def refuse(self, problem: Problem) -> None:
        """Say with a problem whether it is about the transfer or about what came of it."""
        of_processing = isinstance(problem, _PROCESSING) and problem.reason != RECEIVING
        problem.headers["Upload-Complete"] = _COMPLETE[of_processing]
        if isinstance(problem, UploadTooLarge):
            problem.headers["Upload-Limit"] = limits_of(self.house)


def is_asked(scope: Scope) -> bool:
    """Say whether a request is one of the draft's that carry bytes."""
    names = {name for name, _ in scope["headers"]}
    return b"upload-complete" in names and b"tus-resumable" not in names


def asked_complete(scope: Scope) -> bool | None:
    """Read ``Upload-Complete``; a value that is no boolean counts as none, as the draft says."""
    values = [value.strip() for name, value in scope["headers"] if name == b"upload-complete"]
    return {(b"?1",): True, (b"?0",): False}.get(tuple(values))


def asked_length(scope: Scope, offset: int) -> int | None:
    """Give what a request says of the whole's length, in one way or in both.

    Raises LengthInconsistent where the two differ, RequestMalformed.
    """
    said, content = _field(scope, "upload-length"), number_of(scope, "content-length")
    summed = offset + content if asked_complete(scope) and content is not None else None
    if said is not None and summed is not None and said != summed:
        raise LengthInconsistent
    return said if said is not None else summed


def _field(scope: Scope, name: str) -> int | None:
    """Read a field of the draft; one with another value than it may have counts as none."""
    try:
        return number_of(scope, name)
    except RequestMalformed:
        return None


def limits_of(house: House, upload: Upload | None = None) -> str:
    """Give the limits, as the structured dictionary ``Upload-Limit``."""
    limits = f"max-size={size_max(house, upload)}"
    if upload is None or not upload.status.open:
        return limits
    until = min(upload.url_expires_at, upload.expires_at)
    seconds = int((until - house.clock()).total_seconds())
    return f"{limits}, max-age={max(0, seconds)}"


def announce(scope: Scope, headers: Mapping[str, str]) -> None:
    """Send a 104 at once, where the client knows this version of it and the server can."""
    interim = interim_of(scope)
    version = header(scope, b"upload-draft-interop-version")
    if interim is not None and version == INTEROP_VERSION:
        interim(SUPPORTED, {"Upload-Draft-Interop-Version": INTEROP_VERSION, **headers})


def progress_of(scope: Scope) -> Callable[[int], None]:
    """Give what tells the client how many bytes are durable, while more of them come."""
    return lambda durable: announce(scope, {"Upload-Offset": str(durable)})
