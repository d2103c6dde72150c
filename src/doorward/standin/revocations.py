"""Whether a session of the stand-in is revoked, asked on every request and across processes."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doorward.standin.state import SessionFile


class StandinRevocations:
    """Reads the set of revoked sessions again only when the file has changed."""

    def __init__(self, folder: Path) -> None:
        self._file = SessionFile(folder / "sessions.db")
        self._local = threading.local()

    def revoked(self, claims: Mapping[str, Any]) -> bool:
        """Say whether the session that ``sid`` names is revoked now."""
        count = self._file.change_count()
        if getattr(self._local, "count", None) != count:
            self._local.ids = self._file.revoked_ids()
            self._local.count = count
        return claims.get("sid") in self._local.ids
