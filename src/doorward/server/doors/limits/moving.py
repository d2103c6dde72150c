"""Bytes of one transfer: paid for from the budget before they move, counted once they have."""

from doorward.server.doors.limits.limiting import Limiting
from doorward.server.doors.limits.metering import Metering
from doorward.server.limits.model import rate_of
from doorward.server.permission.budgets import Spent
from doorward.server.permission.caller import Caller
from doorward.server.usage.costs import Meter


class Moving:
    """What one request moves in the name of ``who``; what was paid and did not move comes back."""

    def __init__(self, limiting: Limiting, metering: Metering, who: Caller, meter: Meter) -> None:
        self._limiting = limiting
        self._metering = metering
        self._who = who
        self._meter = meter
        self._rate = rate_of(limiting.budgets(who), Spent.BYTES)
        self._paid = 0

    async def reach(self, total: int) -> None:
        """Pay for the first ``total`` bytes; raises BudgetExhausted, and nothing is paid then."""
        await self._pay(total)

    async def end(self, moved: int) -> None:
        """Take back what was paid beyond, and count what moved."""
        if moved < self._paid:
            await self._pay(moved)
        self._metering.add(self._who, self._meter, moved)

    async def _pay(self, total: int) -> None:
        """In whole steps of the budget, so that many small pieces cost no more than a large one."""
        unit = 1 if self._rate is None else self._rate.unit
        steps = -(-total // unit)
        more = (steps * unit) - self._paid
        if more:
            await self._limiting.spend(self._who, Spent.BYTES, more)
            self._paid = steps * unit
