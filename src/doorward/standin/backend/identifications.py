"""Email addresses and phone numbers, over the Backend API."""

from functools import partial
from typing import Any

from doorward.standin import identifications
from doorward.standin.ask import Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.identifications import EMAIL, PHONE


def _create(kind: str, tx: Transaction, ask: Ask) -> dict[str, Any]:
    return identifications.create(tx, kind, ask.fields)


def _get(kind: str, tx: Transaction, ask: Ask) -> dict[str, Any]:
    return identifications.show(tx, kind, ask.path["identification_id"])


def _update(kind: str, tx: Transaction, ask: Ask) -> dict[str, Any]:
    return identifications.update(tx, kind, ask.path["identification_id"], ask.fields)


def _delete(kind: str, tx: Transaction, ask: Ask) -> dict[str, Any]:
    return identifications.delete(tx, kind, ask.path["identification_id"])


ROUTES: list[Route] = []
for _kind, _path in ((EMAIL, "/v1/email_addresses"), (PHONE, "/v1/phone_numbers")):
    _one = f"{_path}/{{identification_id}}"
    ROUTES += [
        Route("POST", _path, partial(_create, _kind)),
        Route("GET", _one, partial(_get, _kind)),
        Route("PATCH", _one, partial(_update, _kind)),
        Route("DELETE", _one, partial(_delete, _kind)),
    ]
