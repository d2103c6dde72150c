"""Whether somebody still counts for the stand-in, asked on every request and across processes."""

import threading
from pathlib import Path

from doorward.identity.principal import Principal
from doorward.standin.file import StandinFile

_OVER = "SELECT 1 FROM sessions WHERE id = ? AND status IN ('revoked', 'ended', 'removed')"
_MEMBER = "SELECT 1 FROM memberships WHERE user_id = ? AND org_id = ?"
_USER = "SELECT 1 FROM users WHERE id = ? AND NOT banned"
_KNOWN_MAX = 10_000


class StandinRevocations:
    """Asks the stand-in's file again only when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._file = StandinFile(folder)
        self._local = threading.local()

    def revoked(self, who: Principal) -> bool:
        """Say whether the session is over, or no member of its organization has it any more.

        A token that was made for an organization is over with the membership, as is what it bought.
        """
        over = self.session_revoked(who.session_id)
        return over or (who.org_id is not None and self.gone(who.user_id, who.org_id))

    def gone(self, user_id: str | None, org_id: str | None) -> bool:
        """Say whether somebody is no user any more, or no member of the organization."""
        if not self._finds(_USER, user_id):
            return True
        return org_id is not None and not self._finds(_MEMBER, user_id, org_id)

    def session_revoked(self, session_id: str | None) -> bool:
        """Say whether a session is revoked now."""
        return self._finds(_OVER, session_id)

    def _finds(self, query: str, *values: str | None) -> bool:
        known = self._known()
        asked = (query, *values)
        if asked not in known:
            if len(known) >= _KNOWN_MAX:
                known.clear()
            rows = self._file.connection.execute(query, values).fetchall()
            known[asked] = bool(rows)
        return known[asked]

    def _known(self) -> dict[tuple[str | None, ...], bool]:
        count = self._file.change_count()
        if getattr(self._local, "count", None) != count:
            self._local.count, self._local.known = count, {}
        known: dict[tuple[str | None, ...], bool] = self._local.known
        return known
