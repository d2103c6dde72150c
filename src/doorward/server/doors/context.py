"""The outermost layer of every HTTP request: its id, its bounds, its log line, its last resort."""

import logging
import re
import secrets
import time
from collections.abc import MutableMapping

from doorward.server.doors.asgi import App, Message, Receive, Scope, Send, header
from doorward.server.doors.peers import address_of
from doorward.server.doors.problem_json import send_problem
from doorward.server.keys.format import without_keys
from doorward.server.outbound.addresses import Network
from doorward.server.permission.caller import Origin
from doorward.server.problems import Internal, Problem, RequestTooLarge
from doorward.server.transfers.tokens import PREFIX

BODY_BYTES_MAX = 1 << 20
AGENT_CHARACTERS_MAX = 200
log = logging.getLogger("doorward.access")

SHOWN_OF_TOKEN = 7
_TOKENS = re.compile(rf"/v1/+transfers/+(.{{8,}}?)(?=/claim$|$)|(?i:{PREFIX})[^/]{{4,}}", re.DOTALL)

_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class RequestContext:
    """Gives each request an id and an origin, logs it without its query, and catches all else.

    Bodies are bounded here for every door but those that stream bytes below a path of
    ``streaming``. Of ``proxies`` alone it is believed for whom they ask.
    """

    def __init__(
        self, app: App, *, streaming: tuple[str, ...], proxies: tuple[Network, ...] = ()
    ) -> None:
        self._app = app
        self._streaming = streaming
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other ASGI events pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _origin(scope, self._proxies)
        # Who sends a key in place of its id means none, and it must not be written down anywhere.
        scope["path"] = without_keys(scope["path"])
        scope.setdefault("state", {})["origin"] = origin
        answer = _Answer(send, origin.request_id)
        began = time.perf_counter()
        if not scope["path"].startswith(self._streaming):
            receive = _bounded(receive)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as exc:  # noqa: BLE001 - the last resort of every request
            await answer.fail(exc)
        log.info(
            "%s %s %s %.1fms %s",
            scope["method"],
            shown_path(scope).encode("unicode_escape").decode(),  # a line stays one line
            answer.status,
            (time.perf_counter() - began) * 1000,
            origin.request_id,
        )


def origin_of(scope: Scope) -> Origin:
    """Give where a request came from."""
    origin: Origin = scope["state"]["origin"]
    return origin


def shown_path(scope: Scope) -> str:
    """Give a request's path for a log or the trail, claim tokens cut to their first characters.

    What stands where a token does is cut whatever it looks like, and a token wherever it stands.
    """
    path: str = scope["path"]
    return _TOKENS.sub(_cut, path)


def _cut(found: re.Match[str]) -> str:
    token = found[1] or found[0]
    return f"{found[0].removesuffix(token)}{token[:SHOWN_OF_TOKEN]}…"


class _Answer:
    """The response on its way out."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on, with the headers that every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(message)
        await self._send(message)

    async def fail(self, exc: Exception) -> None:
        """Answer for an exception that no door turned into an answer."""
        problem = exc if isinstance(exc, Problem) else Internal()
        if not isinstance(exc, Problem):
            log.error("request %s failed", self._request_id, exc_info=exc)
        if self.status is None:
            await send_problem(self.send, problem, self._request_id)

    def _headers(self, message: MutableMapping[str, object]) -> list[tuple[bytes, bytes]]:
        given = list(message.get("headers") or [])  # type: ignore[call-overload]
        names = {name for name, _ in given}
        safe = [pair for pair in _SAFE_HEADERS if pair[0] not in names]
        return [*given, *safe, (b"x-request-id", self._request_id.encode())]


def _origin(scope: Scope, proxies: tuple[Network, ...]) -> Origin:
    agent = header(scope, b"user-agent")
    return Origin(
        request_id=f"req_{secrets.token_hex(16)}",
        address=address_of(scope, proxies),
        agent=agent[:AGENT_CHARACTERS_MAX] if agent else None,
    )


def _bounded(receive: Receive) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > BODY_BYTES_MAX:
            raise RequestTooLarge(limit_bytes=BODY_BYTES_MAX)
        return message

    return bounded
