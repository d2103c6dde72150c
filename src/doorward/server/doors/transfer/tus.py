"""tus 1.0.0 at an upload's own URL: where it stands, and bytes from there on.

Extensions: creation, creation-with-upload, creation-defer-length, expiration, checksum,
termination, concatenation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime

from doorward.server.doors.house import House
from doorward.server.doors.transfer.checksums import ALGORITHMS, asked_check
from doorward.server.doors.transfer.exchange import Answer, Asked
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.part import Part, Received
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.problems import (
    MediaTypeUnsupported,
    RequestMalformed,
    TusVersionUnsupported,
    UploadClosed,
)
from doorward.server.uploads.model import Upload, UploadStatus
from doorward.server.uploads.service import require_open

VERSION = "1.0.0"
MEDIA_TYPE = "application/offset+octet-stream"
EVERYWHERE = {"Tus-Resumable": VERSION}
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
)


@dataclass(frozen=True, slots=True)
class Tus:
    """Answers requests for uploads in tus."""

    house: House
    receiver: Receiver

    async def offset(self, asked: Asked) -> Answer:
        """Say how far the upload is, by an offset that the next request can go on from.

        Where every byte is there and no file has come of them, as after a crash at the wrong
        moment, it is made now: a client that is told the length takes the upload for done.
        """
        check_version(asked)
        upload = await self.receiver.settle(asked.upload_id, asked.from_)
        if upload.status.open and upload.whole and _makes_a_file(upload):
            upload = await self._finished(asked, upload)
        elif not upload.status.open:
            require_complete(upload)
        return Answer(200, {"Cache-Control": "no-store"} | await self._state(upload))

    async def append(self, asked: Asked) -> Answer:
        """Take bytes at the offset the client says."""
        check_version(asked)
        if media_type(asked.header("content-type")) != MEDIA_TYPE:
            raise MediaTypeUnsupported(f"Send the bytes as {MEDIA_TYPE}.")
        offset = asked.number("upload-offset")
        if offset is None:
            raise RequestMalformed("The header Upload-Offset is missing.")
        part = Part(
            offset=offset,
            length=asked.number("content-length"),
            whole_length=asked.number("upload-length"),
            check=asked_check(asked.only("upload-checksum")),
        )
        received = await self.receiver.receive(asked.upload_id, asked.from_, part, asked.body)
        return Answer(204, after(received))

    async def _finished(self, asked: Asked, upload: Upload) -> Upload:
        part = Part(offset=upload.received_bytes, length=0)
        try:
            received = await self.receiver.receive(
                asked.upload_id, asked.from_, part, Incoming(_nothing)
            )
        except UploadClosed:  # somebody else made the file meanwhile
            return require_complete(await self.receiver.judge(asked.upload_id, asked.from_))
        return received.upload

    async def _state(self, upload: Upload) -> dict[str, str]:
        declared = upload.declared
        length = {"Upload-Defer-Length": "1"}
        if upload.size is not None:
            length = {"Upload-Length": str(upload.size)}
        headers = length | after(Received(upload))
        if declared.described:
            headers["Upload-Metadata"] = declared.described
        if declared.partial:
            headers["Upload-Concat"] = "partial"
        if declared.parts:
            headers["Upload-Concat"] = f"final;{' '.join(await self._part_urls(declared.parts))}"
            if upload.status.open:  # the parts are still being joined
                del headers["Upload-Offset"]
        return headers

    async def _part_urls(self, part_ids: Sequence[str]) -> list[str]:
        """Give the URLs of parts again, as they were when these were joined."""
        found = await self.house.store.read(
            lambda tx: [tx.uploads.get(part_id) for part_id in part_ids]
        )
        return [self.house.url_of(part) for part in found if part]


def capabilities(house: House, upload: Upload | None = None) -> dict[str, str]:
    """Say what is spoken here, and how large an upload, or this one, may be."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(size_max(house, upload)),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def size_max(house: House, upload: Upload | None) -> int:
    """Say how large an upload may be, or this one where that is still open."""
    if upload is None or upload.size is not None:
        return house.limits.upload_bytes_max
    return upload.size_max


def check_version(asked: Asked) -> None:
    """Make sure that the client speaks this version; raises TusVersionUnsupported."""
    if asked.header("tus-resumable") != VERSION:
        raise TusVersionUnsupported(headers={"Tus-Version": VERSION})


def after(received: Received) -> dict[str, str]:
    """Give the offset, and until when there is more to come or which file has come of it."""
    upload = received.upload
    headers = {"Upload-Offset": str(upload.received_bytes)}
    if upload.file_id is not None:
        headers["Content-Location"] = f"/api/v1/files/{upload.file_id}"
    if upload.status.open:
        headers["Upload-Expires"] = format_datetime(
            min(upload.url_expires_at, upload.expires_at), usegmt=True
        )
    return headers


def media_type(content_type: str | None) -> str:
    """Give the media type without its parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def require_complete(upload: Upload) -> Upload:
    """Make sure that a closed upload came to its end; raises UploadClosed."""
    return upload if upload.status is UploadStatus.COMPLETE else require_open(upload)


def _makes_a_file(upload: Upload) -> bool:
    return not upload.declared.partial and not upload.declared.parts


async def _nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}
