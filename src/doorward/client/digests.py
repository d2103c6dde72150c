"""Digests of files as the server names them, by the fastest hash that is installed."""

from hashlib import sha256
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20


class Hasher(Protocol):
    """What hashlib and blake3 both offer."""

    def update(self, data: bytes, /) -> object:
        """Take bytes."""

    def hexdigest(self) -> str:
        """Give the digest so far."""


def blake3_hasher() -> Hasher | None:
    """Give a BLAKE3 hasher, None where the package is not installed."""
    try:
        from blake3 import blake3
    except ModuleNotFoundError:
        return None
    return blake3()


def file_sha256(path: Path) -> str:
    """Give a file's ``sha256:…``."""
    return f"sha256:{_hashed(sha256(), path)}"


def file_digest(path: Path) -> str | None:
    """Give a file's ``blake3:…``, None where the package is not installed."""
    hasher = blake3_hasher()
    return None if hasher is None else f"blake3:{_hashed(hasher, path)}"


def _hashed(hasher: Hasher, path: Path) -> str:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()
