"""What Clerk tells this server: signed webhooks, which end what they revoke at once."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from doorward.clerk.events import (
    MembershipDeleted,
    MembershipUpdated,
    OrganizationDeleted,
    UserDeleted,
    UserUpdated,
)
from doorward.clerk.revocation import Revocations
from doorward.clerk.state.record import State, StateUnavailable
from doorward.clerk.webhooks import Verifier
from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.commands import Tx
from doorward.server.doors.asgi import Receive, Scope, Send, read_body, respond
from doorward.server.doors.context import BODY_BYTES_MAX, origin_of
from doorward.server.doors.house import House
from doorward.server.doors.knocks import knock
from doorward.server.doors.problem_json import send_problem
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    Busy,
    MethodNotAllowed,
    Problem,
    RequestMalformed,
    WebhookRefused,
)
from doorward.server.workspaces.service import hear_role
from doorward.webhooks import Event, WebhookVerificationError, forget, is_new

WEBHOOKS_PATH = "/webhooks/clerk"
BODY_SECONDS_MAX = 15.0  # after which Clerk takes it for failed


class ClerkDoor:
    """Takes Clerk's webhooks; nothing of a body is parsed before its signature is verified."""

    def __init__(
        self,
        house: House,
        secret: str,
        revocations: Revocations,
        state: State,
        now: Callable[[], float],
        organization_roles: Mapping[str, Role],
    ) -> None:
        self._roles = organization_roles
        self._house = house
        self._verify = Verifier(secret, now=now)
        self._revocations = revocations
        self._state = state
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one webhook, and say so once what it revokes is durable; audited either way."""
        origin = origin_of(scope)
        try:
            event = await self._verified(scope, receive)
            await self._take(event, origin)
        except Problem as problem:
            if isinstance(problem, WebhookRefused):
                await self._house.limiting.fail(origin)
            await self._house.knocks.record(knock(scope), problem)
            await send_problem(send, problem, origin.request_id)
            return
        await self._house.passage.empty()
        await respond(send, 204, [])

    async def _verified(self, scope: Scope, receive: Receive) -> Event:
        if scope["method"] != "POST":
            raise MethodNotAllowed(headers={"Allow": "POST"})
        body = await _body(receive)
        try:
            return self._verify(body, scope["headers"])
        except WebhookVerificationError as exc:
            raise WebhookRefused(str(exc), reason=exc.reason) from exc

    async def _take(self, event: Event, origin: Origin) -> None:
        """Apply an event, which may happen twice, and enter it in the trail once.

        In this order, so that a process which ends in between has revoked already. Whatever fails,
        Clerk is told to deliver again, and then the event is new.
        """
        try:
            await self._revocations.apply(event)
            if not await is_new(event, self._state, now=self._now):
                return
            try:
                await self._house.store.write(lambda tx: self._enter(tx, event, origin))
            except BaseException:
                await forget(event, self._state)
                raise
        except StateUnavailable as exc:
            raise Busy from exc

    def _enter(self, tx: Tx, event: Event, origin: Origin) -> None:
        """Enter the event in the trail, and what it changes of the rows."""
        heard = _heard(event, origin)
        record(tx, heard)
        for key_id in _ended(tx.keys, event, tx.now):
            record(tx, Attempt(Action.KEY_REVOKE, Target(None, "key", key_id), heard.who))
        for grant_id in _ended(tx.grants, event, tx.now):
            record(tx, Attempt(Action.GRANT_REVOKE, Target(None, "grant", grant_id), heard.who))
        if isinstance(event, MembershipUpdated):
            member = event.membership
            role = self._roles.get(member.role) or self._roles.get("*")
            at = datetime.fromtimestamp(event.happened_at, UTC)
            hear_role(tx, member.organization_id, member.user_id, role, at)


class _Lasting(Protocol):
    """Rows of what outlives every token of whoever made it."""

    def revoke_of(self, user_id: str, organization_id: str | None, now: datetime) -> list[str]:
        """Revoke all of a user, or those for one organization; gives which."""

    def revoke_for(self, organization_id: str, now: datetime) -> list[str]:
        """Revoke all for an organization; gives which."""


def _ended(rows: _Lasting, event: Event, now: datetime) -> list[str]:
    """Revoke what ends with a person, an organization or a membership; gives which.

    For good: what Clerk tells is remembered for days, and a key or a grant may live for years.
    """
    match event:
        case UserDeleted():
            return rows.revoke_of(event.id_of_user, None, now)
        case UserUpdated() if event.user.banned:
            return rows.revoke_of(event.user.id, None, now)
        case OrganizationDeleted():
            return rows.revoke_for(event.id_of_organization, now)
        case MembershipDeleted():
            member = event.membership
            return rows.revoke_of(member.user_id, member.organization_id, now)
        case _:
            return []


def _heard(event: Event, origin: Origin) -> Attempt:
    who = Caller("", Credential("webhook", event.id), origin)
    return Attempt(None, Target(), who, {"event": event.type})


async def _body(receive: Receive) -> bytes:
    """Read the body in the time that Clerk waits; raises RequestTooLarge, RequestMalformed."""
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await read_body(receive, BODY_BYTES_MAX)
    except TimeoutError:
        raise RequestMalformed("The body did not come in time.") from None
