"""What a verified token says, versions 1 and 2 of Clerk's session claims alike."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MASK = re.compile(r"[0-9]+", re.ASCII)
_MASK_DIGITS_MAX = 100
_ORG_SCOPES = frozenset({"o", "ou", "uo"})


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
        return _text(self.get("sid"))

    @property
    def session_status(self) -> str | None:
        """``active``, or ``pending`` while the session still has tasks."""
        return _text(self.get("sts"))

    @property
    def actor(self) -> Mapping[str, Any] | None:
        """Who impersonates the user, if somebody does."""
        actor = self.get("act")
        return actor if isinstance(actor, Mapping) else None

    @property
    def factor_verification_age(self) -> tuple[float, float] | None:
        """Minutes since the first and second factor (``fva``)."""
        ages = self.get("fva")
        return tuple(ages) if isinstance(ages, list) and len(ages) == 2 else None  # noqa: PLR2004

    @property
    def organization(self) -> Organization | None:
        """The active organization, decoded by the token's own version."""
        if _is_version_2(self.get("v")):
            return _organization_v2(self)
        return _organization_v1(self)


def _is_version_2(version: Any) -> bool:
    return version == 2 and not isinstance(version, bool | str)  # noqa: PLR2004 - the version


def _organization_v1(claims: Mapping[str, Any]) -> Organization | None:
    org_id = _text(claims.get("org_id"))
    if not org_id:
        return None
    held = claims.get("org_permissions")
    permissions = tuple(p for p in held if isinstance(p, str)) if isinstance(held, list) else ()
    return Organization(
        org_id, _text(claims.get("org_slug")), _text(claims.get("org_role")), permissions
    )


def _organization_v2(claims: Mapping[str, Any]) -> Organization | None:
    compact = claims.get("o")
    if not isinstance(compact, Mapping):
        return None
    org_id, role = _text(compact.get("id")), _text(compact.get("rol"))
    if not org_id:
        return None
    return Organization(
        org_id,
        _text(compact.get("slg")),
        f"org:{role}" if role else None,
        permissions_of(claims.get("fea"), compact.get("per"), compact.get("fpm")),
    )


def permissions_of(fea: Any, per: Any, fpm: Any) -> tuple[str, ...]:
    """Expand Clerk's compact permissions; whatever is malformed grants nothing and never raises.

    ``fea`` lists ``scope:feature``, ``per`` permission names, ``fpm`` one bit mask per feature,
    bit 0 for the first permission. Masks stand for every feature in ``fea`` where there are as
    many (as Clerk documents), else for the organization's features alone.
    """
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


def _items(claim: Any) -> list[str]:
    if not isinstance(claim, str) or not claim:
        return []
    return [item.strip() for item in claim.split(",")]


def _text(claim: Any) -> str | None:
    return claim if isinstance(claim, str) else None
