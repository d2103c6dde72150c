"""Credits as they are spent: counted in memory, written together once a second.

A hot path writes no row. What a crash may lose is what was counted in its last second; what other
processes counted is seen within one. So an account may pass its credits by what a second brings,
and by transfers that had begun.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from doorward.server.commands import Store, Tx
from doorward.server.limits.plans import Plans
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import CreditsExhausted
from doorward.server.usage.costs import MILLI, Meter, cost_milli, counted_by, takes_credits
from doorward.server.usage.model import Account, end_of_month, month_of

WRITE_SECONDS = 1.0
_KNOWN_SECONDS = 1.0
_KNOWN_MAX = 10_000
_Key = tuple[str, str, Meter]


@dataclass(slots=True)
class _Known:
    """What an account spent in a month, as it was read at ``at`` and counted since."""

    amounts: Counter[Meter]
    at: float


class Metering:
    """Counts what accounts spend, and refuses those that have nothing left."""

    def __init__(self, store: Store, plans: Plans, clock: Callable[[], datetime]) -> None:
        self.plans = plans
        self._store = store
        self._clock = clock
        self._unwritten: Counter[_Key] = Counter()
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self, who: Caller, action: Action | None) -> None:
        """Count a call of an action, if calls of it cost anything; raises CreditsExhausted."""
        if takes_credits(action):
            await self.require(who)
        meter = counted_by(action)
        if meter is not None:
            self.add(who, meter, 1)

    async def require(self, who: Caller) -> None:
        """Make sure that the caller's account has credits left; raises CreditsExhausted."""
        account = Account.of(who)
        limit = self.plans.of(account.id).credits
        if limit is None or cost_milli(await self.amounts(account)) < limit * MILLI:
            return
        resets_at = end_of_month(self._clock())
        raise CreditsExhausted(
            f"The {limit} credits of this month are spent; the next begin at {resets_at:%Y-%m-%d} "
            "00:00 UTC.",
            limit=limit,
            resets_at=resets_at.isoformat().replace("+00:00", "Z"),
        )

    def add(self, who: Caller, meter: Meter, amount: int) -> None:
        """Count an amount against the caller's account; it is written within a second."""
        if amount <= 0:
            return
        account_id, month = Account.of(who).id, month_of(self._clock())
        self._unwritten[account_id, month, meter] += amount
        known = self._known.get((account_id, month))
        if known is not None:
            known.amounts[meter] += amount
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS, self.flush)

    async def amounts(self, account: Account) -> Mapping[Meter, int]:
        """Give what an account spent this month, this process's latest included."""
        month = month_of(self._clock())
        known = self._known.get((account.id, month))
        if known is None or time.monotonic() - known.at > _KNOWN_SECONDS:
            read = await self._store.read(lambda tx: tx.usage.amounts(account.id, month))
            known = _Known(Counter(read), time.monotonic())
            for (account_id, of_month, meter), amount in self._unwritten.items():
                if (account_id, of_month) == (account.id, month):
                    known.amounts[meter] += amount
            self._remember((account.id, month), known)
        return known.amounts

    def flush(self) -> None:
        """Write what was counted."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        rows, self._unwritten = self._unwritten, Counter()
        if rows:
            self._store.post(lambda tx: _write(tx, rows))

    def _remember(self, key: tuple[str, str], known: _Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


def _write(tx: Tx, rows: Mapping[_Key, int]) -> None:
    for (account_id, month, meter), amount in rows.items():
        tx.usage.add(account_id, month, meter, amount)
