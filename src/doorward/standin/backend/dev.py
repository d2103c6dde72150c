"""What Clerk has not: signing in as anybody. For tools on this machine alone."""

import re
from typing import Any

from doorward.standin import invitations, oauth, sessions, users
from doorward.standin.ask import Ask, Route, anybody, local
from doorward.standin.backend.sessions import mint
from doorward.standin.fields import Fields
from doorward.standin.file import Transaction
from doorward.standin.refusals import invalid, missing
from doorward.standin.sessions import SignIn

_NAME = re.compile(r"[A-Za-z0-9_:-]{1,64}")


def _about(tx: Transaction, ask: Ask) -> dict[str, Any]:
    del tx
    return {
        "name": "Doorward's local stand-in for Clerk",
        "warning": "Anyone who reaches this can sign in as anybody. Never expose it.",
        "jwks": "/.well-known/jwks.json",
        "issuer": ask.standin.issuer,
    }


def _sign_in(tx: Transaction, ask: Ask) -> dict[str, Any]:
    fields = ask.fields
    user, org, role = (_name(fields, name) for name in ("user", "org", "role"))
    if not user:
        raise missing("user")
    asked = SignIn(user, org, role, fields.texts("permissions"))
    session = sessions.sign_in(tx, asked)
    return {
        "session_id": session.id,
        "user_id": session.user_id,
        "jwt": ask.standin.token(session),
    }


def _oauth_token(tx: Transaction, ask: Ask) -> dict[str, Any]:
    fields = ask.fields
    fields.only(("user", "client_id", "scopes", "token_format", "seconds_until_expiration"))
    user = _name(fields, "user")
    if not user:
        raise missing("user")
    return oauth.create(tx, users.ensure(tx, user), fields)


def _accept(tx: Transaction, ask: Ask) -> dict[str, Any]:
    user_id = invitations.accept(tx, ask.path["invitation_id"])
    return {"user_id": user_id, "invitation": invitations.show(tx, ask.path["invitation_id"])}


def _name(fields: Fields, name: str) -> str | None:
    value = fields.text(name)
    if value is not None and not _NAME.fullmatch(value):
        raise invalid(name, "letters, digits, _, : and - only")
    return value


ROUTES = [
    Route("GET", "/?", _about, anybody),
    Route("POST", "/dev/sessions", _sign_in, local, status=201),
    Route("POST", "/dev/sessions/{session_id}/token", mint, local),
    Route("POST", "/dev/oauth_tokens", _oauth_token, local, status=201),
    Route("POST", "/dev/invitations/{invitation_id}/accept", _accept, local),
]
