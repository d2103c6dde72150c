"""OAuth access tokens, opaque or in JWT form, as an application of somebody else's holds them."""

import sqlite3
from typing import Any

from doorward.standin import credentials
from doorward.standin.credentials import OAUTH, New
from doorward.standin.fields import Fields
from doorward.standin.file import Transaction
from doorward.standin.issuer import OAUTH as HEADER
from doorward.standin.refusals import Refused, invalid

CLIENT = "client_of_the_standin"
TTL_SECONDS = 24 * 3600
_TTL_SECONDS_MAX = 10 * 365 * 24 * 3600


def create(tx: Transaction, user_id: str, fields: Fields) -> dict[str, Any]:
    """Make a token with which a client acts for a user; raises Refused."""
    ttl = fields.whole("seconds_until_expiration", low=1, high=_TTL_SECONDS_MAX) or TTL_SECONDS
    client_id = fields.text("client_id") or CLIENT
    new = New(user_id, ttl, fields.texts("scopes"), client_id=client_id)
    wanted = fields.text("token_format") or "opaque"
    if wanted not in {"opaque", "jwt"}:
        raise invalid("token_format", "opaque or jwt")
    token = _jwt(tx, new) if wanted == "jwt" else None
    token_id = credentials.add(tx, OAUTH, new, token)
    return show(tx, credentials.find(tx, OAUTH, token_id)) | {
        "access_token": token or credentials.secret_of(tx, OAUTH, token_id)
    }


def verify(tx: Transaction, token: str) -> dict[str, Any]:
    """Give a good token; of a JWT that is over only that. Raises Refused."""
    try:
        return show(tx, credentials.verify(tx, OAUTH, token))
    except Refused:
        found = "SELECT * FROM credentials WHERE kind = ? AND digest = ?"
        row = tx.row(found, OAUTH.prefix, credentials.digest_of(token))
        if row is not None and "." in token and credentials.is_expired(tx, row):
            return {"active": False}
        raise


def show(tx: Transaction, row: sqlite3.Row) -> dict[str, Any]:
    """Give a token as the Backend API does: its times are in seconds."""
    shown = credentials.show(tx, row) | {
        "client_id": row["client_id"],
        "type": "oauth:access_token",
    }
    del shown["claims"], shown["last_used_at"]
    for name in ("expiration", "created_at", "updated_at"):
        shown[name] = None if shown[name] is None else shown[name] // 1000
    return shown


def _jwt(tx: Transaction, new: New) -> str:
    issuer = tx.instance.issuer
    claims = issuer.claims(new.subject, tx.now, new.ttl or TTL_SECONDS)
    claims["jti"] = f"oat_{claims['jti']}"
    claims["client_id"] = new.client_id
    if new.scopes:  # an empty one is read as a scope without a name
        claims["scope"] = " ".join(new.scopes)
    return issuer.sign(claims, HEADER, category=False)
