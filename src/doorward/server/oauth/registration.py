"""What an application says of itself, judged: by registering, or in a document of its own."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.oauth.model import (
    AUTH_METHODS,
    AUTHORIZATION_CODE,
    GRANT_TYPES,
    NO_SECRET,
    Client,
)
from doorward.server.oauth.ports import OAuthTx
from doorward.server.oauth.redirects import RedirectInvalid, checked_redirect
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import TooManyRequests

URIS_MAX = 16
NAME_CHARACTERS_MAX = 100
IDLE = timedelta(days=1)
"""How long a client stays that nobody allows anything."""

WAITING_MAX = 5000
WAITING_OF_ADDRESS_MAX = 50
_HOUR = timedelta(hours=1)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class MetadataInvalid(Exception):
    """What an application says of itself can't be taken; ``error`` is RFC 7591's word for it."""

    def __init__(self, detail: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(detail)
        self.error = error


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an application says of itself, as far as it is of use here."""

    name: str
    redirect_uris: tuple[str, ...]
    auth_method: str
    grant_types: tuple[str, ...]
    uri: str | None


def read_metadata(said: Any, *, auth_method: str) -> Metadata:
    """Judge what an application says of itself; ``auth_method`` counts where it names none.

    Members that are not known are passed over (RFC 7591, section 2). Raises MetadataInvalid.
    """
    if not isinstance(said, dict):
        raise MetadataInvalid("Send one JSON object.")
    uris = _redirect_uris(said.get("redirect_uris"))
    method = said.get("token_endpoint_auth_method", auth_method)
    if method not in AUTH_METHODS:
        raise MetadataInvalid(f"token_endpoint_auth_method is one of {', '.join(AUTH_METHODS)}.")
    if "code" not in _texts(said, "response_types", ["code"]):
        raise MetadataInvalid("Of response_types only code is answered.")
    asked = _texts(said, "grant_types", [AUTHORIZATION_CODE])
    if AUTHORIZATION_CODE not in asked:
        raise MetadataInvalid("grant_types must have authorization_code.")
    uri = _uri(said.get("client_uri"))
    return Metadata(
        _name(said.get("client_name")) or urlsplit(uri or uris[0]).netloc or uris[0],
        uris,
        method,
        tuple(kind for kind in GRANT_TYPES if kind in asked),
        uri,
    )


def register_client(tx: OAuthTx, who: Caller, said: Metadata, digest: bytes | None) -> Client:
    """Enter an application that describes itself; it can do nothing until somebody allows it.

    ``digest`` is of the secret that it was given, if any. Raises TooManyRequests while too many
    wait, all together or of one address.
    """
    address = who.origin.address
    if tx.clients.waiting(tx.now - IDLE) >= WAITING_MAX or (
        address and tx.clients.waiting(tx.now - _HOUR, address) >= WAITING_OF_ADDRESS_MAX
    ):
        raise _too_many()
    client = Client(
        tx.new_id("client"),
        said.name,
        said.redirect_uris,
        said.auth_method,
        said.grant_types,
        tx.now,
        said.uri,
        digest,
        address,
    )
    tx.clients.put(client)
    record(tx, Attempt(Action.CLIENT_REGISTER, target_of_client(client), who))
    return client


def target_of_client(client: Client) -> Target:
    """Name a client for the audit trail."""
    return Target(None, "client", client.id, client.name)


def document_client(tx: OAuthTx, client_id: str, said: Metadata) -> Client:
    """Enter an application whose document was just read, or take over what it says now.

    Raises TooManyRequests while too many wait that nobody knew before.
    """
    known = tx.clients.get(client_id)
    if known is None and tx.clients.waiting(tx.now - IDLE, documents=True) >= WAITING_MAX:
        raise _too_many()
    client = Client(
        client_id,
        said.name,
        said.redirect_uris,
        NO_SECRET,
        said.grant_types,
        tx.now if known is None else known.created_at,
        said.uri,
        read_at=tx.now,
    )
    tx.clients.put(client)
    return client


def _too_many() -> TooManyRequests:
    text = "Too many applications wait that nobody allowed anything."
    return TooManyRequests(text, headers={"Retry-After": "3600"})


def _redirect_uris(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list) or not 0 < len(said) <= URIS_MAX:
        raise MetadataInvalid(f"Send 1 to {URIS_MAX} redirect_uris.", "invalid_redirect_uri")
    try:
        return tuple(checked_redirect(uri if isinstance(uri, str) else "") for uri in said)
    except RedirectInvalid as exc:
        text = f"One of redirect_uris can't be used: {exc}."
        raise MetadataInvalid(text, "invalid_redirect_uri") from exc


def _texts(said: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    given = said.get(name, default)
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise MetadataInvalid(f"{name} is a list of texts.")
    return given or default


def _uri(said: Any) -> str | None:
    if said is None:
        return None
    try:
        uri = checked_redirect(said if isinstance(said, str) else "")
    except RedirectInvalid as exc:
        raise MetadataInvalid(f"client_uri can't be used: {exc}.") from exc
    return uri if uri.startswith("https://") else None


def _name(said: Any) -> str:
    """Give a name as it can be shown: on one line, with nothing that hides or turns text."""
    if said is None:
        return ""
    if not isinstance(said, str):
        raise MetadataInvalid("client_name is a text.")
    shown = "".join(c for c in said if unicodedata.category(c) not in _HIDDEN)
    return " ".join(unicodedata.normalize("NFC", shown).split())[:NAME_CHARACTERS_MAX]
