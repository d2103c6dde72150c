"""Machines, their secret keys, and the tokens that they give to each other."""

import json
import sqlite3
from typing import Any

from doorward.standin import credentials
from doorward.standin.credentials import M2M, New, digest_of
from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction, new_id
from doorward.standin.issuer import MACHINE
from doorward.standin.refusals import Refused, invalid, not_found
from doorward.standin.shapes import deleted, times

TTL_SECONDS = 3600
_TTL_SECONDS_MAX = 10 * 365 * 24 * 3600
_PREVIOUS_SECONDS_MAX = 8 * 3600
_ORDERS = {name: name for name in ("created_at", "name")}


def find(tx: Transaction, machine_id: str) -> sqlite3.Row:
    """Give a machine's row; raises Refused when there is none."""
    row = tx.row("SELECT * FROM machines WHERE id = ?", machine_id)
    if row is None:
        raise not_found("Machine")
    return row


def by_key(tx: Transaction, key: str) -> sqlite3.Row | None:
    """Give the machine of a secret key, an older one of which may live on for a while."""
    return tx.row(
        "SELECT * FROM machines WHERE digest = ? OR (previous_digest = ? AND previous_until > ?)",
        digest_of(key),
        digest_of(key),
        tx.now,
    )


def create(tx: Transaction, fields: Fields) -> dict[str, Any]:
    """Make a machine and show it with its secret key, this once; raises Refused."""
    fields.only(("name", "scoped_machines", "default_token_ttl"))
    ttl = fields.whole("default_token_ttl", low=1, high=_TTL_SECONDS_MAX) or TTL_SECONDS
    machine_id = new_id("mch")
    tx.insert(
        "machines",
        id=machine_id,
        name=fields.required("name"),
        default_token_ttl=ttl,
        digest=digest_of(_key(tx, machine_id, 1)),
        created_at=tx.now,
        updated_at=tx.now,
    )
    for other in fields.texts("scoped_machines"):
        add_scope(tx, machine_id, other)
    return show(tx, machine_id) | {"secret_key": secret_key(tx, machine_id)}


def ensure(tx: Transaction, name_or_id: str) -> str:
    """Give the id of the machine of a name, made when there is none; raises Refused."""
    found = "SELECT id FROM machines WHERE id = ? OR name = ? ORDER BY created_at"
    row = tx.row(found, name_or_id, name_or_id)
    if row is not None:
        return str(row["id"])
    return str(create(tx, Fields({"name": name_or_id}))["id"])


def update(tx: Transaction, machine_id: str, fields: Fields) -> None:
    """Change what is given of a machine; raises Refused."""
    fields.only(("name", "default_token_ttl"))
    row = find(tx, machine_id)
    ttl = fields.whole("default_token_ttl", low=1, high=_TTL_SECONDS_MAX)
    name = fields.text("name") or row["name"]
    tx.update("machines", machine_id, name=name, default_token_ttl=ttl or row["default_token_ttl"])


def delete(tx: Transaction, machine_id: str) -> dict[str, Any]:
    """Delete a machine, whose tokens are no longer good; raises Refused when there is none."""
    find(tx, machine_id)
    tx.run("DELETE FROM machine_scopes WHERE ? IN (from_id, to_id)", machine_id)
    tx.run("UPDATE credentials SET revoked = 1 WHERE subject = ?", machine_id)
    tx.run("DELETE FROM machines WHERE id = ?", machine_id)
    return deleted("machine", machine_id)


def secret_key(tx: Transaction, machine_id: str) -> str:
    """Give a machine's secret key; raises Refused when there is no such machine."""
    return _key(tx, machine_id, find(tx, machine_id)["generation"])


def rotate(tx: Transaction, machine_id: str, fields: Fields) -> str:
    """Give a machine a new secret key; the old one is good for as long as is asked."""
    fields.only(("previous_token_ttl",))
    row = find(tx, machine_id)
    kept = fields.whole("previous_token_ttl", low=0, high=_PREVIOUS_SECONDS_MAX) or 0
    key = _key(tx, machine_id, row["generation"] + 1)
    tx.update(
        "machines",
        machine_id,
        generation=row["generation"] + 1,
        digest=digest_of(key),
        previous_digest=row["digest"],
        previous_until=tx.now + kept,
    )
    return key


def add_scope(tx: Transaction, from_id: str, to_id: str) -> dict[str, Any]:
    """Let a machine's tokens be good for another machine; raises Refused."""
    find(tx, from_id)
    find(tx, to_id)
    tx.run("INSERT OR IGNORE INTO machine_scopes VALUES (?, ?, ?)", from_id, to_id, tx.now)
    created_at = int(tx.now * 1000)
    return _scope(from_id, to_id) | {"created_at": created_at}


def remove_scope(tx: Transaction, from_id: str, to_id: str) -> dict[str, Any]:
    """Take that back; raises Refused when it was not so."""
    sql = "DELETE FROM machine_scopes WHERE from_id = ? AND to_id = ?"
    if not tx.run(sql, from_id, to_id):
        raise not_found("Machine scope")
    return _scope(from_id, to_id) | {"deleted": True}


