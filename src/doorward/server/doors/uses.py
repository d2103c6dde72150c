"""When keys and grants were last used: noted in memory, and written together some seconds later."""

import asyncio
from collections.abc import Iterable

from doorward.server.alerts.model import Thresholds
from doorward.server.alerts.service import look_at_network, network_of, tell
from doorward.server.commands import Store, Tx
from doorward.server.permission.caller import API_KEY, Caller

LAZY_SECONDS = 5.0


class KeyUses:
    """What one process has seen of their use and not written yet; a crash loses it, no more."""

    def __init__(self, store: Store, thresholds: Thresholds) -> None:
        self._store = store
        self._thresholds = thresholds
        self._seen: dict[tuple[str | None, str | None], Caller] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, who: Caller) -> None:
        """Note that a key or a grant was used now."""
        self._seen[who.credential.id, network_of(who.origin.address)] = who
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LAZY_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was seen."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, seen, self._seen = None, self._seen, {}
        if seen:
            self._store.post(lambda tx: self._write(tx, seen.values()))

    def _write(self, tx: Tx, seen: Iterable[Caller]) -> None:
        for who in seen:
            rows = tx.keys if who.credential.kind == API_KEY else tx.grants
            rows.used(who.credential.id or "", tx.now, who.origin.address)
            if who.credential.kind == API_KEY:
                tell([look_at_network(tx, who, self._thresholds)])
