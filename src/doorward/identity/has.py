"""Clerk's ``has()``: every dimension that is asked must pass, and anything odd does not.

Source: Clerk's authorization semantics (``has``, ``useReverification``), section by section.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_PREFIX = "org:"
_UNASKED: Any = object()
_FACTORS = 2

REVERIFICATION = {
    "strict_mfa": ("multi_factor", 10),
    "strict": ("second_factor", 10),
    "moderate": ("second_factor", 60),
    "lax": ("second_factor", 1440),
}
"""Clerk's presets: which factor, and how many minutes ago at most."""


class Subject(Protocol):
    """What is asked about; a ``Principal`` is one."""

    @property
    def user_id(self) -> str | None:
        """The user, None for a machine."""

    @property
    def token_type(self) -> str:
        """The kind of credential."""

    @property
    def org_id(self) -> str | None:
        """The active organization."""

    @property
    def org_role(self) -> str | None:
        """The role in it."""

    @property
    def org_permissions(self) -> tuple[str, ...]:
        """The custom permissions in it."""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of a machine's credential."""

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims."""

    @property
    def public_metadata(self) -> Mapping[str, Any] | None:
        """The user's public metadata, where it is known beside the token."""

    @property
    def factor_verification_age(self) -> tuple[float, float] | None:
        """Minutes since the first and second factor."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; a dimension given as None is asked and never passes."""

    role: Any = _UNASKED
    permission: Any = _UNASKED
    feature: Any = _UNASKED
    plan: Any = _UNASKED
    reverification: Any = _UNASKED
    scope: Any = _UNASKED
    metadata: Any = _UNASKED


def answer(who: Subject, question: Question) -> tuple[str, ...]:
    """Name each dimension that was asked and does not pass, as ``dimension value``."""
    return tuple(
        f"{dimension} {asked}"
        for dimension, passes in _DIMENSIONS.items()
        if (asked := getattr(question, dimension)) is not _UNASKED and not passes(who, asked)
    )


def _is_person(who: Subject) -> bool:
    return bool(who.user_id) and who.token_type == "session_token"  # noqa: S105 - a kind


def _has_role(who: Subject, role: Any) -> bool:
    if not (_is_person(who) and who.org_id and who.org_role and isinstance(role, str)):
        return False
    return _prefixed(role) == _prefixed(who.org_role)


def _has_permission(who: Subject, permission: Any) -> bool:
    if not (_is_person(who) and who.org_id and isinstance(permission, str)):
        return False
    return _prefixed(permission) in who.org_permissions


def _prefixed(name: str) -> str:
    while name.startswith(_PREFIX):
        name = name.removeprefix(_PREFIX)
    return _PREFIX + name


def _has_feature(who: Subject, feature: Any) -> bool:
    return _is_person(who) and _listed(who.claims.get("fea"), feature)


def _has_plan(who: Subject, plan: Any) -> bool:
    return _is_person(who) and _listed(who.claims.get("pla"), plan)


def _listed(claim: Any, asked: Any) -> bool:
    """Look ``asked`` up in a claim such as ``o:teams,u:export``, by scope where it names one."""
    if not (isinstance(claim, str) and claim and isinstance(asked, str)):
        return False
    entries = [entry.strip().partition(":") for entry in claim.split(",")]
    if not all(colon for _, colon, _ in entries):
        return False
    parts = asked.split(":")
    scoped = len(parts) > 1
    letters = _scope_letters(parts[0]) if scoped else "ou"
    name = (parts[1] or parts[0]) if scoped else parts[0]
    return any(
        name == listed and scope in {"o", "u", "ou", "uo"} and set(scope) & set(letters)
        for scope, _, listed in entries
    )


def _scope_letters(scope: str) -> str:
    return {"o": "o", "org": "o", "organization": "o", "u": "u", "user": "u"}.get(scope, "")


def _has_reverified(who: Subject, asked: Any) -> bool:
    config = _reverification(asked)
    ages = who.factor_verification_age
    if not _is_person(who) or config is None or ages is None or not _ages_valid(ages):
        return False
    level, after_minutes = config
    first, second = ages
    return _LEVELS[level](first, second, lambda age: age != -1 and after_minutes > age)


def _reverification(asked: Any) -> tuple[str, float] | None:
    if isinstance(asked, str):
        return REVERIFICATION.get(asked)
    if not isinstance(asked, Mapping):
        return None
    level, minutes = asked.get("level"), asked.get("afterMinutes")
    if not isinstance(level, str) or level not in _LEVELS:
        return None
    if not isinstance(minutes, int | float) or not _is_number(minutes) or minutes <= 0:
        return None
    return level, float(minutes)


def _ages_valid(ages: tuple[float, float]) -> bool:
    return len(ages) == _FACTORS and all(
        _is_number(age) and (age == -1 or age >= 0) for age in ages
    )


def _is_number(value: Any) -> bool:
    """Say whether it is a finite number; an integer beyond floats is none that is meant."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


Fresh = Callable[[float], bool]


def _first_factor(first: float, second: float, fresh: Fresh) -> bool:
    del second
    return fresh(first)


def _second_factor(first: float, second: float, fresh: Fresh) -> bool:
    return fresh(second) if second != -1 else fresh(first)


def _multi_factor(first: float, second: float, fresh: Fresh) -> bool:
    return fresh(first) and (second == -1 or fresh(second))


_LEVELS: dict[Any, Callable[[float, float, Fresh], bool]] = {
    "first_factor": _first_factor,
    "second_factor": _second_factor,
    "multi_factor": _multi_factor,
}


def _has_scope(who: Subject, scope: Any) -> bool:
    return isinstance(scope, str) and scope in who.scopes


def _has_metadata(who: Subject, asked: Any) -> bool:
    """Look for members in a user's public metadata.

    It is what the session token carries, else what is known beside. Claims of a machine's
    credential are what its maker chose, which may be the machine itself.
    """
    if not isinstance(asked, Mapping) or not asked:
        return False
    said = who.claims if _is_person(who) else {}
    held = said.get("metadata") or said.get("public_metadata") or who.public_metadata
    if not isinstance(held, Mapping):
        return False
    return all(_same(held.get(name, _UNASKED), value) for name, value in asked.items())


def _same(held: Any, asked: Any) -> bool:
    return type(held) is type(asked) and bool(held == asked)


_DIMENSIONS: dict[str, Callable[[Subject, Any], bool]] = {
    "role": _has_role,
    "permission": _has_permission,
    "feature": _has_feature,
    "plan": _has_plan,
    "reverification": _has_reverified,
    "scope": _has_scope,
    "metadata": _has_metadata,
}
