"""The first of all doors: counts requests by their address, before any token is read."""

from doorward.server.doors.asgi import App, Receive, Scope, Send
from doorward.server.doors.context import origin_of
from doorward.server.doors.fastio.envelope import send_error
from doorward.server.doors.fastio.paths import PREFIX as FASTIO
from doorward.server.doors.house import House
from doorward.server.doors.knocks import knock
from doorward.server.doors.problem_json import send_problem
from doorward.server.doors.transfer import cors
from doorward.server.links.urls import UPLOAD_PATH
from doorward.server.problems import RateLimited

_PROBES = frozenset({"/healthz", "/readyz"})  # whoever restarts us asks for these
_FROM_PAGES = (UPLOAD_PATH, FASTIO)


class Gate:
    """Lets requests through while their address has any left; refuses others, audited as knocks."""

    def __init__(self, app: App, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["path"] not in _PROBES:
            try:
                await self._house.limiting.arrive(origin_of(scope))
            except RateLimited as problem:
                await self._refuse(scope, send, problem)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send, problem: RateLimited) -> None:
        """Answer in the form of the door that was asked for; pages may read why."""
        await self._house.knocks.record(knock(scope), problem)
        path = scope["path"]
        if path.startswith(_FROM_PAGES):
            send = cors.with_headers(send, cors.for_everybody(scope))
        render = send_error if path.startswith(FASTIO) else send_problem
        await render(send, problem, origin_of(scope).request_id)
