"""What goes over the wire about keys."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from doorward.server.doors.rest.schemas import CredentialOut, In, NameText, Out
from doorward.server.keys.format import ENVIRONMENT_DEFAULT
from doorward.server.keys.model import Key, KeyChange, KeyStatus, NewKey
from doorward.server.keys.service import OVERLAP_SECONDS, OVERLAP_SECONDS_MAX
from doorward.server.names import ENVIRONMENT
from doorward.server.permission.budgets import NO_BUDGETS, Budgets
from doorward.server.permission.scopes import Scope
from doorward.server.problems import ScopeUnknown

_WORKSPACES_MAX = 100
_YEARS_10 = 10 * 365 * 86_400
_DAY = 86_400

ScopeText = Annotated[str, StringConstraints(max_length=80)]
ScopeTexts = Annotated[list[ScopeText], Field(min_length=1, max_length=64)]
NetworkText = Annotated[str, StringConstraints(max_length=64)]
Networks = Annotated[list[NetworkText], Field(min_length=1, max_length=16)]
WorkspaceIds = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^ws_[a-z0-9]{1,64}$")]],
    Field(min_length=1, max_length=_WORKSPACES_MAX),
]
Amount = Annotated[int, Field(ge=0, le=1 << 50)]
Life = Annotated[int, Field(ge=1, le=_YEARS_10, description="In seconds.")]


def _environment(text: str) -> str:
    if re.fullmatch(ENVIRONMENT, text) is None:
        raise ValueError("an environment is at most 16 lower-case letters and digits, such as live")
    return text


Environment = Annotated[str, StringConstraints(max_length=64), AfterValidator(_environment)]


def scopes_of(texts: Iterable[str]) -> frozenset[Scope]:
    """Read scopes; raises ScopeUnknown, which names those that are not and those that are."""
    known = {scope.value: scope for scope in Scope}
    unknown = sorted(set(texts) - known.keys())
    if unknown:
        raise ScopeUnknown(
            f"There is no scope {', '.join(map(repr, unknown))}. There are {', '.join(known)}.",
            unknown=[*unknown],
            known=[*known],
        )
    return frozenset(known[text] for text in texts)


class BudgetsIn(In):
    """What may be spent in an hour; left out, no bound, and 0 is nothing at all."""

    bytes: Amount | None = Field(None, description="Up and down together.")
    calls: Amount | None = None
    deletes: Amount | None = None
    links: Amount | None = None

    def budgets(self) -> Budgets:
        """Give them as a value."""
        return Budgets(self.bytes, self.calls, self.deletes, self.links)


class KeyIn(In):
    """A key to make; ``workspaces`` left out means all that you are in."""

    name: NameText
    scopes: ScopeTexts
    workspaces: WorkspaceIds | None = None
    networks: Networks | None = Field(None, description="From where it may be used, as CIDR.")
    expires_in: Life | None = None
    environment: Environment = ENVIRONMENT_DEFAULT
    rotate_every: Annotated[int, Field(ge=_DAY, le=_YEARS_10)] | None = Field(
        None, description="How many seconds one secret is good at most: rotate it before that."
    )

    budgets: BudgetsIn | None = None

    def new(self) -> NewKey:
        """Give what is asked for; raises ScopeUnknown."""
        return NewKey(
            self.name,
            self.environment,
            scopes_of(self.scopes),
            None if self.workspaces is None else frozenset(self.workspaces),
            None if self.networks is None else tuple(self.networks),
            self.expires_in,
            self.rotate_every,
            NO_BUDGETS if self.budgets is None else self.budgets.budgets(),
        )


class KeyChangeIn(In):
    """What to change of a key: leave out what stays."""

    name: NameText | None = None
    scopes: ScopeTexts | None = None
    workspaces: WorkspaceIds | None = None
    networks: Networks | None = None
    expires_in: Life | None = Field(None, description="In seconds from now.")
    budgets: BudgetsIn | None = None

    def change(self) -> KeyChange:
        """Give what is asked for; raises ScopeUnknown."""
        return KeyChange(
            self.name,
            None if self.scopes is None else scopes_of(self.scopes),
            None if self.workspaces is None else frozenset(self.workspaces),
            None if self.networks is None else tuple(self.networks),
            self.expires_in,
            None if self.budgets is None else self.budgets.budgets(),
        )


class RotationIn(In):
    """How long the secrets that there are go on counting beside the new one."""

    overlap: Annotated[
        int, Field(ge=0, le=OVERLAP_SECONDS_MAX, description="In seconds; 0 ends them at once.")
    ] = OVERLAP_SECONDS


class KeyOut(Out):
    """A key; ``last_used_at`` may be some seconds late."""

    id: str
    name: str
    environment: str
    status: KeyStatus
    scopes: list[str]
    workspaces: list[str] | None
    networks: list[str] | None
    created_by: str
    created_with: CredentialOut
    organization_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None
    rotate_every: int | None
    budgets: dict[str, int | None] | None

    @classmethod
    def of(cls, key: Key, now: datetime) -> "KeyOut":
        """Present a key."""
        return cls(**_shown(key, now))


class SecretOut(KeyOut):
    """A key with its secret, which is shown this once."""

    secret: str

    @classmethod
    def with_secret(cls, key: Key, now: datetime, secret: str) -> "SecretOut":
        """Present a key that was just made or rotated."""
        return cls(**_shown(key, now), secret=secret)


def _shown(key: Key, now: datetime) -> dict[str, Any]:
    bounds, maker = key.bounds, key.maker
    return {
        "id": key.id,
        "name": key.name,
        "environment": key.environment,
        "status": key.status(now),
        "scopes": sorted(bounds.scopes),
        "workspaces": None if bounds.workspaces is None else sorted(bounds.workspaces),
        "networks": None if bounds.networks is None else list(bounds.networks),
        "created_by": maker.user_id,
        "created_with": CredentialOut(type=maker.credential.kind, id=maker.credential.id),
        "organization_id": maker.organization_id,
        "created_at": key.created_at,
        "expires_at": bounds.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "last_used_from": key.last_used_from,
        "rotate_every": key.rotate_every_seconds,
        "budgets": bounds.budgets.stored(),
    }
