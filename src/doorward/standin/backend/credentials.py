"""API keys and OAuth access tokens, over the Backend API.

Clerk's SDKs ask about tokens with ``/v1`` in the path or without it.
"""

from typing import Any

from doorward.standin import api_keys, oauth
from doorward.standin.ask import Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.shapes import listed


def _list(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*api_keys.find_all(tx, ask.query))


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return api_keys.create(tx, ask.fields)


def _get(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return api_keys.show(tx, ask.path["key_id"])


def _update(tx: Transaction, ask: Ask) -> dict[str, Any]:
    api_keys.update(tx, ask.path["key_id"], ask.fields)
    return _get(tx, ask)


def _delete(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return api_keys.delete(tx, ask.path["key_id"])


def _revoke(tx: Transaction, ask: Ask) -> dict[str, Any]:
    api_keys.revoke(tx, ask.path["key_id"], ask.fields)
    return _get(tx, ask)


def _secret(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return {"secret": api_keys.secret_of(tx, ask.path["key_id"])}


def _verify(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return api_keys.verify(tx, ask.fields.token("secret"))


def _verify_oauth(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return oauth.verify(tx, ask.fields.token("access_token", "secret"))


ROUTES: list[Route] = []
for _version in ("/v1", ""):
    _KEYS = f"{_version}/api_keys"
    _KEY = f"{_KEYS}/{{key_id}}"
    ROUTES += [
        Route("GET", _KEYS, _list),
        Route("POST", _KEYS, _create, status=201),
        Route("POST", f"{_KEYS}/verify", _verify),
        Route("GET", _KEY, _get),
        Route("PATCH", _KEY, _update),
        Route("DELETE", _KEY, _delete),
        Route("POST", f"{_KEY}/revoke", _revoke),
        Route("GET", f"{_KEY}/secret", _secret),
        Route("POST", f"{_version}/oauth_applications/access_tokens/verify", _verify_oauth),
    ]
