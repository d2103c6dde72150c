"""The calls of Clerk's Frontend API that a page of this machine needs.

Who is signed in, a fresh token, and the handshake by which Clerk's SDKs renew a page's cookies.

Only the browser that signed in here is answered, and only for pages of this machine.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from doorward.standin import browser, sessions, users
from doorward.standin.ask import Answer, Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.loopback import is_local_request
from doorward.standin.redirects import (
    is_loopback_origin,
    origin_of,
    page_of_this_machine,
    shared_host,
)
from doorward.standin.refusals import Refused, invalid
from doorward.standin.sessions import Session

_HANDSHAKE = "__clerk_handshake"


class _SharedRoute(Route):
    """A route that pages of this machine's other ports may call, and may read refusals of."""

    def answer(self, ask: Ask) -> Answer:
        try:
            given = super().answer(ask)
        except Refused as refused:
            given = Answer(refused.status, refused.body)
        return Answer(given.status, given.body, (*given.headers, *_shared(ask)))


def _by_a_page_of_this_machine(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only a browser on this machine, and no page of elsewhere; raises Refused."""
    origin = ask.headers.get("origin")
    own = {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"origin"]}
    if not is_local_request(own) or (origin is not None and not is_loopback_origin(origin)):
        raise Refused(403, "origin_invalid", "Only pages of this machine are answered here.")


def _preflight(tx: Transaction, ask: Ask) -> Answer:
    del tx, ask
    allowed = (
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "authorization, content-type"),
        ("access-control-max-age", "600"),
    )
    return Answer(200, {}, allowed)


def _client(tx: Transaction, ask: Ask) -> dict[str, Any]:
    session = browser.current_session(tx, ask)
    if session is None:
        return {"response": None, "client": None}
    shown, user = sessions.show(tx, session.id), users.show(tx, session.user_id)
    del user["private_metadata"]  # which is for backends alone
    client = {
        "object": "client",
        "id": shown["client_id"],
        "sessions": [shown | {"user": user}],
        "last_active_session_id": session.id,
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }
    return {"response": client, "client": None}


def _token(tx: Transaction, ask: Ask) -> Answer:
    session = browser.current_session(tx, ask)
    if session is None:
        raise Refused(401, "authentication_invalid", "Nobody is signed in with this browser.")
    if session.id != ask.path["session_id"]:
        raise Refused(404, "resource_not_found", "Session not found")
    token = ask.standin.token(session, azp=ask.headers.get("origin"))
    cookies = browser.signed_in(ask.standin, session, token)
    return Answer(200, {"object": "token", "jwt": token}, _set(cookies))


def _handshake(tx: Transaction, ask: Ask) -> Answer:
    """Send a browser back to a page with what its cookies should be, signed."""
    back = page_of_this_machine(ask.query.one("redirect_url") or "", ask.headers["host"])
    if back is None or not ask.query.one("redirect_url"):
        raise invalid("redirect_url", "the address of a page on this machine")
    elsewhere = shared_host(ask.headers["host"], back)
    if elsewhere:
        query = ask.query_string.decode("ascii")
        return _sent(f"http://{elsewhere}{ask.base_path}/v1/client/handshake?{query}")
    session = browser.current_session(tx, ask)
    directives = _directives(ask, session, origin_of(back))
    return _sent(_with(back, _HANDSHAKE, ask.standin.sign({"handshake": directives})))


def _directives(ask: Ask, session: Session | None, party: str) -> list[str]:
    if session is None:
        return browser.signed_out(ask.standin)
    return browser.signed_in(ask.standin, session, ask.standin.token(session, azp=party))


def _sent(to: str) -> Answer:
    return Answer(307, b"", (("location", to), ("referrer-policy", "no-referrer")))


def _with(address: str, name: str, value: str) -> str:
    """Give an address with one more member in its query, in place of one of that name."""
    parts = urlsplit(address)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))


def _shared(ask: Ask) -> tuple[tuple[str, str], ...]:
    origin = ask.headers.get("origin")
    if origin is None:
        return (("vary", "origin"),)
    return (
        ("vary", "origin"),
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
    )


def _set(cookies: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple(("set-cookie", line) for line in cookies)


_TOKENS = "/v1/client/sessions/{session_id}/tokens"
ROUTES: list[Route] = [
    _SharedRoute("GET", "/v1/client", _client, _by_a_page_of_this_machine),
    _SharedRoute("OPTIONS", "/v1/client", _preflight, _by_a_page_of_this_machine),
    _SharedRoute("POST", _TOKENS, _token, _by_a_page_of_this_machine),
    _SharedRoute("OPTIONS", _TOKENS, _preflight, _by_a_page_of_this_machine),
    Route("GET", "/v1/client/handshake", _handshake, _by_a_page_of_this_machine),
]
