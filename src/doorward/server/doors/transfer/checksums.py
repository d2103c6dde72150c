"""Checksums of what one request brings, as the tus protocol has them."""

import hashlib
from base64 import b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING

from doorward.server.problems import ChecksumUnsupported, ChunkChecksumMismatch

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS = ("sha256", "sha1", "md5")
"""What is checked. SHA-1 is asked of every server; it and MD5 find accidents, not attackers."""


class ChunkCheck:
    """The checksum that a request gave for its bytes, and what they turn out to have."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hasher: _Hash = hashlib.new(algorithm, usedforsecurity=False)
        self._expected = expected

    def update(self, data: bytes | memoryview) -> None:
        """Take bytes as they come."""
        self._hasher.update(data)

    def settle(self) -> None:
        """Make sure that these were the bytes; raises ChunkChecksumMismatch."""
        if self._hasher.digest() != self._expected:
            raise ChunkChecksumMismatch


def asked_check(value: str | None) -> ChunkCheck | None:
    """Read ``Upload-Checksum``, such as ``sha1 Kq5s…``; raises ChecksumUnsupported."""
    if value is None:
        return None
    algorithm, _, encoded = value.partition(" ")
    if algorithm not in ALGORITHMS:
        raise ChecksumUnsupported
    try:
        return ChunkCheck(algorithm, b64decode(encoded.strip(), validate=True))
    except (NotBase64, ValueError):
        raise ChecksumUnsupported("The checksum is not Base64.") from None
