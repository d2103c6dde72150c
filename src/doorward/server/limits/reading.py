"""The settings of limits, read from the environment with all the others."""

import re
from typing import Protocol

from doorward.server.limits.gcra import Rate
from doorward.server.limits.model import Bucket, LimitSettings
from doorward.server.limits.plans import CREDITS, STORAGE_BYTES, Plan, Plans
from doorward.server.permission.budgets import Budgets

RATE_DEFAULTS = {
    Bucket.ADDRESS: ("DOORWARD_LIMIT_ADDRESS", "30000/60"),
    Bucket.FAILURES: ("DOORWARD_LIMIT_FAILURES", "3000/60"),
    Bucket.PRINCIPAL: ("DOORWARD_LIMIT_PRINCIPAL", "12000/60"),
    Bucket.CREDENTIAL: ("DOORWARD_LIMIT_CREDENTIAL", "6000/60"),
    Bucket.LINK: ("DOORWARD_LIMIT_LINK", "6000/60"),
    Bucket.UPLOADS: ("DOORWARD_LIMIT_UPLOADS", "6000/60"),
    Bucket.LINKS: ("DOORWARD_LIMIT_LINKS", "1200/60"),
    Bucket.DELETES: ("DOORWARD_LIMIT_DELETES", "6000/60"),
    Bucket.SEARCH: ("DOORWARD_LIMIT_SEARCH", "600/60"),
    Bucket.TOKENS: ("DOORWARD_LIMIT_TOKENS", "600/60"),
}
"""Of each bucket the setting, and what holds without it: so many, brought back in so many seconds.

A person at work, and a folder of thousands of small files on its way up, stay far below.
"""

_RATE = re.compile(r"([1-9][0-9]{0,11})/([1-9][0-9]{0,4})")
_PER_SECOND_MAX = 1_000_000
_PLAN = re.compile(r"([\w-]{1,100})=([0-9]{1,18})/([0-9]{1,12})")


class Reader(Protocol):
    """What reads one variable at a time and collects what is wrong."""

    def text(self, name: str) -> str | None:
        """Give a variable's text, None where it is not set."""

    def number(self, name: str, default: int, least: int) -> int:
        """Give a variable as a number."""

    def mistake(self, text: str) -> None:
        """Note what is wrong and what to do about it."""


def read_limits(reader: Reader) -> LimitSettings:
    """Read every rate and budget; with DOORWARD_LIMITS off none bounds anything."""
    rates = {bucket: _rate(reader, *named) for bucket, named in RATE_DEFAULTS.items()}
    budgets = Budgets(
        bytes=reader.number("DOORWARD_BUDGET_BYTES", 0, 0) or None,
        calls=reader.number("DOORWARD_BUDGET_CALLS", 0, 0) or None,
        deletes=reader.number("DOORWARD_BUDGET_DELETES", 0, 0) or None,
        links=reader.number("DOORWARD_BUDGET_LINKS", 0, 0) or None,
    )
    if not _is_on(reader):
        return LimitSettings()
    return LimitSettings({b: rate for b, rate in rates.items() if rate is not None}, budgets)


def read_plans(reader: Reader, quota_bytes: int) -> Plans:
    """Read what organizations may store and spend; a workspace's own quota always fits into it.

    With DOORWARD_LIMITS off nobody's credits are counted against a plan.
    """
    storage = reader.number(
        "DOORWARD_ORGANIZATION_STORAGE_BYTES", max(STORAGE_BYTES, quota_bytes), 0
    )
    credits_ = reader.number("DOORWARD_ORGANIZATION_CREDITS", CREDITS, 0) or None
    listed = (reader.text("DOORWARD_ORGANIZATION_PLANS") or "").split(",")
    plans: dict[str, Plan] = {}
    for text in filter(None, map(str.strip, listed)):
        found = _PLAN.fullmatch(text)
        if found is None:
            reader.mistake(
                f"DOORWARD_ORGANIZATION_PLANS has {text!r}: write pairs such as "
                "org_abc=107374182400/20000, bytes of storage and credits a month (0: any number)."
            )
            continue
        plans[found[1]] = Plan(int(found[2]), int(found[3]) or None)
    if reader.text("DOORWARD_LIMITS") == "off":
        plans = {one: Plan(plan.storage_bytes, None) for one, plan in plans.items()}
        credits_ = None
    return Plans(Plan(storage, credits_), plans)


def _is_on(reader: Reader) -> bool:
    text = reader.text("DOORWARD_LIMITS") or "on"
    if text not in {"on", "off"}:
        reader.mistake(f"DOORWARD_LIMITS is {text!r}: give one of on, off.")
    return text != "off"


def _rate(reader: Reader, name: str, default: str) -> Rate | None:
    text = reader.text(name) or default
    if text == "off":
        return None
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]) * _PER_SECOND_MAX:
        reader.mistake(
            f"{name} is {text!r}: write how many in how many seconds, such as {default} (at most a "
            "million a second), or off."
        )
        return None
    return Rate.per(int(found[1]), int(found[2]))
