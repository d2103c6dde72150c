"""What a type checker knows of the guards; read by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, assert_type

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.requests import HTTPConnection

import doorward
from doorward import Claims, TokenVerificationError, verify_token, verify_token_async
from doorward.asgi import ClerkMiddleware, principal_of
from doorward.clerk.errors import Reason
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.fastapi import ClerkAuth, Principal

app = FastAPI()
clerk = ClerkAuth()
every_option = ClerkAuth(
    secret_key="sk_test_your_clerk_secret_key_here",
    jwt_key=None,
    jwks_url=None,
    publishable_key="pk_test_x",
    authorized_parties=["https://app.example.com"],
    audience=("api",),
    issuer="https://clerk.example.com",
    accepts=("session_token", "api_key"),
    clock_skew=5,
    revocation=Revocations(MemoryState()),
)
admin = APIRouter(dependencies=[Depends(clerk.requires(role="org:admin"))])
guarded = ClerkMiddleware(app, auth=clerk, exclude=["/healthz"])


@app.get("/me")
async def me(who: Annotated[Principal, Depends(clerk.required)]) -> str | None:
    assert_type(who.user_id, str | None)
    assert_type(who.session_id, str | None)
    assert_type(who.org_id, str | None)
    assert_type(who.org_role, str | None)
    assert_type(who.org_permissions, tuple[str, ...])
    assert_type(who.token_type, str)
    assert_type(who.scopes, frozenset[str])
    assert_type(who.claims, Mapping[str, Any])
    assert_type(who.actor, Mapping[str, Any] | None)
    assert_type(who.has(role="org:admin", reverification="strict"), bool)
    assert_type(who.missing(plan="pro"), tuple[str, ...])
    return who.user_id


@app.get("/feed")
async def feed(who: Annotated[Principal | None, Depends(clerk.optional)]) -> None:
    if who is not None:
        assert_type(who, Principal)


@app.websocket("/live")
async def live(socket: WebSocket, who: Annotated[Principal, Depends(clerk.websocket)]) -> None:
    assert_type(who, Principal)
    assert_type(clerk.websocket(socket), AsyncIterator[Principal])


async def dependencies(connection: HTTPConnection) -> None:
    assert_type(await clerk.required(connection), Principal)
    assert_type(await clerk.optional(connection), Principal | None)
    assert_type(await clerk.requires(permission="org:a:b")(connection), Principal)
    assert_type(await clerk.authenticate(connection.scope), Principal)
    assert_type(await clerk.verify("token"), Principal)
    assert_type(principal_of(connection.scope), Principal)


async def one_token(token: str) -> None:
    claims = verify_token(token, jwt_key="…", authorized_parties=["https://app.example.com"])
    assert_type(claims, Claims)
    assert_type(await verify_token_async(token), Claims)
    assert_type(claims.user_id, str)
    assert_type(claims.session_id, str | None)
    assert_type(claims.actor, Mapping[str, Any] | None)
    organization = claims.organization
    if organization is not None:
        assert_type(organization.id, str)
        assert_type(organization.permissions, tuple[str, ...])
    assert_type(doorward.__version__, str)


def refused(token: str) -> Reason | None:
    try:
        verify_token(token)
    except TokenVerificationError as refusal:
        assert_type(refusal.reason, Reason)
        assert_type(refusal.message, str)
        return refusal.reason
    return None
