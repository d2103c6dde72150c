"""Which buckets there are, what an action draws from, and what a credential's budgets say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from doorward.server.limits.gcra import Rate
from doorward.server.permission.actions import Action
from doorward.server.permission.budgets import NO_BUDGETS, Budgets, Spent
from doorward.server.permission.caller import SESSION, Caller

HOUR_SECONDS = 3600


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
_NEVER = frozenset({"token:revoke"})  # what ends something is never to be waited for
_MAKES_SECRETS = dict.fromkeys(("key:create", "key:rotate"), Bucket.TOKENS)


@cache
def bucket_of(action: Action | None) -> Bucket | None:
    """Say which bucket an action draws from beside the caller's own, by the words of its name.

    So an action that is added later is limited without anybody thinking of it.
    """
    return None if action is None else bucket_named(action.name_)


def bucket_named(name: str) -> Bucket | None:
    """Say the same of an action's name, ``resource:verb``."""
    if name in _NEVER:
        return None
    resource, _, verb = name.partition(":")
    return (
        _BY_NAME.get(name)
        or _MAKES_SECRETS.get(name)
        or _BY_RESOURCE.get(resource)
        or _BY_VERB.get(verb)
    )


SPENT_BY = {Bucket.DELETES: Spent.DELETES, Bucket.LINKS: Spent.LINKS}
"""Of which budget an action spends one, by the bucket that it draws from."""


def rate_of(budgets: Budgets, spent: Spent) -> Rate | None:
    """Give a budget as a rate: all of it at once, or as it comes back over the hour."""
    limit = budgets.limit(spent)
    return None if not limit else Rate.per(limit, HOUR_SECONDS)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What the operator allows; a bucket without a rate bounds nothing."""

    rates: Mapping[Bucket, Rate] = field(default_factory=dict)
    budgets: Budgets = NO_BUDGETS


def counted_as(who: Caller) -> str:
    """Name what budgets and the limit of a credential are counted by.

    Of a person's sessions all count together: who signs in anew has not become somebody else. Nor
    has a key that is lent for one person after another: what it does for them counts as its own.
    """
    if who.agent is not None:
        return counted_as(who.agent)
    if who.credential.kind == SESSION:
        return f"{SESSION}:{who.user_id}"
    return f"{who.credential.kind}:{who.credential.id}"


def budgets_of(who: Caller) -> Budgets | None:
    """Give the budgets of the credential that was presented, None where it has none of its own."""
    return who.budgets if who.agent is None else who.agent.budgets
