"""Which buckets there are, what an action draws from, and what a credential's budgets say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any

from doorward.server.limits.gcra import Rate
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller

HOUR_SECONDS = 3600
SESSION = "session"


class Bucket(StrEnum):
    """What is counted together; the value is the name in headers, refusals and keys."""

    ADDRESS = "address"  # every request, before anybody is known
    FAILURES = "failures"  # credentials and signatures of one address that were refused
    PRINCIPAL = "principal"
    CREDENTIAL = "credential"
    LINK = "link"
    UPLOADS = "uploads"
    LINKS = "links"
    DELETES = "deletes"
    SEARCH = "search"
    TOKENS = "tokens"


_BY_NAME = {
    "upload:create": Bucket.UPLOADS,
    "upload:import": Bucket.UPLOADS,
    "link:create": Bucket.LINKS,
    "upload:renew": Bucket.LINKS,
}
_BY_RESOURCE = {
    "search": Bucket.SEARCH,
    "ask": Bucket.SEARCH,
    "token": Bucket.TOKENS,
    "ticket": Bucket.TOKENS,
    "oauth": Bucket.TOKENS,
}
_BY_VERB = dict.fromkeys(("delete", "remove", "kill", "purge", "abort"), Bucket.DELETES)
_MAKES_SECRETS = dict.fromkeys(("key:create", "key:rotate"), Bucket.TOKENS)


@cache
def bucket_of(action: Action | None) -> Bucket | None:
    """Say which bucket an action draws from beside the caller's own, by the words of its name.

    So an action that is added later is limited without anybody thinking of it.
    """
    return None if action is None else bucket_named(action.name_)


def bucket_named(name: str) -> Bucket | None:
    """Say the same of an action's name, ``resource:verb``."""
    resource, _, verb = name.partition(":")
    return (
        _BY_NAME.get(name)
        or _MAKES_SECRETS.get(name)
        or _BY_RESOURCE.get(resource)
        or _BY_VERB.get(verb)
    )


class Spent(StrEnum):
    """What a budget bounds; the value is the name of the field of ``Budgets``."""

    BYTES = "bytes"
    CALLS = "calls"
    DELETES = "deletes"
    LINKS = "links"


SPENT_BY = {Bucket.DELETES: Spent.DELETES, Bucket.LINKS: Spent.LINKS}
"""Of which budget an action spends one, by the bucket that it draws from."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one credential may spend in an hour; None bounds nothing. Bytes count both ways."""

    bytes: int | None = None
    calls: int | None = None
    deletes: int | None = None
    links: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Budgets":
        """Read budgets as ``stored`` gave them."""
        if not stored:
            return NO_BUDGETS
        return cls(**{one.name: stored.get(one.name) for one in fields(cls)})

    def stored(self) -> dict[str, int | None] | None:
        """Give the budgets as JSON, None where they bound nothing."""
        return None if self == NO_BUDGETS else asdict(self)

    def within(self, other: "Budgets") -> "Budgets":
        """Give, of each, the smaller of both."""
        pairs = {
            one.name: (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)
        }
        return Budgets(
            **{
                name: min((value for value in pair if value is not None), default=None)
                for name, pair in pairs.items()
            }
        )

    def limit(self, spent: Spent) -> int | None:
        """Give how much of it may be spent in an hour; 0 is nothing at all."""
        limit: int | None = getattr(self, spent.value)
        return limit

    def rate(self, spent: Spent) -> Rate | None:
        """Give a budget as a rate: all of it at once, or as it comes back over the hour."""
        limit = self.limit(spent)
        return None if not limit else Rate.per(limit, HOUR_SECONDS)


NO_BUDGETS = Budgets()


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What the operator allows; a bucket without a rate bounds nothing."""

    rates: Mapping[Bucket, Rate] = field(default_factory=dict)
    budgets: Budgets = NO_BUDGETS


def counted_as(who: Caller) -> str:
    """Name what budgets and the limit of a credential are counted by.

    Of a person's sessions all count together: who signs in anew has not become somebody else.
    """
    if who.credential.kind == SESSION:
        return f"{SESSION}:{who.user_id}"
    return f"{who.credential.kind}:{who.credential.id}"


def budgets_of(who: Caller) -> Budgets | None:
    """Give the budgets of the credential that was presented, None where it has none of its own."""
    del who
    return None
