"""What one request brings of an upload, and what comes of it, whichever protocol says so."""

from collections.abc import Callable
from dataclasses import dataclass

from doorward.server.doors.transfer.checksums import ChunkCheck
from doorward.server.files.model import Node
from doorward.server.problems import (
    LengthInconsistent,
    OffsetMismatch,
    SizeMismatch,
    UploadTooLarge,
)
from doorward.server.uploads.model import Upload


@dataclass(frozen=True, slots=True)
class Part:
    """What one request brings: bytes from ``offset`` on, or the whole where that is None.

    ``length`` is how many it announced, None where it did not; ``whole_length`` is what it says of
    the whole. Where it ``closes``, the end of its body is the end of the whole, as it is where the
    whole is brought. Without ``last`` no file is made even of the last byte. Of bytes with a
    ``check`` none counts before all have passed it. ``progress`` is told how many bytes are
    durable.
    """

    offset: int | None = None
    length: int | None = None
    whole_length: int | None = None
    last: bool = True
    closes: bool = False
    check: ChunkCheck | None = None
    progress: Callable[[int], None] | None = None

    @property
    def said(self) -> int | None:
        """How many bytes the whole has, as far as that is said before they come."""
        brought = self.length if self.offset is None else None
        return brought if self.whole_length is None else self.whole_length

    @property
    def ends_whole(self) -> bool:
        """Say whether the end of the body is that of the whole."""
        return self.closes or self.offset is None


@dataclass(frozen=True, slots=True)
class Received:
    """An upload after a request, with the durable offset it left, and the file once it is whole."""

    upload: Upload
    file: Node | None = None


def mismatch(expected: int, provided: int) -> OffsetMismatch:
    """Say where the bytes are to go on; each protocol knows the words of its own."""
    problem = OffsetMismatch(headers={"Upload-Offset": str(expected)}, expected_offset=expected)
    problem.extra |= {"expected-offset": expected, "provided-offset": provided}
    return problem


def check_length(part: Part, start: int, upload: Upload) -> None:
    """Refuse by the announced lengths before a byte is read.

    Raises LengthInconsistent, UploadTooLarge, SizeMismatch.
    """
    size, size_max = upload.size, upload.size_max
    if part.whole_length is not None and part.whole_length != size:
        raise LengthInconsistent(declared_bytes=size)
    if part.length is None:
        return
    end = start + part.length
    if end > size_max:
        raise UploadTooLarge(
            f"The body ends at {end} bytes and there may be {size_max}.",
            limit_bytes=size_max,
        )
    if part.offset is None and size is not None and end < size:
        raise SizeMismatch(
            f"The body has {end} bytes and {size} were declared.",
            declared_bytes=size,
        )
