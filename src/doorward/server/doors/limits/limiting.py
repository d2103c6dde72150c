"""Every limit is drawn from here: by addresses, by verified callers, by links, from budgets.

A bucket's key is what was verified, or the address. So a made-up credential spends what its address
has and nothing of what belongs to whoever it names.
"""

from doorward.server.doors.limits.fields import Standing, limit_fields
from doorward.server.limits.addresses import place_of
from doorward.server.limits.gcra import verdict
from doorward.server.limits.model import (
    HOUR_SECONDS,
    SPENT_BY,
    Bucket,
    LimitSettings,
    bucket_of,
    budgets_of,
    counted_as,
    rate_of,
)
from doorward.server.limits.ports import Charge, Limiter
from doorward.server.permission.actions import Action
from doorward.server.permission.budgets import NO_BUDGETS, Budgets, Spent
from doorward.server.permission.caller import SESSION, Caller, Origin
from doorward.server.problems import BudgetExhausted, RateLimited


class Limiting:
    """Draws from buckets; without ``by_address`` nothing is counted by where it comes from."""

    def __init__(
        self, limiter: Limiter, settings: LimitSettings, *, by_address: bool = True
    ) -> None:
        self._limiter = limiter
        self._rates = settings.rates
        self._budgets = settings.budgets
        self._by_address = by_address

    async def arrive(self, origin: Origin) -> None:
        """Count a request of nobody yet; raises RateLimited.

        An address from which too many credentials were refused is refused before the next is read.
        """
        if not self._by_address:
            return
        place = place_of(origin.address)
        arriving = self._charge(Bucket.ADDRESS, place)
        failed = self._charge(Bucket.FAILURES, place, keep=False)
        await self._draw([*arriving, *failed])

    async def fail(self, origin: Origin) -> None:
        """Count a credential or signature that was refused, against the address alone."""
        failed = self._charge(Bucket.FAILURES, place_of(origin.address))
        if self._by_address and failed:
            await self._limiter.take(*failed)

    async def enter(self, who: Caller) -> list[Standing]:
        """Count a call of a verified caller; raises RateLimited, BudgetExhausted."""
        return await self._draw([*self._of_caller(who), *self._of_budget(who, Spent.CALLS, 1)])

    async def begin(self, who: Caller, action: Action | None) -> list[Standing]:
        """Count a call of an action that is limited by itself; raises as ``enter`` does."""
        bucket = bucket_of(action)
        if bucket is None:
            return []
        charges = self._charge(bucket, who.user_id)
        if bucket in SPENT_BY:
            charges += self._of_budget(who, SPENT_BY[bucket], 1)
        return await self._draw(charges)

    async def use_link(self, link_id: str) -> list[Standing]:
        """Count a request with a signature that was found to be right; raises RateLimited."""
        return await self._draw(self._charge(Bucket.LINK, link_id))

    async def spend(
        self, who: Caller, spent: Spent, amount: int, *, keep: bool = True
    ) -> list[Standing]:
        """Spend from what is left of a credential's budget, or only look; raises BudgetExhausted.

        A negative amount is given back.
        """
        return await self._draw(self._of_budget(who, spent, amount, keep=keep))

    async def standings(self, who: Caller) -> list[Standing]:
        """Say where a caller stands with everything, taking nothing."""
        charges = self._of_caller(who)
        for bucket in (Bucket.UPLOADS, Bucket.LINKS, Bucket.DELETES, Bucket.SEARCH, Bucket.TOKENS):
            charges += self._charge(bucket, who.user_id)
        for spent in Spent:
            if self.budgets(who).limit(spent):
                charges += self._of_budget(who, spent, 0)
        looks = [charge._replace(cost=0, keep=False) for charge in charges]
        return await self._draw(looks)

    def budgets(self, who: Caller) -> Budgets:
        """Give what holds for a credential: of its own budgets and the operator's the smaller."""
        own = budgets_of(who)
        return self._budgets if own is None else own.within(self._budgets)

    def _of_caller(self, who: Caller) -> list[Charge]:
        charges = self._charge(Bucket.PRINCIPAL, who.user_id)
        if who.credential.kind != SESSION:
            charges += self._charge(Bucket.CREDENTIAL, counted_as(who))
        return charges

    def _charge(self, bucket: Bucket, key: str, *, keep: bool = True) -> list[Charge]:
        rate = self._rates.get(bucket)
        return [] if rate is None else [Charge(f"{bucket}:{key}", rate, 1, keep)]

    def _of_budget(
        self, who: Caller, spent: Spent, amount: int, *, keep: bool = True
    ) -> list[Charge]:
        """Give what takes an amount; raises BudgetExhausted where the budget is nothing at all."""
        budgets = self.budgets(who)
        if budgets is NO_BUDGETS:
            return []
        if budgets.limit(spent) == 0 and amount > 0:
            raise BudgetExhausted(
                f"This credential may spend no {spent.value}.",
                headers={"Retry-After": str(HOUR_SECONDS)},
                reason=f"budget-{spent.value}",
                limit=f"budget-{spent.value}",
            )
        rate = rate_of(budgets, spent)
        if rate is None:
            return []
        steps = rate.cost_of(amount)
        return [Charge(f"budget-{spent.value}:{counted_as(who)}", rate, steps, keep)]

    async def _draw(self, charges: list[Charge]) -> list[Standing]:
        if not charges:
            return []
        slacks = await self._limiter.take(*charges)
        standings = [
            Standing(charge.key.partition(":")[0], charge.rate, slack, charge.cost)
            for charge, slack in zip(charges, slacks, strict=False)
        ]
        if slacks[-1] < 0:
            raise _refusal(standings[-1])
        return standings


def _refusal(standing: Standing) -> RateLimited:
    seconds = verdict(standing.rate, standing.slack_us, standing.cost).retry_after_seconds
    headers = {"Retry-After": str(seconds)} | limit_fields([standing])
    rate, name = standing.rate, standing.name
    if name.startswith("budget-"):
        what = name.removeprefix("budget-")
        return BudgetExhausted(
            f"This credential may spend {rate.limit} {what} in an hour. Go on in {seconds} s.",
            headers=headers,
            reason=name,
            limit=name,
        )
    return RateLimited(
        f"The limit '{name}' is {rate.limit} in {rate.seconds} s. Go on in {seconds} s.",
        headers=headers,
        reason=f"limit-{name}",
        limit=name,
    )
