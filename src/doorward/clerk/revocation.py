"""Revocation at once, without a call to Clerk: what was revoked, asked about on every request.

Clerk's session tokens outlive their session by up to a minute, machines' by as long as they were
made for. A ``Revocations`` knows better: it is fed by Clerk's webhooks and by calls, and every
guard asks it about every request.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from doorward.clerk.events import (
    Event,
    MembershipDeleted,
    MembershipUpdated,
    OrganizationDeleted,
    SessionEnded,
    UserDeleted,
    UserUpdated,
)
from doorward.clerk.state.record import Record, State
from doorward.identity.principal import Principal

KEEP_SECONDS = 24 * 3600.0
_FOREVER = 253_402_300_799.0  # the end of the year 9999


class Revocation(Protocol):
    """Says whether a credential was revoked: at once, or after asking elsewhere."""

    def revoked(self, who: Principal) -> bool | Awaitable[bool]:
        """Say whether this verified caller's credential is revoked now."""


class Revocations:
    """What was revoked, in a state that processes may share.

    An entry is kept for ``keep_seconds``: as long as the longest-lived token that Clerk makes for
    the application, which are the template tokens. Methods raise StateUnavailable.
    """

    def __init__(
        self,
        state: State,
        *,
        keep_seconds: float = KEEP_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._keep_seconds = keep_seconds
        self._now = now

    def revoked(self, who: Principal) -> bool | Awaitable[bool]:
        """Say whether the session, the user, the membership or the credential is revoked."""
        found = self._state.get(who.revocable_as)
        if isinstance(found, list):
            return any(found) and _covered(found, who)
        return self._revoked_later(found, who)

    async def revoke_session(self, session_id: str) -> None:
        """Refuse every token of a session from now on."""
        await self._put(f"session:{session_id}", _FOREVER)

    async def revoke_credential(self, credential_id: str, *, until: float | None = None) -> None:
        """Refuse a machine credential by its id, or a token by its ``jti``, from now on.

        ``until`` is when it expires by itself. Without it the entry is kept for ``keep_seconds``,
        and a machine's credential that lives longer is good again after them.
        """
        await self._put(f"credential:{credential_id}", _FOREVER, until)

    async def revoke_user(self, user_id: str, *, at: float | None = None) -> None:
        """Refuse every token of a user that was made until ``at``, which is now by default.

        Tokens are dated by Clerk's clock, and now is by ours: where ours is slow, ``at`` is to be
        as much later.
        """
        await self._put(f"user:{user_id}", self._now() if at is None else at)

    async def revoke_membership(
        self, user_id: str, org_id: str, *, at: float | None = None
    ) -> None:
        """Refuse a user's tokens for an organization that were made until ``at``."""
        await self._put(f"member:{user_id}:{org_id}", self._now() if at is None else at)

    async def revoke_organization(self, org_id: str, *, at: float | None = None) -> None:
        """Refuse every token for an organization, and its own keys, that were made until ``at``."""
        await self._put(f"organization:{org_id}", self._now() if at is None else at)

    async def allow_user(self, user_id: str) -> None:
        """Take a user's revocation back; tokens that still count are let in again."""
        await self._state.remove(f"user:{user_id}")

    async def apply(self, event: Event) -> None:
        """Take in what an event of Clerk's revokes; other events change nothing.

        Events may come late, twice and out of order: of two the later one counts.
        """
        match event:
            case SessionEnded():
                await self.revoke_session(event.session.id)
            case UserDeleted():
                await self.revoke_user(event.id_of_user, at=event.happened_at)
            case UserUpdated() if event.user.banned or event.user.locked:
                await self.revoke_user(event.user.id, at=event.happened_at)
            case OrganizationDeleted():
                await self.revoke_organization(event.id_of_organization, at=event.happened_at)
            case MembershipDeleted() | MembershipUpdated():
                membership = event.membership
                await self.revoke_membership(
                    membership.user_id, membership.organization_id, at=event.happened_at
                )
            case _:
                pass

    async def _put(self, key: str, until_made: float, until: float | None = None) -> None:
        until = self._now() + self._keep_seconds if until is None else until
        await self._state.put(key, Record(until_made), until)

    @staticmethod
    async def _revoked_later(found: Awaitable[list[Record | None]], who: Principal) -> bool:
        return _covered(await found, who)


def _covered(found: list[Record | None], who: Principal) -> bool:
    """Say whether an entry is as late as the token; one that does not say its age is covered."""
    made = who.issued_at
    return any(entry is not None and (made is None or made <= entry.version) for entry in found)
