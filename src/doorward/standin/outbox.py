"""Events of what changes, written in the transaction of the change and sent after it."""

import json
from collections.abc import Callable
from typing import Any

from doorward.standin.file import Transaction, new_id

Show = Callable[[Transaction, str], dict[str, Any]]


def publish(tx: Transaction, name: str, show: Show, thing_id: str) -> None:
    """Write an event for every endpoint that asked for its type.

    ``show`` gives the event's data, and is not called when nobody waits for it.
    """
    waiting = [row["id"] for row in _endpoints(tx) if _wants(row["events"], name)]
    if not waiting:
        return
    message_id = new_id("msg")
    body = json.dumps(_envelope(tx, name, show(tx, thing_id)), separators=(",", ":")).encode()
    tx.insert("messages", id=message_id, type=name, body=body, created_at=tx.now)
    for endpoint_id in waiting:
        tx.insert(
            "deliveries",
            message_id=message_id,
            endpoint_id=endpoint_id,
            status="waiting",
            due_at=tx.now,
        )


def _endpoints(tx: Transaction) -> list[Any]:
    return tx.rows("SELECT id, events FROM endpoints WHERE NOT disabled")


def _wants(events: str, name: str) -> bool:
    wanted = json.loads(events)
    return not wanted or any(
        name == one or (one.endswith(".*") and name.startswith(one[:-1])) for one in wanted
    )


def _envelope(tx: Transaction, name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": data,
        "event_attributes": {"http_request": {"client_ip": "127.0.0.1", "user_agent": "doorward"}},
        "instance_id": tx.instance.id,
        "object": "event",
        "timestamp": int(tx.now * 1000),
        "type": name,
    }
