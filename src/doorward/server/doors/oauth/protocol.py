"""What clients ask for themselves: tokens, their end, what they are worth, and registration."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.server.doors.context import origin_of
from doorward.server.doors.knocks import knock
from doorward.server.doors.oauth.desk import Desk
from doorward.server.oauth.asked import PARAMETERS_BYTES_MAX, Asked, AskedWrongly, Reply
from doorward.server.oauth.endpoints import answer_introspection, answer_revocation, answer_token
from doorward.server.oauth.model import NO_SECRET, Client
from doorward.server.oauth.ports import OAuthTx
from doorward.server.oauth.registration import MetadataInvalid, read_metadata, register_client
from doorward.server.oauth.rules import Rules
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import OAuthRefused, RequestTooLarge, TooManyRequests

_FORM = "application/x-www-form-urlencoded"
_DEFAULT = "client_secret_basic"  # RFC 7591, section 2
_FAILED = 400
_BYTES_MAX = PARAMETERS_BYTES_MAX
Answer = Callable[[OAuthTx, Rules, Asked], Reply]


class ProtocolEndpoints:
    """Reads a request, runs it as one command, and writes the answer as the standards have it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def token(self, request: Request) -> Response:
        """Answer a client that takes up what was allowed, or refreshes its tokens."""
        return await self._answer(request, answer_token)

    async def revoke(self, request: Request) -> Response:
        """Answer a client that gives up a token (RFC 7009)."""
        return await self._answer(request, answer_revocation)

    async def introspect(self, request: Request) -> Response:
        """Tell a client what a token of its own is worth (RFC 7662)."""
        return await self._answer(request, answer_introspection)

    async def register(self, request: Request) -> Response:
        """Enter a client that describes itself (RFC 7591)."""
        try:
            metadata = read_metadata(
                json.loads(await _body(request)), auth_method="client_secret_basic"
            )
        except (ValueError, RecursionError):
            return await self._refused(request, "invalid_client_metadata", "Send JSON.")
        except MetadataInvalid as exc:
            return await self._refused(request, exc.error, str(exc))
        secret = None if metadata.auth_method == NO_SECRET else f"dws_{secrets.token_urlsafe(32)}"
        digest = None if secret is None else self._desk.rules.sealer.digest(secret)
        who = Caller("", Credential("none", None), origin_of(request.scope))
        try:
            client = await self._desk.house.store.write(
                lambda tx: register_client(tx, who, metadata, digest)
            )
        except TooManyRequests as problem:
            await self._desk.house.knocks.record(knock(request.scope), problem)
            raise
        return _sent(201, _registered(client, secret))

    async def _answer(self, request: Request, answer: Answer) -> Response:
        if not request.headers.get("content-type", "").lower().startswith(_FORM):
            return await self._refused(request, "invalid_request", "Send a form.")
        rules = self._desk.rules
        try:
            text = (await _body(request)).decode()
            authorization = request.headers.get("authorization")
            asked = Asked.of(text, origin_of(request.scope), authorization)
        except UnicodeDecodeError:
            return await self._refused(request, "invalid_request", "The form can't be read.")
        except AskedWrongly as exc:
            return await self._refused(request, "invalid_request", str(exc))
        reply = await self._desk.house.store.write(lambda tx: answer(tx, rules, asked))
        if reply.status >= _FAILED:
            await self._note(request, reply.body["error"])
        return _sent(reply.status, reply.body, reply.headers)

    async def _refused(self, request: Request, error: str, text: str) -> Response:
        await self._note(request, error)
        return _sent(400, {"error": error, "error_description": text})

    async def _note(self, request: Request, error: str) -> None:
        problem = OAuthRefused(reason=f"oauth-{error}")
        await self._desk.house.knocks.record(knock(request.scope), problem)


def _registered(client: Client, secret: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
    }
    if client.uri is not None:
        said["client_uri"] = client.uri
    if secret is not None:
        said |= {"client_secret": secret, "client_secret_expires_at": 0}
    return said


def _sent(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    kept = {name: value for name, value in (headers or {}).items() if name != "Content-Type"}
    return JSONResponse(body, status, kept | {"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _body(request: Request) -> bytes:
    """Read a body that is to be small; raises RequestTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BYTES_MAX:
            raise RequestTooLarge(limit_bytes=_BYTES_MAX)
    return bytes(body)
