"""A folder of thumbnails that stays below a bound: what was not asked for longest goes first.

Nothing in it is needed: whatever is missing is made again, and any process may remove anything.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

BYTES_MAX = 256 << 20
_PUTS_BETWEEN_LOOKS = 50
_LEFT_OVER_SUFFIX = ".new"


class ThumbnailCache:
    """Thumbnails by key, below ``bytes_max`` but for what was put since the last look."""

    def __init__(self, folder: Path, bytes_max: int = BYTES_MAX) -> None:
        self._folder = folder
        self._bytes_max = bytes_max
        self._puts = 0

    def get(self, key: str) -> bytes | None:
        """Give what is kept, and note that it was asked for."""
        path = self._folder / key
        with suppress(OSError):
            kept = path.read_bytes()
            os.utime(path)
            return kept
        return None

    def put(self, key: str, thumbnail: bytes) -> None:
        """Keep a thumbnail, whole or not at all; a disk that is full keeps none."""
        new = self._folder / f"{key}.{secrets.token_hex(4)}{_LEFT_OVER_SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            new.write_bytes(thumbnail)
            new.replace(self._folder / key)
        except OSError:
            with suppress(OSError):
                new.unlink()
        if self._puts % _PUTS_BETWEEN_LOOKS == 0:
            self.trim()
        self._puts += 1

    def trim(self) -> None:
        """Remove what was not asked for longest until the rest fits."""
        found = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                with suppress(OSError):
                    stat = entry.stat()
                    found.append((stat.st_mtime, stat.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._bytes_max:
                return
            with suppress(OSError):
                Path(path).unlink()
            total -= size
