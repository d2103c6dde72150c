"""When keys were last used: noted in memory, and written together some seconds later."""

import asyncio

from doorward.server.commands import Store, Tx
from doorward.server.permission.caller import Caller

LAZY_SECONDS = 5.0


class KeyUses:
    """What one process has seen of keys and not written yet; a crash loses it, and no more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, Caller] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, who: Caller) -> None:
        """Note that a key was used now."""
        self._seen[who.credential.id or ""] = who
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LAZY_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was seen."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, seen, self._seen = None, self._seen, {}
        if seen:
            self._store.post(lambda tx: _write(tx, seen))


def _write(tx: Tx, seen: dict[str, Caller]) -> None:
    for key_id, who in seen.items():
        tx.keys.used(key_id, tx.now, who.origin.address)
