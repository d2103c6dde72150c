"""Renewing a browser's cookies for an application that was shown expired ones."""

from typing import Any

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.tokens import parse
from doorward.standin import browser, sessions
from doorward.standin.ask import Ask, Route
from doorward.standin.fields import Fields
from doorward.standin.file import Transaction
from doorward.standin.refusals import Refused, invalid
from doorward.standin.sessions import Session

_PARAMETERS = (
    "expired_token",
    "refresh_token",
    "request_origin",
    "request_headers",
    "request_originating_ip",
    "format",
)


def _refresh(tx: Transaction, ask: Ask) -> dict[str, Any]:
    fields = ask.fields
    fields.only(_PARAMETERS)
    wanted = fields.text("format") or "token"
    if wanted not in {"token", "cookie"}:
        raise invalid("format", "token or cookie")
    session = _session(tx, ask, fields)
    token = ask.standin.token(session, azp=fields.required("request_origin"))
    if wanted == "token":
        return {"object": "token", "jwt": token}
    return {"object": "cookies", "cookies": browser.signed_in(ask.standin, session, token)}


def _session(tx: Transaction, ask: Ask, fields: Fields) -> Session:
    """Give the session that both tokens are of; raises Refused."""
    session_id = ask.path["session_id"]
    expired, refresh_token = fields.token("expired_token"), fields.token("refresh_token")
    mine = browser.may_refresh(ask.standin, session_id, refresh_token)
    if not mine or _session_of(expired) != session_id:
        raise Refused(401, "authentication_invalid", "The tokens are not of this session.")
    return sessions.find_active(tx, session_id)


def _session_of(token: str) -> Any:
    try:
        return parse(token).claims.get("sid")
    except TokenVerificationError:
        return None


ROUTES = [Route("POST", "/v1/sessions/{session_id}/refresh", _refresh)]
