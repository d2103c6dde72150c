"""Applications that are known by the address of a document in which they describe themselves."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

from doorward.server.oauth.model import NO_SECRET, Client
from doorward.server.oauth.registration import Metadata, MetadataInvalid, read_metadata
from doorward.server.outbound.sending import Outbound, Request
from doorward.server.outbound.targets import target_of
from doorward.server.problems import Problem

BYTES_MAX = 16 * 1024
SECONDS_MAX = 5.0
FRESH = timedelta(minutes=10)
"""How long a document is not read again."""

_CHARACTERS_MAX = 500
_OK = 200
_JSON = ("application/json", "+json")


class DocumentUnusable(Exception):
    """The document can't be had, or is none; the message is for whoever looks at the page."""


def is_document(client_id: str) -> bool:
    """Say whether a client's id is the address of a document."""
    return client_id.startswith("https://")


def is_fresh(client: Client, now: datetime) -> bool:
    """Say whether the document need not be read again yet."""
    return client.read_at is not None and now - client.read_at < FRESH


async def read_document(outbound: Outbound, client_id: str) -> Metadata:
    """Fetch the document at an address and judge it; raises DocumentUnusable.

    Only addresses of the public network are asked, no redirect is followed, and what comes is
    bounded in size and time: the address is anybody's.
    """
    _require_address(client_id)
    try:
        async with asyncio.timeout(SECONDS_MAX):
            said = json.loads(await _fetched(outbound, client_id))
    except (ValueError, RecursionError) as exc:
        raise DocumentUnusable("The document that describes it is not JSON.") from exc
    except (Problem, TimeoutError) as exc:
        raise DocumentUnusable("The document that describes it can't be had.") from exc
    return _judged(said, client_id)


def _require_address(client_id: str) -> None:
    """Make sure that an id is plainly an address with a path, written in one way only."""
    path = client_id.partition("://")[2].partition("/")[2]
    segments = path.partition("?")[0].split("/")
    if len(client_id) > _CHARACTERS_MAX or not path or "#" in client_id:
        raise DocumentUnusable("Its client_id is not the address of a document.")
    try:
        same = str(target_of(client_id)) == client_id
    except Problem:
        same = False
    if not same or not {".", ".."}.isdisjoint(segments):
        raise DocumentUnusable("Its client_id is not plainly an address.")


async def _fetched(outbound: Outbound, url: str) -> bytes:
    asked = Request(url, headers={"Accept": "application/json"}, redirects_max=0)
    async with outbound.send(asked) as answer:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != _OK or not kind.endswith(_JSON):
            raise DocumentUnusable("The document that describes it can't be had.")
        return await answer.read(BYTES_MAX, SECONDS_MAX)


def _judged(said: Any, client_id: str) -> Metadata:
    if not isinstance(said, dict) or said.get("client_id") != client_id:
        raise DocumentUnusable("The document that describes it is another application's.")
    if "client_secret" in said:
        raise DocumentUnusable("The document that describes it tells a secret.")
    try:
        metadata = read_metadata(said, auth_method=NO_SECRET)
    except MetadataInvalid as exc:
        raise DocumentUnusable(f"The document that describes it can't be used: {exc}") from exc
    if metadata.auth_method != NO_SECRET:
        raise DocumentUnusable("An application of which everybody can read can keep no secret.")
    return metadata
