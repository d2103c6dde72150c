"""Where Fast.io's paths lead: to the entrance with a token, or to a ticket's own address."""

from collections.abc import Collection
from dataclasses import dataclass

from doorward.server.doors.asgi import App, Message, Receive, Scope, Send, respond
from doorward.server.doors.context import origin_of
from doorward.server.doors.fastio.envelope import send_error
from doorward.server.doors.fastio.paths import Route, check_method, route_of
from doorward.server.doors.transfer import cors
from doorward.server.problems import Internal, Problem


@dataclass(frozen=True, slots=True)
class FastioDoor:
    """Serves what is below ``/current/``; whatever happens, the answer is Fast.io's envelope.

    ``parties`` are the origins whose pages may send a session's token here. A ticket is a
    capability, and any page may use it.
    """

    entrance: App
    putting: App
    parties: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._serve(scope, receive, sending)
        except Problem as problem:
            await send_error(send, problem, origin_of(scope).request_id)
        except Exception:
            if not begun:
                await send_error(send, Internal(), origin_of(scope).request_id)
            raise  # to be logged, with its trace

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, _ = route_of(scope)
        if route is Route.PUT:
            app, more = self.putting, cors.for_everybody(scope)
        else:
            app, more = self.entrance, cors.for_parties(scope, self.parties)
        send = cors.with_headers(send, more)
        if scope["method"] == "OPTIONS":
            await respond(send, 204, {"Allow": route.allowed}.items())
            return
        check_method(scope, route)
        await app(scope, receive, send)
