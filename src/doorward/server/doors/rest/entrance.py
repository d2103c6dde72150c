"""The one way into the REST door: no path below it is reached without a verified credential."""

from collections import OrderedDict
from dataclasses import replace

from doorward.server.audit.model import Attempt
from doorward.server.doors.asgi import App, Receive, Scope, Send
from doorward.server.doors.challenges import challenged
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.identity import Identities
from doorward.server.doors.knocks import knock
from doorward.server.doors.limits.fields import telling
from doorward.server.doors.problem_json import Render, send_problem
from doorward.server.doors.rest.call import Call
from doorward.server.keys.proving import KeyRefused
from doorward.server.permission.caller import API_KEY, OAUTH_TOKEN, SESSION, Caller, Credential
from doorward.server.permission.roles import Role
from doorward.server.problems import NotAuthenticated, Problem, RateLimited
from doorward.server.workspaces.service import welcome

_WELCOMED_MAX = 10_000
_WELCOMED_SECONDS = 30.0  # after which a membership that Clerk ended and gave back is there again

_Seen = tuple[str, str | None, Role | None]


class Entrance:
    """Authenticates before anything is routed or read, then hands on a ``Call``.

    ``render`` is how a refusal looks.
    """

    def __init__(
        self, app: App, identities: Identities, house: House, render: Render = send_problem
    ) -> None:
        self._app = app
        self._identities = identities
        self._house = house
        self._render = render
        self._welcomed: OrderedDict[_Seen, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a verified caller in; refuse anybody else, audited."""
        origin = origin_of(scope)
        try:
            who = await self._identities.of_request(scope, origin)
        except KeyRefused as refused:
            await self._house.limiting.fail(origin)
            await self._refuse(send, _knock(scope, refused.presented), refused.problem)
            return
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
        if who.credential.kind == SESSION:
            await self._welcome(who)
        elif who.credential.kind in {API_KEY, OAUTH_TOKEN}:
            self._house.uses.note(who)
        scope["state"]["call"] = Call(self._house, who, standings=standings)
        await self._app(scope, receive, telling(send, standings))

    async def _refuse(self, send: Send, attempt: Attempt, problem: Problem) -> None:
        await self._house.knocks.record(attempt, problem)
        request_id = attempt.who.origin.request_id if attempt.who else ""
        await self._render(send, challenged(problem, self._house), request_id)

    async def _welcome(self, who: Caller) -> None:
        """Make homes on first sight, and take a changed role over; idempotent."""
        seen = (who.user_id, who.organization_id, who.organization_role)
        now = self._house.clock().timestamp()
        if now - self._welcomed.get(seen, -_WELCOMED_SECONDS) < _WELCOMED_SECONDS:
            return
        await self._house.store.write(lambda tx: welcome(tx, who, self._house.quota_bytes))
        # Whoever has another role now is to be seen anew when the former one comes back.
        for role in (None, *Role):
            self._welcomed.pop((who.user_id, who.organization_id, role), None)
        self._welcomed[seen] = now
        if len(self._welcomed) > _WELCOMED_MAX:
            self._welcomed.popitem(last=False)


def _knock(scope: Scope, presented: Credential) -> Attempt:
    """Describe a request by a credential that was proved, and opens nothing."""
    attempt = knock(scope)
    if attempt.who is None:
        return attempt
    return replace(attempt, who=replace(attempt.who, credential=presented))
