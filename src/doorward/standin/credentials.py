"""API keys, machine-to-machine tokens and OAuth access tokens; the file has digests alone.

A secret is made from its id with the folder's own key, so that it can be shown again to whoever
has the secret key of the Backend API.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Any

from doorward.standin.file import Transaction
from doorward.standin.refusals import Refused, not_found
from doorward.standin.shapes import milliseconds


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of credential, as its prefix says and as Clerk calls it."""

    prefix: str
    object: str
    what: str


API_KEY = Kind("ak", "api_key", "API key")
M2M = Kind("mt", "machine_to_machine_token", "Machine token")
OAUTH = Kind("oat", "clerk_idp_oauth_access_token", "OAuth token")


@dataclass(frozen=True, slots=True)
class New:
    """What a new credential is for."""

    subject: str
    ttl: int | None = None
    scopes: Sequence[str] = ()
    claims: Mapping[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    client_id: str | None = None
    created_by: str | None = None


def add(tx: Transaction, kind: Kind, new: New, secret: str | None = None) -> str:
    """Make a credential and give its id; ``secret`` is its text when that is a JWT."""
    credential_id = f"{kind.prefix}_{token_hex(16)}"
    tx.insert(
        "credentials",
        id=credential_id,
        kind=kind.prefix,
        digest=digest_of(secret or secret_of(tx, kind, credential_id)),
        subject=new.subject,
        name=new.name,
        description=new.description,
        claims=None if new.claims is None else json.dumps(new.claims),
        scopes=json.dumps(list(new.scopes)),
        client_id=new.client_id,
        created_by=new.created_by,
        expires_at=None if new.ttl is None else tx.now + new.ttl,
        created_at=tx.now,
        updated_at=tx.now,
    )
    return credential_id


def secret_of(tx: Transaction, kind: Kind, credential_id: str) -> str:
    """Give the secret of a credential that is not a JWT."""
    return f"{kind.prefix}_{tx.instance.secret(f'{kind.object}:{credential_id}').hex()}"


def digest_of(secret: str) -> bytes:
    """Give what is kept of a secret, which is random enough to need no slower digest."""
    return sha256(secret.encode()).digest()


def find(tx: Transaction, kind: Kind, credential_id: str) -> sqlite3.Row:
    """Give a credential's row; raises Refused when there is none."""
    row = tx.row("SELECT * FROM credentials WHERE kind = ? AND id = ?", kind.prefix, credential_id)
    if row is None:
        raise not_found(kind.what)
    return row


def verify(tx: Transaction, kind: Kind, secret: str) -> sqlite3.Row:
    """Give the credential of a secret, and note that it was used.

    Raises Refused when there is none that is good: SDKs pass over what a good answer says of a
    revoked or an expired one.
    """
    found = "SELECT * FROM credentials WHERE kind = ? AND digest = ?"
    row = tx.row(found, kind.prefix, digest_of(secret))
    if row is None or row["revoked"] or is_expired(tx, row):
        raise not_found(kind.what)
    tx.run("UPDATE credentials SET last_used_at = ? WHERE id = ?", tx.now, row["id"])
    return find(tx, kind, row["id"])


def revoke(tx: Transaction, kind: Kind, credential_id: str, reason: str | None) -> None:
    """Revoke a credential; raises Refused when there is none."""
    find(tx, kind, credential_id)
    tx.update("credentials", credential_id, revoked=1, revocation_reason=reason)


def find_all(
    tx: Transaction, kind: Kind, subject: str, *, revoked: bool, expired: bool
) -> list[sqlite3.Row]:
    """Give a subject's credentials, newest first; revoked and expired ones only when asked for."""
    sql = (
        "SELECT * FROM credentials WHERE kind = ? AND subject = ? "
        "ORDER BY created_at DESC, rowid DESC"
    )
    return [
        row
        for row in tx.rows(sql, kind.prefix, subject)
        if (revoked or not row["revoked"]) and (expired or not is_expired(tx, row))
    ]


def is_expired(tx: Transaction, row: sqlite3.Row) -> bool:
    """Say whether its time is over; at the very instant it is."""
    return row["expires_at"] is not None and tx.now >= row["expires_at"]


def show(tx: Transaction, row: sqlite3.Row) -> dict[str, Any]:
    """Give what all three kinds have in common, as the Backend API does."""
    kind = next(kind for kind in (API_KEY, M2M, OAUTH) if kind.prefix == row["kind"])
    return {
        "object": kind.object,
        "id": row["id"],
        "subject": row["subject"],
        "claims": None if row["claims"] is None else json.loads(row["claims"]),
        "scopes": json.loads(row["scopes"]),
        "revoked": bool(row["revoked"]),
        "revocation_reason": row["revocation_reason"],
        "expired": is_expired(tx, row),
        "expiration": milliseconds(row["expires_at"]),
        "last_used_at": milliseconds(row["last_used_at"]),
        "created_at": milliseconds(row["created_at"]),
        "updated_at": milliseconds(row["updated_at"]),
    }


def ensure_subject(tx: Transaction, subject: str) -> None:
    """Let a key be nobody's but a user's, an organization's or a machine's; raises Refused."""
    tables = {"user": "users", "org": "organizations", "mch": "machines"}
    table = tables.get(subject.partition("_")[0])
    known = table and tx.row(f"SELECT 1 FROM {table} WHERE id = ?", subject)  # noqa: S608 - one of three names
    if not known:
        raise Refused(404, "resource_not_found", "The subject is not found", "subject")
