"""Sends webhooks, signed as Clerk's are, and again until they are taken.

Source: Standard Webhooks for the signature, Clerk's documentation for the schedule.
"""

import asyncio
import logging
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, Any

from doorward.standin.file import Transaction
from doorward.standin.loopback import StandinRefused, ensure_loopback
from doorward.standin.webhooks import key_of

if TYPE_CHECKING:
    import httpx2

    from doorward.standin.instance import Standin

log = logging.getLogger("doorward.standin")

RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 36000)
"""How long after each failure it is tried again; after the last one it has failed."""

DISABLED_AFTER_SECONDS = 5 * 24 * 3600
_TIMEOUT_SECONDS = 15.0
_LEASE_SECONDS = 30.0
_KEPT_SECONDS = 30 * 24 * 3600
_LOOK_SECONDS = 0.25
_AT_ONCE_MAX = 1000
_ABORT = ("webhook-delivery", "abort-message")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to send an event: ``delivered``, ``waiting`` for another one, or ``failed``."""

    id: str
    type: str
    url: str
    status: str
    outcome: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of an attempt; ``aborted``: the receiver wants no other one."""

    taken: bool
    aborted: bool
    word: str


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be sent now; ``attempts`` counts this one."""

    delivery_id: int
    message_id: str
    endpoint_id: str
    type: str
    url: str
    body: bytes = field(repr=False)
    attempts: int
    key: bytes = field(repr=False)
    now: float

    @property
    def headers(self) -> dict[str, str]:
        """The names of Svix and those of the standard, of which receivers read one or the other."""
        timestamp = str(int(self.now))
        signed = b".".join((self.message_id.encode(), timestamp.encode(), self.body))
        signature = f"v1,{b64encode(digest(self.key, signed, sha256)).decode()}"
        values = {"id": self.message_id, "timestamp": timestamp, "signature": signature}
        named = {
            f"{by}-{name}": text for by in ("svix", "webhook") for name, text in values.items()
        }
        return named | {"content-type": "application/json", "user-agent": "doorward"}


def deliver(standin: "Standin", client: Any = None) -> list[Delivery]:
    """Send what is due, and say what came of it; blocks until all of it is tried once.

    ``client`` is a client of httpx's kind to send with, as a TestClient of the receiver; without
    it real requests are made, to loopback addresses only.
    """
    import httpx2

    made: list[Delivery] = []
    # An environment's proxy would be another machine, and so may be where a redirect leads.
    with httpx2.Client(trust_env=False, timeout=_TIMEOUT_SECONDS) as ours:
        while len(made) < _AT_ONCE_MAX:
            with standin.change() as tx:
                due = _claim(tx)
            if due is None:
                break
            outcome = _send(client, due) if client is not None else _send_here(ours, due)
            with standin.change() as tx:
                made.append(_record(tx, due, outcome))
    return made


async def keep_delivering(standin: "Standin") -> None:
    """Send what any process publishes, soon after it does, until this task is cancelled."""
    while True:
        try:
            if is_due(standin.read()):
                await asyncio.to_thread(deliver, standin)
        except Exception:
            log.exception("Webhooks could not be sent; it is tried again.")
        await asyncio.sleep(_LOOK_SECONDS)


def is_due(tx: Transaction) -> bool:
    """Say whether anything is to be sent now."""
    return tx.row(f"SELECT 1 {_DUE} LIMIT 1", tx.now) is not None


_DUE = """FROM deliveries d JOIN messages m ON m.id = d.message_id
  JOIN endpoints e ON e.id = d.endpoint_id
  WHERE d.status = 'waiting' AND d.due_at <= ? AND NOT e.disabled"""


def _claim(tx: Transaction) -> _Due | None:
    """Take the first one that is due; no other process takes it while this one sends."""
    sql = f"SELECT d.*, m.type, m.body, e.url {_DUE} ORDER BY d.due_at, d.id LIMIT 1"
    row = tx.row(sql, tx.now)
    if row is None:
        return None
    attempts, until = row["attempts"] + 1, tx.now + _LEASE_SECONDS
    tx.run(
        "UPDATE deliveries SET attempts = ?, due_at = ? WHERE id = ?", attempts, until, row["id"]
    )
    return _Due(
        row["id"],
        row["message_id"],
        row["endpoint_id"],
        row["type"],
        row["url"],
        row["body"],
        attempts,
        key_of(tx, row["endpoint_id"]),
        tx.now,
    )


def _send_here(client: "httpx2.Client", due: _Due) -> _Outcome:
    import httpx2

    try:
        ensure_loopback(httpx2.URL(due.url).host)
        return _send(client, due)
    except (
        httpx2.HTTPError,
        httpx2.InvalidURL,
        StandinRefused,
        UnicodeError,
        OSError,
    ) as exc:  # whatever it is, the others that wait get their turn
        return _Outcome(taken=False, aborted=False, word=type(exc).__name__)


def _send(client: Any, due: _Due) -> _Outcome:
    request = {"content": due.body, "headers": due.headers, "follow_redirects": False}
    with client.stream("POST", due.url, **request) as response:
        status = response.status_code
        aborted = response.headers.get(_ABORT[0]) == _ABORT[1]
    return _Outcome(taken=200 <= status < 300, aborted=aborted, word=str(status))  # noqa: PLR2004


def _record(tx: Transaction, due: _Due, outcome: _Outcome) -> Delivery:
    due_at, status = tx.now, "delivered"
    if not outcome.taken:
        last = outcome.aborted or due.attempts > len(RETRY_SECONDS)
        status = "failed" if last else "waiting"
        due_at = tx.now if last else tx.now + RETRY_SECONDS[due.attempts - 1]
        log.warning("Webhook %s to %s: %s, %s.", due.type, due.url, outcome.word, status)
    tx.run(
        "UPDATE deliveries SET status = ?, due_at = ?, last_outcome = ? WHERE id = ?",
        status,
        due_at,
        outcome.word,
        due.delivery_id,
    )
    _judge_endpoint(tx, due.endpoint_id, taken=outcome.taken)
    _sweep(tx)
    return Delivery(due.message_id, due.type, due.url, status, outcome.word)


def _judge_endpoint(tx: Transaction, endpoint_id: str, *, taken: bool) -> None:
    """Leave an endpoint alone that has taken nothing for days."""
    if taken:
        tx.run("UPDATE endpoints SET failing_since = NULL WHERE id = ?", endpoint_id)
        return
    tx.run(
        "UPDATE endpoints SET failing_since = coalesce(failing_since, ?) WHERE id = ?",
        tx.now,
        endpoint_id,
    )
    tx.run(
        "UPDATE endpoints SET disabled = 1 WHERE id = ? AND failing_since <= ?",
        endpoint_id,
        tx.now - DISABLED_AFTER_SECONDS,
    )


def _sweep(tx: Transaction) -> None:
    tx.run("DELETE FROM messages WHERE created_at < ?", tx.now - _KEPT_SECONDS)
    tx.run("DELETE FROM deliveries WHERE message_id NOT IN (SELECT id FROM messages)")
