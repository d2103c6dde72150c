"""What a verified token says, versions 1 and 2 of Clerk's session claims alike."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_MASK = re.compile(r"[0-9]+", re.ASCII)
_MASK_DIGITS_MAX = 100
_EXPANDED_MAX = 256
_ORG_SCOPES = frozenset({"o", "ou", "uo"})

Permissions = tuple[str, ...]
_NO_ORGANIZATION = ("", None, None, ())


@dataclass(frozen=True, slots=True)
class Organization:
    """The active organization of a session; ``permissions`` are custom ones, ``org:a:b``."""

    id: str
    slug: str | None = None
    role: str | None = None
    permissions: tuple[str, ...] = ()


class Claims(Mapping[str, Any]):
    """The payload of a verified token: read-only, and it does not show itself."""

    __slots__ = ("_payload",)

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload

    def __getitem__(self, name: str) -> Any:
        return self._payload[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Give a claim, ``default`` where the token has none of that name."""
        return self._payload.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._payload)

    def __len__(self) -> int:
        return len(self._payload)

    def __repr__(self) -> str:
        return f"Claims(sub={self.get('sub')!r}, sid={self.get('sid')!r})"

    @property
    def user_id(self) -> str:
        """The subject."""
        subject: str = self._payload["sub"]
        return subject

    @property
    def session_id(self) -> str | None:
        """The session."""
        return text(self.get("sid"))

    @property
    def session_status(self) -> str | None:
        """``active``, or ``pending`` while the session still has tasks."""
        return text(self.get("sts"))

    @property
    def actor(self) -> Mapping[str, Any] | None:
        """Who impersonates the user, if somebody does."""
        return actor_of(self._payload)

    @property
    def factor_verification_age(self) -> tuple[float, float] | None:
        """Minutes since the first and second factor (``fva``)."""
        return factor_ages_of(self._payload)

    @property
    def organization(self) -> Organization | None:
        """The active organization, decoded by the token's own version."""
        org_id, slug, role, permissions = organization_of(self._payload)
        return Organization(org_id, slug, role, permissions) if org_id else None


def actor_of(claims: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give who acts for the subject, None for nobody."""
    actor = claims.get("act")
    return actor if isinstance(actor, Mapping) else None


def factor_ages_of(claims: Mapping[str, Any]) -> tuple[float, float] | None:
    """Give the minutes since the first and second factor, None where there are none."""
    ages = claims.get("fva")
    return tuple(ages) if isinstance(ages, list) and len(ages) == 2 else None  # noqa: PLR2004


def organization_of(claims: Mapping[str, Any]) -> tuple[str, str | None, str | None, Permissions]:
    """Give id, slug, role and permissions of a session's active organization, "" for none.

    Decoded by the claims' own version.
    """
    version = claims.get("v")
    if version != 2 or isinstance(version, bool | str):  # noqa: PLR2004 - the version
        return _organization_v1(claims)
    return _organization_v2(claims)


def _organization_v1(claims: Mapping[str, Any]) -> tuple[str, str | None, str | None, Permissions]:
    org_id = text(claims.get("org_id"))
    if not org_id:
        return _NO_ORGANIZATION
    held = claims.get("org_permissions")
    permissions = tuple(p for p in held if isinstance(p, str)) if isinstance(held, list) else ()
    return org_id, text(claims.get("org_slug")), text(claims.get("org_role")), permissions


def _organization_v2(claims: Mapping[str, Any]) -> tuple[str, str | None, str | None, Permissions]:
    compact = claims.get("o")
    if not isinstance(compact, dict):
        return _NO_ORGANIZATION
    org_id, role = text(compact.get("id")), text(compact.get("rol"))
    if not org_id:
        return _NO_ORGANIZATION
    permissions = permissions_of(claims.get("fea"), compact.get("per"), compact.get("fpm"))
    return org_id, text(compact.get("slg")), f"org:{role}" if role else None, permissions


def permissions_of(fea: Any, per: Any, fpm: Any) -> tuple[str, ...]:
    """Expand Clerk's compact permissions; whatever is malformed grants nothing and never raises.

    ``fea`` lists ``scope:feature``, ``per`` permission names, ``fpm`` one bit mask per feature,
    bit 0 for the first permission. Masks stand for every feature in ``fea`` where there are as
    many (as Clerk documents), else for the organization's features alone.
    """
    if isinstance(fea, str) and isinstance(per, str) and isinstance(fpm, str):
        return _expanded(fea, per, fpm)
    return ()


@lru_cache(maxsize=_EXPANDED_MAX)
def _expanded(fea: str, per: str, fpm: str) -> tuple[str, ...]:
    """Expand once what the tokens of one member say again and again."""
    features, names, masks = [item for item in _items(fea) if item], _items(per), _items(fpm)
    if not names or not masks or not all(":" in feature for feature in features):
        return ()
    scoped = [(scope, name) for scope, _, name in (f.partition(":") for f in features)]
    of_org = [feature for feature in scoped if feature[0] in _ORG_SCOPES]
    listed = of_org if len(masks) == len(of_org) != len(scoped) else scoped
    return tuple(
        f"org:{feature}:{name}"
        for (scope, feature), mask in zip(listed, masks, strict=False)
        if scope in _ORG_SCOPES and feature
        for bit, name in enumerate(names)
        if name and _bits(mask) >> bit & 1
    )


def _bits(mask: str) -> int:
    """Read a mask of ASCII digits; ``int`` alone would take signs, spaces and other digits."""
    valid = len(mask) <= _MASK_DIGITS_MAX and _MASK.fullmatch(mask)
    return int(mask) if valid else 0


def _items(claim: str) -> list[str]:
    return [item.strip() for item in claim.split(",")] if claim else []


def text(value: Any) -> str | None:
    """Give a text, None for anything else."""
    return value if isinstance(value, str) else None


def texts(value: Any) -> frozenset[str]:
    """Give the texts of a list; anything else holds none."""
    listed = value if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, str))
