"""Whether a session of the stand-in is revoked, asked on every request and across processes."""

import threading
from pathlib import Path

from doorward.identity.principal import Principal
from doorward.standin.file import StandinFile


class StandinRevocations:
    """Reads the set of revoked sessions again only when the file has changed."""

    def __init__(self, folder: Path) -> None:
        self._file = StandinFile(folder)
        self._local = threading.local()

    def revoked(self, who: Principal) -> bool:
        """Say whether the caller's session is revoked now."""
        return self.session_revoked(who.session_id)

    def session_revoked(self, session_id: str | None) -> bool:
        """Say whether a session is revoked now."""
        count = self._file.change_count()
        if getattr(self._local, "count", None) != count:
            self._local.ids = self._over()
            self._local.count = count
        return session_id in self._local.ids

    def _over(self) -> frozenset[str]:
        found = self._file.connection.execute(
            "SELECT id FROM sessions WHERE status IN ('revoked', 'ended', 'removed')"
        )
        return frozenset(row[0] for row in found)
