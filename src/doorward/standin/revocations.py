"""Whether a session of the stand-in is revoked, asked on every request and across processes."""

import threading
from pathlib import Path

from doorward.identity.principal import Principal
from doorward.standin.state import SessionFile


class StandinRevocations:
    """Reads the set of revoked sessions again only when the file has changed."""

    def __init__(self, folder: Path) -> None:
        self._file = SessionFile(folder / "sessions.db")
        self._local = threading.local()

    def revoked(self, who: Principal) -> bool:
        """Say whether the caller's session is revoked now."""
        return self.session_revoked(who.session_id)

    def session_revoked(self, session_id: str | None) -> bool:
        """Say whether a session is revoked now."""
        count = self._file.change_count()
        if getattr(self._local, "count", None) != count:
            self._local.ids = self._file.revoked_ids()
            self._local.count = count
        return session_id in self._local.ids
