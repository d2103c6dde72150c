"""API keys of users, organizations and machines."""

import json
from typing import Any

from doorward.standin import credentials
from doorward.standin.credentials import API_KEY, New
from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction
from doorward.standin.refusals import invalid, missing
from doorward.standin.shapes import deleted

_TTL_SECONDS_MAX = 10 * 365 * 24 * 3600
_NAME_CHARACTERS_MIN = 3
_CHANGES = ("subject", "description", "claims", "scopes", "seconds_until_expiration")


def create(tx: Transaction, fields: Fields) -> dict[str, Any]:
    """Make an API key and show it with its secret; raises Refused."""
    fields.only(("name", "type", "created_by", *_CHANGES))
    name, subject = fields.required("name"), fields.required("subject")
    if len(name) < _NAME_CHARACTERS_MIN:
        raise invalid("name", f"a name of at least {_NAME_CHARACTERS_MIN} characters")
    credentials.ensure_subject(tx, subject)
    new = New(
        subject=subject,
        ttl=fields.whole("seconds_until_expiration", low=1, high=_TTL_SECONDS_MAX),
        scopes=fields.texts("scopes"),
        claims=fields.object("claims"),
        name=name,
        description=fields.text("description"),
        created_by=fields.text("created_by"),
    )
    key_id = credentials.add(tx, API_KEY, new)
    return show(tx, key_id) | {"secret": secret_of(tx, key_id)}


def update(tx: Transaction, key_id: str, fields: Fields) -> None:
    """Change what is given of a key; raises Refused."""
    fields.only(_CHANGES)
    credentials.find(tx, API_KEY, key_id)
    changes: dict[str, Any] = {}
    if fields.text("subject"):
        credentials.ensure_subject(tx, fields.required("subject"))
        changes["subject"] = fields.text("subject")
    if "description" in fields:
        changes["description"] = fields.text("description")
    if "scopes" in fields:
        changes["scopes"] = json.dumps(fields.texts("scopes"))
    if "claims" in fields:
        claims = fields.object("claims")
        changes["claims"] = None if claims is None else json.dumps(claims)
    ttl = fields.whole("seconds_until_expiration", low=1, high=_TTL_SECONDS_MAX)
    if ttl is not None:
        changes["expires_at"] = tx.now + ttl
    tx.update("credentials", key_id, **changes)


def revoke(tx: Transaction, key_id: str, fields: Fields) -> None:
    """Revoke a key; raises Refused when there is none."""
    fields.only(("revocation_reason",))
    credentials.revoke(tx, API_KEY, key_id, fields.text("revocation_reason"))


def delete(tx: Transaction, key_id: str) -> dict[str, Any]:
    """Delete a key; raises Refused when there is none."""
    credentials.find(tx, API_KEY, key_id)
    tx.run("DELETE FROM credentials WHERE id = ?", key_id)
    return deleted(API_KEY.object, key_id)


def verify(tx: Transaction, secret: str) -> dict[str, Any]:
    """Give the key of a secret; raises Refused when it is not good."""
    return show(tx, credentials.verify(tx, API_KEY, secret)["id"])


def secret_of(tx: Transaction, key_id: str) -> str:
    """Give a key's secret; raises Refused when there is no such key."""
    credentials.find(tx, API_KEY, key_id)
    return credentials.secret_of(tx, API_KEY, key_id)


def show(tx: Transaction, key_id: str) -> dict[str, Any]:
    """Give a key as the Backend API does, without its secret; raises Refused."""
    row = credentials.find(tx, API_KEY, key_id)
    own = {name: row[name] for name in ("name", "description", "created_by")}
    return credentials.show(tx, row) | own | {"type": "api_key"}


def find_all(tx: Transaction, query: Query) -> tuple[list[dict[str, Any]], int]:
    """Give a page of a subject's keys, and how many there are."""
    subject, words = query.one("subject"), (query.one("query") or "").lower()
    if not subject:
        raise missing("subject")
    every = bool(query.flag("include_invalid"))
    found = credentials.find_all(tx, API_KEY, subject, revoked=every, expired=every)
    meant = [row["id"] for row in found if words in f"{row['name']} {row['id']}".lower()]
    limit, offset = query.page()
    return [show(tx, key_id) for key_id in meant[offset : offset + limit]], len(meant)
