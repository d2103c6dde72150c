"""The stand-in over HTTP: its keys, the Backend API parts in use, and a sign-in for tools."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from typing import Any

from doorward.standin.issuer import Standin
from doorward.standin.loopback import is_local_request
from doorward.standin.state import Session

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, dict[str, Any]]
Handler = Callable[[Standin, dict[str, str], dict[str, Any]], Answer]

BODY_BYTES_MAX = 16 * 1024
_TTL_SECONDS_MAX = 315_360_000


class _Refused(Exception):
    """An answer other than success, in Clerk's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (
            status,
            {"errors": [{"message": message, "long_message": message, "code": code}]},
        )


def create_app(standin: Standin, base_path: str = "") -> App:
    """Serve a stand-in below ``base_path``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                status, body = await _serve(standin, scope, receive, base_path)
            except _Refused as refused:
                status, body = refused.answer
            await _send_json(send, status, body)

    return app


async def _serve(standin: Standin, scope: Scope, receive: Receive, base_path: str) -> Answer:
    path = scope["path"].removeprefix(base_path)
    for method, pattern, guard, handler in _ROUTES:
        match = pattern.fullmatch(path)
        if match and method == scope["method"]:
            guard(standin, scope)
            return handler(standin, match.groupdict(), await _json_body(receive))
    raise _Refused(404, "resource_not_found", "not found")


def _open(standin: Standin, scope: Scope) -> None:
    """Anybody may see this."""


def _with_secret(standin: Standin, scope: Scope) -> None:
    given = dict(scope["headers"]).get(b"authorization", b"")
    if not compare_digest(given, f"Bearer {standin.secret_key}".encode()):
        raise _Refused(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")


def _local(standin: Standin, scope: Scope) -> None:
    del standin
    if not is_local_request(dict(scope)):
        raise _Refused(403, "not_local", "Only tools on this machine may sign in here.")


def _about(standin: Standin, _: dict[str, str], __: dict[str, Any]) -> Answer:
    return 200, {
        "name": "Doorward's local stand-in for Clerk",
        "warning": "Anyone who reaches this can sign in as anybody. Never expose it.",
        "jwks": "/.well-known/jwks.json",
        "issuer": standin.issuer,
    }


def _jwks(standin: Standin, _: dict[str, str], __: dict[str, Any]) -> Answer:
    return 200, standin.jwks()


def _read_session(standin: Standin, path: dict[str, str], _: dict[str, Any]) -> Answer:
    return 200, _session_object(_session(standin, path))


def _revoke_session(standin: Standin, path: dict[str, str], _: dict[str, Any]) -> Answer:
    standin.revoke(_session(standin, path).id)
    return 200, _session_object(_session(standin, path))


def _mint(standin: Standin, path: dict[str, str], body: dict[str, Any]) -> Answer:
    session = _active(standin, path)
    ttl = body.get("expires_in_seconds", 60)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 < ttl <= _TTL_SECONDS_MAX:
        raise _Refused(422, "form_param_invalid", "expires_in_seconds is not a number of seconds.")
    return 200, {"object": "token", "jwt": standin.token(session, ttl=ttl)}


def _sign_in(standin: Standin, _: dict[str, str], body: dict[str, Any]) -> Answer:
    user, org, role = (_text(body, name) for name in ("user", "org", "role"))
    if not user:
        raise _Refused(422, "form_param_missing", "user is missing.")
    permissions = body.get("permissions", [])
    if not isinstance(permissions, list) or not all(isinstance(p, str) for p in permissions):
        raise _Refused(422, "form_param_invalid", "permissions is not a list of texts.")
    session = standin.sign_in(user, org=org, role=role, permissions=permissions)
    return 201, {
        "session_id": session.id,
        "user_id": session.user_id,
        "jwt": standin.token(session),
    }


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_:-]{1,64}", value):
        raise _Refused(422, "form_param_invalid", f"{name} is letters, digits, _, : and - only.")
    return value


def _session(standin: Standin, path: dict[str, str]) -> Session:
    session = standin.session(path["session_id"])
    if session is None:
        raise _Refused(404, "resource_not_found", "Session not found")
    return session


def _active(standin: Standin, path: dict[str, str]) -> Session:
    session = _session(standin, path)
    if session.status != "active":
        raise _Refused(404, "resource_not_found", "Session not found")
    return session


def _session_object(session: Session) -> dict[str, Any]:
    return {
        "object": "session",
        "id": session.id,
        "user_id": session.user_id,
        "client_id": f"client_{session.id.removeprefix('sess_')}",
        "actor": None,
        "status": session.status,
        "last_active_organization_id": session.org_id,
        "last_active_at": int(session.updated_at * 1000),
        "created_at": int(session.created_at * 1000),
        "updated_at": int(session.updated_at * 1000),
    }


_SESSION = r"(?P<session_id>sess_[A-Za-z0-9_]{1,64})"
_ROUTES: list[tuple[str, re.Pattern[str], Callable[[Standin, Scope], None], Handler]] = [
    ("GET", re.compile(r"/?"), _open, _about),
    ("GET", re.compile(r"/\.well-known/jwks\.json"), _open, _jwks),
    ("GET", re.compile(r"/v1/jwks"), _with_secret, _jwks),
    ("GET", re.compile(rf"/v1/sessions/{_SESSION}"), _with_secret, _read_session),
    ("POST", re.compile(rf"/v1/sessions/{_SESSION}/revoke"), _with_secret, _revoke_session),
    ("POST", re.compile(rf"/v1/sessions/{_SESSION}/tokens"), _with_secret, _mint),
    ("POST", re.compile(r"/dev/sessions"), _local, _sign_in),
    ("POST", re.compile(rf"/dev/sessions/{_SESSION}/token"), _local, _mint),
]


async def _json_body(receive: Receive) -> dict[str, Any]:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES_MAX:
            raise _Refused(413, "request_body_too_large", "The body is too large.")
    try:
        decoded = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise _Refused(400, "request_body_invalid", "The body is not JSON.") from exc
    if not isinstance(decoded, dict):
        raise _Refused(400, "request_body_invalid", "The body is not a JSON object.")
    return decoded


async def _send_json(send: Send, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _lifespan(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})
