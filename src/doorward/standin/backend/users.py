"""Users, over the Backend API."""

from typing import Any

from doorward.standin import memberships, standing, users
from doorward.standin.ask import Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.shapes import listed


def _list(tx: Transaction, ask: Ask) -> list[dict[str, Any]]:
    return users.find_all(tx, ask.query)


def _count(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return {"object": "total_count", "total_count": users.count(tx, ask.query)}


def _get(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return users.show(tx, ask.path["user_id"])


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return users.show(tx, users.create(tx, ask.fields))


def _update(tx: Transaction, ask: Ask) -> dict[str, Any]:
    apart = ask.api_version >= users.METADATA_APART
    users.update(tx, ask.path["user_id"], ask.fields, metadata_apart=apart)
    return _get(tx, ask)


def _merge_metadata(tx: Transaction, ask: Ask) -> dict[str, Any]:
    users.set_metadata(tx, ask.path["user_id"], ask.fields, merge=True)
    return _get(tx, ask)


def _replace_metadata(tx: Transaction, ask: Ask) -> dict[str, Any]:
    users.set_metadata(tx, ask.path["user_id"], ask.fields, merge=False)
    return _get(tx, ask)


def _ban(tx: Transaction, ask: Ask) -> dict[str, Any]:
    standing.ban(tx, ask.path["user_id"])
    return _get(tx, ask)


def _unban(tx: Transaction, ask: Ask) -> dict[str, Any]:
    standing.unban(tx, ask.path["user_id"])
    return _get(tx, ask)


def _ban_many(tx: Transaction, ask: Ask) -> list[dict[str, Any]]:
    named = ask.fields.texts("user_ids")
    for user_id in named:
        standing.ban(tx, user_id)
    return [users.show(tx, user_id) for user_id in named]


def _unban_many(tx: Transaction, ask: Ask) -> list[dict[str, Any]]:
    named = ask.fields.texts("user_ids")
    for user_id in named:
        standing.unban(tx, user_id)
    return [users.show(tx, user_id) for user_id in named]


def _lock(tx: Transaction, ask: Ask) -> dict[str, Any]:
    standing.lock(tx, ask.path["user_id"])
    return _get(tx, ask)


def _unlock(tx: Transaction, ask: Ask) -> dict[str, Any]:
    standing.unlock(tx, ask.path["user_id"])
    return _get(tx, ask)


def _delete(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return standing.delete_user(tx, ask.path["user_id"])


def _memberships(tx: Transaction, ask: Ask) -> dict[str, Any]:
    user_id = users.find(tx, ask.path["user_id"])["id"]
    return listed(*memberships.find_all(tx, ask.query, user_id=user_id))


_USER = "/v1/users/{user_id}"
ROUTES = [
    Route("GET", "/v1/users", _list),
    Route("GET", "/v1/users/count", _count),
    Route("POST", "/v1/users", _create),
    Route("POST", "/v1/users/ban", _ban_many),
    Route("POST", "/v1/users/unban", _unban_many),
    Route("GET", _USER, _get),
    Route("PATCH", _USER, _update),
    Route("DELETE", _USER, _delete),
    Route("PATCH", f"{_USER}/metadata", _merge_metadata),
    Route("PUT", f"{_USER}/metadata", _replace_metadata),
    Route("POST", f"{_USER}/ban", _ban),
    Route("POST", f"{_USER}/unban", _unban),
    Route("POST", f"{_USER}/lock", _lock),
    Route("POST", f"{_USER}/unlock", _unlock),
    Route("GET", f"{_USER}/organization_memberships", _memberships),
]
