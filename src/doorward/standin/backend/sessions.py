"""Sessions and their tokens, over the Backend API."""

from secrets import token_hex
from typing import Any

from doorward.standin import organizations, sessions, users
from doorward.standin.ask import Ask, Route, anybody
from doorward.standin.file import Transaction
from doorward.standin.shapes import listed

TTL_SECONDS = 60
_TTL_SECONDS_MAX = 315_360_000
_TESTING_SECONDS = 3600


def jwks(tx: Transaction, ask: Ask) -> dict[str, Any]:
    """Give the keys that verify tokens."""
    del tx
    return ask.standin.jwks()


def mint(tx: Transaction, ask: Ask) -> dict[str, Any]:
    """Give a token of a session that is not over; raises Refused."""
    session = sessions.find_active(tx, ask.path["session_id"])
    return {"object": "token", "jwt": ask.standin.token(session, ttl=_ttl(ask))}


def _mint_of_template(tx: Transaction, ask: Ask) -> dict[str, Any]:
    session = sessions.find_active(tx, ask.path["session_id"])
    return {"object": "token", "jwt": ask.standin.template_token(session, ttl=_ttl(ask))}


def _ttl(ask: Ask) -> int:
    fields = ask.fields
    fields.only(("expires_in_seconds",))
    return fields.whole("expires_in_seconds", low=1, high=_TTL_SECONDS_MAX) or TTL_SECONDS


def _list(tx: Transaction, ask: Ask) -> Any:
    found, total = sessions.find_all(tx, ask.query)
    return listed(found, total) if ask.query.flag("paginated") else found


def _get(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return sessions.show(tx, ask.path["session_id"])


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    user_id = users.find(tx, ask.fields.required("user_id"))["id"]
    sessions.ensure_may_sign_in(tx, user_id)
    named = ask.fields.text("active_organization_id")
    org_id = organizations.find(tx, named)["id"] if named else None
    return sessions.show(tx, sessions.begin(tx, user_id, org_id).id)


def _revoke(tx: Transaction, ask: Ask) -> dict[str, Any]:
    sessions.end(tx, ask.path["session_id"], "revoked")
    return _get(tx, ask)


def _testing_token(tx: Transaction, ask: Ask) -> dict[str, Any]:
    """Give what lets a test through bot protection at Clerk; here there is none to pass."""
    ask.fields.only(())
    expires_at = int(tx.now) + _TESTING_SECONDS
    return {
        "object": "testing_token",
        "token": f"{expires_at}-{token_hex(16)}",
        "expires_at": expires_at,
    }


_SESSION = "/v1/sessions/{session_id}"
ROUTES = [
    Route("GET", "/.well-known/jwks.json", jwks, anybody),
    Route("GET", "/v1/jwks", jwks),
    Route("POST", "/v1/testing_tokens", _testing_token),
    Route("GET", "/v1/sessions", _list),
    Route("POST", "/v1/sessions", _create),
    Route("GET", _SESSION, _get),
    Route("POST", f"{_SESSION}/revoke", _revoke),
    Route("POST", f"{_SESSION}/tokens", mint),
    Route("POST", f"{_SESSION}/tokens/{{template}}", _mint_of_template),
]
