"""The one way into the REST door: no path below it is reached without a verified credential."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from doorward.clerk.refusals import NotAuthenticated as ClerkNotAuthenticated
from doorward.clerk.refusals import Unavailable as ClerkUnavailable
from doorward.identity.principal import Principal
from doorward.server.audit.model import Attempt
from doorward.server.doors.asgi import App, Receive, Scope, Send
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.knocks import knock
from doorward.server.doors.limits.fields import telling
from doorward.server.doors.problem_json import Render, send_problem
from doorward.server.doors.rest.call import Call
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.problems import KeysUnavailable, NotAuthenticated, Problem, RateLimited
from doorward.server.workspaces.service import welcome

_WELCOMED_MAX = 10_000


class Guard(Protocol):
    """The toolkit's guard, as far as the server uses it."""

    async def authenticate(self, scope: Scope) -> Principal:
        """Verify the request's credential."""


class Entrance:
    """Authenticates before anything is routed or read, then hands on a ``Call``.

    ``render`` is how a refusal looks.
    """

    def __init__(
        self,
        app: App,
        guard: Guard,
        house: House,
        organization_roles: Mapping[str, Role],
        render: Render = send_problem,
    ) -> None:
        self._app = app
        self._guard = guard
        self._house = house
        self._render = render
        self._roles = organization_roles
        self._welcomed: OrderedDict[tuple[str, str | None], Role | None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a verified caller in; refuse anybody else, audited."""
        origin = origin_of(scope)
        try:
            who = await self._identify(scope, origin)
        except Problem as problem:
            if isinstance(problem, NotAuthenticated):
                await self._house.limiting.fail(origin)
            await self._refuse(send, knock(scope), problem)
            return
        try:
            standings = await self._house.limiting.enter(who)
        except RateLimited as problem:
            await self._refuse(send, replace(knock(scope), who=who), problem)
            return
        await self._welcome(who)
        scope["state"]["call"] = Call(self._house, who, standings=standings)
        await self._app(scope, receive, telling(send, standings))

    async def _refuse(self, send: Send, attempt: Attempt, problem: Problem) -> None:
        await self._house.knocks.record(attempt, problem)
        request_id = attempt.who.origin.request_id if attempt.who else ""
        await self._render(send, problem, request_id)

    async def _identify(self, scope: Scope, origin: Origin) -> Caller:
        try:
            principal = await self._guard.authenticate(scope)
        except ClerkNotAuthenticated as exc:
            raise NotAuthenticated(reason=exc.reason, headers=exc.headers) from exc
        except ClerkUnavailable as exc:
            raise KeysUnavailable(reason=exc.reason, headers=exc.headers) from exc
        return caller_of(principal, origin, self._roles)

    async def _welcome(self, who: Caller) -> None:
        """Make homes on first sight, and take a changed role over; idempotent."""
        seen = (who.user_id, who.organization_id)
        if seen in self._welcomed and self._welcomed[seen] == who.organization_role:
            self._welcomed.move_to_end(seen)
            return
        await self._house.store.write(lambda tx: welcome(tx, who, self._house.quota_bytes))
        self._welcomed[seen] = who.organization_role
        if len(self._welcomed) > _WELCOMED_MAX:
            self._welcomed.popitem(last=False)


def caller_of(principal: Principal, origin: Origin, roles: Mapping[str, Role]) -> Caller:
    """Give the server's view of a verified principal.

    An organization role that no setting maps gets what ``*`` says, or nothing.
    """
    role = None
    if principal.org_id is not None:
        role = roles.get(principal.org_role or "") or roles.get("*")
    return Caller(
        user_id=principal.user_id or "",
        credential=Credential("session", principal.session_id),
        origin=origin,
        organization_id=principal.org_id if role else None,
        organization_name=principal.org_slug if role else None,
        organization_role=role,
        issued_at=principal.issued_at,
    )
