"""What both clients share of moving bytes: reading, checking, and keeping what has arrived."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from doorward.client.digests import (
    CHUNK_BYTES,
    Hasher,
    blake3_hasher,
    file_digest,
    file_sha256,
)
from doorward.client.errors import DigestMismatch, DoorwardError, ImportFailed
from doorward.client.model import File, Upload

Progress = Callable[[int], None]
"""Called with the number of bytes moved since the last call; negative for those to send again."""

PART = ".part"
_AGAIN = frozenset(
    {
        "connection_failed",
        "content_interrupted",
        "upload_superseded",
        "upload_held",
        "upload_offset_mismatch",
        "busy",
    }
)
_OPEN = frozenset({"pending", "receiving"})
FOLLOW_SECONDS = 0.5
_RENEW = "upload_url_expired"


@dataclass(slots=True)
class Outgoing:
    """A file on its way out; every try goes on from where the server says that the last one ended.

    It is read from its beginning all the same, since the digest is that of the whole.
    """

    path: Path
    progress: Progress | None = None
    hasher: Hasher | None = None
    size: int = 0
    _moved: int = field(default=0)

    @classmethod
    def of(cls, path: Path, progress: Progress | None) -> "Outgoing":
        """Look at a file; raises OSError."""
        return cls(path, progress, size=path.stat().st_size)

    def checksum(self) -> str | None:
        """Give what to declare: nothing where the answer can be checked, else a SHA-256."""
        return None if blake3_hasher() is not None else file_sha256(self.path)

    def chunks(self, start: int) -> Iterator[bytes]:
        """Give the bytes from ``start`` on, counting and hashing; never more than was declared."""
        self.hasher = blake3_hasher()
        self._count(start - self._moved)
        with self.path.open("rb") as file:
            for _ in self._read(file, start):
                pass
            for chunk in self._read(file, self.size - start):
                yield chunk
                self._count(len(chunk))

    def headers(self, start: int) -> dict[str, str]:
        """Say which part of the file comes, and that it is the last one; nothing of a whole."""
        length = {"Content-Length": str(self.size - start)}
        if start == 0:
            return length
        return length | {
            "Content-Type": "application/partial-upload",
            "Upload-Offset": str(start),
            "Upload-Complete": "?1",
        }

    def hash_all(self) -> None:
        """Hash the file where every byte of it has arrived already."""
        for _ in self.chunks(self.size):
            pass

    def check(self, file: File) -> File:
        """Make sure that the server stored what was read; raises DigestMismatch."""
        if self.hasher is not None and file.digest != f"blake3:{self.hasher.hexdigest()}":
            raise DigestMismatch(self.path.name)
        # An answer may come before the last write is known to have ended.
        self._count(self.size - self._moved)
        return file

    def _read(self, file: IO[bytes], size: int) -> Iterator[bytes]:
        while size and (chunk := file.read(min(CHUNK_BYTES, size))):
            size -= len(chunk)
            if self.hasher is not None:
                self.hasher.update(chunk)
            yield chunk

    def _count(self, moved: int) -> None:
        self._moved += moved
        if self.progress is not None and moved:
            self.progress(moved)


def sent_again(error: DoorwardError) -> bool:
    """Say whether a try to send that ended so is worth another one."""
    return error.code in _AGAIN or error.code == _RENEW or error.retryable


def needs_renewal(error: DoorwardError) -> bool:
    """Say whether the upload's URL has to be renewed first."""
    return error.code == _RENEW


@dataclass(slots=True)
class Incoming:
    """A file on its way in: kept beside its destination until it is whole."""

    file: File
    destination: Path
    progress: Progress | None = None
    _shown: int = 0

    @property
    def part(self) -> Path:
        """Where the bytes are kept until they are all there."""
        return self.destination.with_name(self.destination.name + PART)

    def headers(self) -> dict[str, str]:
        """Ask for the rest of what is kept, as long as it is of the same bytes."""
        kept = self._kept()
        if not kept or kept >= (self.file.size or 0):
            return {}
        return {"Range": f"bytes={kept}-", "If-Range": f'"{self.file.digest}"'}

    def open(self, status: int) -> IO[bytes]:
        """Open the kept bytes for the rest (206), or anew."""
        resumed = status == 206  # noqa: PLR2004 - the status itself
        self._show((self._kept() if resumed else 0) - self._shown)
        return self.part.open("ab" if resumed else "wb")

    def take(self, kept: IO[bytes], chunk: bytes) -> None:
        """Keep a chunk."""
        kept.write(chunk)
        self._show(len(chunk))

    def finish(self) -> Path:
        """Give the file its name once it is whole and right; raises DigestMismatch."""
        digest = file_digest(self.part) or self.file.digest
        if self._kept() != self.file.size or digest != self.file.digest:
            with suppress(OSError):
                self.part.unlink()
            raise DigestMismatch(self.destination.name)
        self.part.replace(self.destination)
        return self.destination

    @property
    def whole(self) -> bool:
        """Say whether every byte is kept already."""
        return self._kept() == self.file.size and self.part.exists()

    def _kept(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def _show(self, moved: int) -> None:
        self._shown += moved
        if self.progress is not None and moved:
            self.progress(moved)


def offset_of(headers: Mapping[str, str], size: int | None) -> int | None:
    """Read how many bytes the server has; None where a file has come of them already."""
    if headers.get("upload-complete") == "?1":
        return None
    offset = headers.get("upload-offset", "")
    found = int(offset) if offset.isascii() and offset.isdigit() else 0
    return found if size is None else min(found, size)


@dataclass(slots=True)
class Followed:
    """An import, as the server tells how far it is."""

    progress: Progress | None = None
    _shown: int = 0

    def file(self, upload: Upload) -> File | None:
        """Give the file once it is there; raises ImportFailed where none will be."""
        moved = upload.received_bytes - self._shown
        self._shown += moved
        if self.progress is not None and moved:
            self.progress(moved)
        if upload.status in _OPEN:
            return None
        if upload.file is None:
            raise ImportFailed(upload.name, upload.failure or upload.status)
        return upload.file


def describe_break(exc: Exception) -> str:
    """Say what broke, for a person."""
    text = str(exc) or type(exc).__name__
    return f"The connection failed: {text}."


def upload_declaration(outgoing: Outgoing, name: str | None, declared: dict[str, Any]) -> Any:
    """Give what to declare of a file to come."""
    return declared | {
        "name": name or outgoing.path.name,
        "size": outgoing.size,
        "checksum": outgoing.checksum(),
    }
