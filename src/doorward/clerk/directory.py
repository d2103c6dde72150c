"""What Clerk's webhooks told of users and members, for what a token does not carry.

A guard reads the token's claims first and this second, and never asks Clerk during a request.
"""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from doorward.clerk.events import (
    Event,
    MembershipCreated,
    MembershipDeleted,
    MembershipUpdated,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from doorward.clerk.state.record import Record, State
from doorward.identity.credentials import CredentialShape
from doorward.identity.principal import Principal

KEEP_SECONDS = 10 * 365 * 24 * 3600.0


class Directory:
    """Users' public metadata and members' roles, in a state that processes may share.

    Methods raise StateUnavailable.
    """

    def __init__(self, state: State, *, now: Callable[[], float] = time.time) -> None:
        self._state = state
        self._now = now

    async def apply(self, event: Event) -> None:
        """Take in what an event tells; of two events about one thing the later one counts."""
        match event:
            case UserCreated() | UserUpdated():
                await self._put(f"user-metadata:{event.user.id}", event, event.user.public_metadata)
            case UserDeleted():
                await self._put(f"user-metadata:{event.id_of_user}", event, None)
            case MembershipCreated() | MembershipUpdated():
                await self._put(_member_key(event), event, event.membership.role)
            case MembershipDeleted():
                await self._put(_member_key(event), event, None)
            case _:
                pass

    def complete(self, who: Principal) -> Principal | Awaitable[Principal]:
        """Add to a user's principal what its token leaves out: a role, and public metadata."""
        if who.user_id is None or not _incomplete(who):
            return who
        keys = [f"user-metadata:{who.user_id}", f"member-role:{who.user_id}:{who.org_id}"]
        found = self._state.get(keys)
        if isinstance(found, list):
            return _completed(who, found)
        return self._complete_later(who, found)

    @staticmethod
    async def _complete_later(who: Principal, found: Awaitable[list[Record | None]]) -> Principal:
        return _completed(who, await found)

    async def _put(self, key: str, event: Event, value: Any) -> None:
        record = Record(event.happened_at, json.dumps(value).encode())
        await self._state.put(key, record, self._now() + KEEP_SECONDS)


def _incomplete(who: Principal) -> bool:
    said = who.claims if who.token_type == CredentialShape.SESSION else {}
    without_metadata = not (said.get("metadata") or said.get("public_metadata"))
    return without_metadata or (who.org_id is not None and who.org_role is None)


def _completed(who: Principal, found: list[Record | None]) -> Principal:
    metadata, role = (json.loads(record.value) if record else None for record in found)
    if metadata is None and (role is None or who.org_role is not None):
        return who
    return replace(who, public_metadata=metadata, org_role=who.org_role or role or None)


def _member_key(event: MembershipCreated | MembershipUpdated | MembershipDeleted) -> str:
    membership = event.membership
    return f"member-role:{membership.user_id}:{membership.organization_id}"