def show(tx: Transaction, machine_id: str) -> dict[str, Any]:
    """Give a machine as the Backend API does; raises Refused when there is none."""
    others = [_show_alone(tx, find(tx, other)) for other in _scopes(tx, machine_id)]
    return _show_alone(tx, find(tx, machine_id)) | {"scoped_machines": others}


def find_all(tx: Transaction, query: Query) -> tuple[list[dict[str, Any]], int]:
    """Give a page of machines, and how many there are."""
    words = (query.one("query") or "").lower()
    where = "instr(lower(name || ' ' || id), ?) OR ? = ''"
    limit, offset = query.page()
    sql = f"SELECT id FROM machines WHERE {where} {query.order(_ORDERS)} LIMIT ? OFFSET ?"  # noqa: S608 - fixed parts
    rows = tx.rows(sql, words, words, limit, offset)
    total = tx.count(f"SELECT count(*) FROM machines WHERE {where}", words, words)  # noqa: S608 - fixed parts
    return [show(tx, row["id"]) for row in rows], total


def create_token(tx: Transaction, machine_id: str, fields: Fields) -> dict[str, Any]:
    """Give a machine a token for the machines of its scope, opaque or a JWT; raises Refused."""
    fields.only(("token_format", "seconds_until_expiration", "claims", "min_remaining_ttl_seconds"))
    machine = find(tx, machine_id)
    ttl = fields.whole("seconds_until_expiration", low=1, high=_TTL_SECONDS_MAX)
    remaining = fields.whole("min_remaining_ttl_seconds", low=1, high=_TTL_SECONDS_MAX)
    ttl = ttl or machine["default_token_ttl"]
    if remaining is not None and remaining >= ttl:
        raise Refused(400, "form_param_invalid", "min_remaining_ttl_seconds is not below the life.")
    new = New(machine_id, ttl, _scopes(tx, machine_id), fields.object("claims"))
    wanted = fields.text("token_format") or "opaque"
    if wanted == "jwt":
        return _jwt(tx, new)
    if wanted != "opaque":
        raise invalid("token_format", "opaque or jwt")
    token_id = _reusable(tx, new, remaining) or credentials.add(tx, M2M, new)
    shown = credentials.show(tx, credentials.find(tx, M2M, token_id))
    return shown | {"token": credentials.secret_of(tx, M2M, token_id)}


def verify_token(tx: Transaction, token: str, machine: sqlite3.Row | None) -> dict[str, Any]:
    """Give a good token; a machine that asks gets only those that are for it. Raises Refused."""
    row = credentials.verify(tx, M2M, token)
    if machine is not None and machine["id"] not in json.loads(row["scopes"]):
        raise not_found(M2M.what)
    return credentials.show(tx, row)


def _jwt(tx: Transaction, new: New) -> dict[str, Any]:
    """Make a token that verifies itself: it can be neither listed nor revoked, as with Clerk."""
    issuer = tx.instance.issuer
    claims = issuer.claims(new.subject, tx.now, new.ttl or TTL_SECONDS)
    claims["jti"] = f"mt_{claims['jti']}"
    if new.scopes:
        claims |= {"aud": list(new.scopes), "scopes": " ".join(new.scopes)}
    issued, expires = claims["iat"] * 1000, claims["exp"] * 1000
    return {
        "object": M2M.object,
        "id": claims["jti"],
        "subject": new.subject,
        "claims": new.claims,
        "scopes": list(new.scopes),
        "revoked": False,
        "revocation_reason": None,
        "expired": False,
        "expiration": expires,
        "last_used_at": None,
        "created_at": issued,
        "updated_at": issued,
        # Clerk's own claims can't be given another value.
        "token": issuer.sign(dict(new.claims or {}) | claims, MACHINE),
    }


def _reusable(tx: Transaction, new: New, remaining: int | None) -> str | None:
    """Give a token that is like the new one and lives long enough, where that is enough."""
    if remaining is None:
        return None
    for row in credentials.find_all(tx, M2M, new.subject, revoked=False, expired=False):
        shown = credentials.show(tx, row)
        alike = (shown["claims"], shown["scopes"]) == (new.claims, list(new.scopes))
        if alike and row["expires_at"] - tx.now >= remaining:
            return str(row["id"])
    return None


def _scopes(tx: Transaction, machine_id: str) -> list[str]:
    sql = "SELECT to_id FROM machine_scopes WHERE from_id = ? ORDER BY rowid"
    return [row["to_id"] for row in tx.rows(sql, machine_id)]


def _scope(from_id: str, to_id: str) -> dict[str, Any]:
    return {"object": "machine_scope", "from_machine_id": from_id, "to_machine_id": to_id}


def _show_alone(tx: Transaction, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "object": "machine",
        "id": row["id"],
        "name": row["name"],
        "instance_id": tx.instance.id,
        "default_token_ttl": row["default_token_ttl"],
        **times(row),
    }


def _key(tx: Transaction, machine_id: str, generation: int) -> str:
    return f"ak_{tx.instance.secret(f'machine:{machine_id}:{generation}').hex()}"
