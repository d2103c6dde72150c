"""Webhook endpoints of this machine, and what is waiting for them."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from doorward.standin.file import Transaction, new_id
from doorward.standin.loopback import is_loopback_name
from doorward.standin.refusals import invalid, not_found
from doorward.standin.shapes import milliseconds

_FAMILIES = {
    "user": ("created", "updated", "deleted"),
    "session": ("created", "pending", "ended", "removed", "revoked"),
    "organization": ("created", "updated", "deleted"),
    "organizationMembership": ("created", "updated", "deleted"),
    "organizationInvitation": ("created", "accepted", "revoked"),
}
TYPES = frozenset(f"{family}.{name}" for family, names in _FAMILIES.items() for name in names)
"""Every event that the stand-in sends."""

_ADDRESS = "an http address of this machine: a stand-in tells nobody else who signs in"


def add(
    tx: Transaction, url: str, events: Sequence[str] = (), endpoint_id: str | None = None
) -> str:
    """Send events to an address of this machine, all of them when none is named; gives an id.

    ``user.*`` is every event about users. An endpoint of the same id is replaced. Raises Refused.
    """
    _ensure_here(url)
    known = TYPES | {f"{family}.*" for family in _FAMILIES}
    for name in events:
        if name not in known:
            raise invalid("events", f"an event such as user.created: {name}")
    if endpoint_id is None:
        endpoint_id = new_id("ep")
    else:
        _forget(tx, endpoint_id)
    tx.insert(
        "endpoints",
        id=endpoint_id,
        url=url,
        events=json.dumps(list(events)),
        created_at=tx.now,
        updated_at=tx.now,
    )
    return endpoint_id


def remove(tx: Transaction, endpoint_id: str) -> None:
    """Send nothing there any more; raises Refused when there is no such endpoint."""
    find(tx, endpoint_id)
    _forget(tx, endpoint_id)


def find(tx: Transaction, endpoint_id: str) -> sqlite3.Row:
    """Give an endpoint's row; raises Refused when there is none."""
    row = tx.row("SELECT * FROM endpoints WHERE id = ?", endpoint_id)
    if row is None:
        raise not_found("Endpoint")
    return row


def secret_of(tx: Transaction, endpoint_id: str) -> str:
    """Give the secret that what is sent there is signed with."""
    return f"whsec_{b64encode(key_of(tx, endpoint_id)).decode()}"


def key_of(tx: Transaction, endpoint_id: str) -> bytes:
    """Give the bytes of that secret."""
    return tx.instance.secret(f"endpoint:{endpoint_id}")


def show(tx: Transaction, endpoint_id: str) -> dict[str, Any]:
    """Give an endpoint, without its secret; raises Refused when there is none."""
    row = find(tx, endpoint_id)
    waiting = "SELECT count(*) FROM deliveries WHERE endpoint_id = ? AND status = 'waiting'"
    return {
        "id": row["id"],
        "url": row["url"],
        "events": json.loads(row["events"]),
        "disabled": bool(row["disabled"]),
        "waiting": tx.count(waiting, endpoint_id),
        "created_at": milliseconds(row["created_at"]),
    }


def find_all(tx: Transaction) -> list[dict[str, Any]]:
    """Give every endpoint."""
    return [show(tx, row["id"]) for row in tx.rows("SELECT id FROM endpoints ORDER BY rowid")]


def replay(tx: Transaction, message_id: str) -> None:
    """Send a message once more to everybody it was for, under its own id; raises Refused."""
    again = (
        "UPDATE deliveries SET status = 'waiting', attempts = 0, due_at = ? WHERE message_id = ?"
    )
    if not tx.run(again, tx.now, message_id):
        raise not_found("Message")


def deliveries(tx: Transaction) -> list[dict[str, Any]]:
    """Give what was sent and what waits, newest first."""
    rows = tx.rows(
        "SELECT d.*, m.type, m.created_at, e.url FROM deliveries d "
        "JOIN messages m ON m.id = d.message_id JOIN endpoints e ON e.id = d.endpoint_id "
        "ORDER BY d.id DESC LIMIT 500"
    )
    return [
        {
            "id": row["message_id"],
            "type": row["type"],
            "url": row["url"],
            "status": row["status"],
            "attempts": row["attempts"],
            "last_outcome": row["last_outcome"],
            "due_at": milliseconds(row["due_at"]) if row["status"] == "waiting" else None,
            "created_at": milliseconds(row["created_at"]),
        }
        for row in rows
    ]


def _forget(tx: Transaction, endpoint_id: str) -> None:
    tx.run("DELETE FROM deliveries WHERE endpoint_id = ?", endpoint_id)
    tx.run("DELETE FROM endpoints WHERE id = ?", endpoint_id)


def _ensure_here(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as exc:
        raise invalid("url", _ADDRESS) from exc
    here = parts.scheme in {"http", "https"} and is_loopback_name(host)
    if not here or parts.username is not None:  # a password would be in every log
        raise invalid("url", _ADDRESS)
