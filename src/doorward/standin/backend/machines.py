"""Machines and their tokens, over the Backend API.

Clerk's SDKs ask about tokens with ``/v1`` in the path or without it.
"""

import sqlite3
from typing import Any

from doorward.standin import credentials, machines
from doorward.standin.ask import Ask, Route, with_any_key
from doorward.standin.credentials import M2M
from doorward.standin.file import Transaction
from doorward.standin.refusals import Refused, missing, not_found
from doorward.standin.shapes import listed


def _list(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*machines.find_all(tx, ask.query))


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return machines.create(tx, ask.fields)


def _get(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return machines.show(tx, ask.path["machine_id"])


def _update(tx: Transaction, ask: Ask) -> dict[str, Any]:
    machines.update(tx, ask.path["machine_id"], ask.fields)
    return _get(tx, ask)


def _delete(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return machines.delete(tx, ask.path["machine_id"])


def _secret_key(tx: Transaction, ask: Ask) -> dict[str, Any]:
    secret = machines.secret_key(tx, ask.path["machine_id"])
    return {"object": "machine_secret_key", "secret": secret}


def _rotate(tx: Transaction, ask: Ask) -> dict[str, Any]:
    secret = machines.rotate(tx, ask.path["machine_id"], ask.fields)
    return {"object": "machine_secret_key", "secret": secret}


def _add_scope(tx: Transaction, ask: Ask) -> dict[str, Any]:
    other = ask.fields.required("to_machine_id")
    return machines.add_scope(tx, ask.path["machine_id"], other)


def _remove_scope(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return machines.remove_scope(tx, ask.path["machine_id"], ask.path["other_id"])


def _machine(tx: Transaction, ask: Ask) -> sqlite3.Row | None:
    """Give the machine that asks, none when it is somebody with the secret key."""
    return machines.by_key(tx, ask.bearer)


def _create_m2m(tx: Transaction, ask: Ask) -> dict[str, Any]:
    machine = _machine(tx, ask)
    if machine is None:
        raise Refused(401, "machine_secret_key_invalid", "Only a machine makes its tokens.")
    return machines.create_token(tx, machine["id"], ask.fields)


def _list_m2m(tx: Transaction, ask: Ask) -> dict[str, Any]:
    query, machine = ask.query, _machine(tx, ask)
    subject = query.one("subject")
    if not subject:
        raise missing("subject")
    if machine is not None and machine["id"] != subject:
        raise not_found("Machine")
    kept = {name: bool(query.flag(name)) for name in ("revoked", "expired")}
    rows = credentials.find_all(tx, M2M, subject, **kept)
    limit, offset = query.page()
    shown = [credentials.show(tx, row) for row in rows[offset : offset + limit]]
    return {"m2m_tokens": shown, "total_count": len(rows)}


def _revoke_m2m(tx: Transaction, ask: Ask) -> dict[str, Any]:
    row, machine = credentials.find(tx, M2M, ask.path["token_id"]), _machine(tx, ask)
    if machine is not None and machine["id"] != row["subject"]:
        raise not_found(M2M.what)
    credentials.revoke(tx, M2M, row["id"], ask.fields.text("revocation_reason"))
    return credentials.show(tx, credentials.find(tx, M2M, row["id"]))


def _verify_m2m(tx: Transaction, ask: Ask) -> dict[str, Any]:
    token = ask.fields.token("token", "secret")  # the Python SDK still says ``secret``
    return machines.verify_token(tx, token, _machine(tx, ask))


_MACHINE = "/v1/machines/{machine_id}"
ROUTES = [
    Route("GET", "/v1/machines", _list),
    Route("POST", "/v1/machines", _create),
    Route("GET", _MACHINE, _get),
    Route("PATCH", _MACHINE, _update),
    Route("DELETE", _MACHINE, _delete),
    Route("GET", f"{_MACHINE}/secret_key", _secret_key),
    Route("POST", f"{_MACHINE}/secret_key/rotate", _rotate),
    Route("POST", f"{_MACHINE}/scopes", _add_scope),
    Route("DELETE", f"{_MACHINE}/scopes/{{other_id}}", _remove_scope),
]
for _version in ("/v1", ""):
    _TOKENS = f"{_version}/m2m_tokens"
    ROUTES += [
        Route("POST", _TOKENS, _create_m2m, with_any_key, status=201),
        Route("GET", _TOKENS, _list_m2m, with_any_key),
        Route("POST", f"{_TOKENS}/verify", _verify_m2m, with_any_key),
        Route("POST", f"{_TOKENS}/{{token_id}}/revoke", _revoke_m2m, with_any_key),
    ]
