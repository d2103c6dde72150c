"""The guards that are measured: Doorward's own and its peers, each as its documents tell to use it.

All but one verify what Doorward verifies: the signature by a key at hand, the times with five
seconds of tolerance, and the party. fastapi-clerk-auth knows no parties, and takes its key from a
JWKS that it fetches. No peer asks whether a token was revoked; Doorward does.
"""

import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import HTTPException, Request

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.fastapi import ClerkAuth
from doorward.standin import DEFAULT_PARTY, Standin

REVOKED = "sess_7"
"""A session that each of Doorward's guards holds for revoked, among others."""

SKEW_SECONDS = 5.0
_JWKS_PATH = "/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the guards are told: the key, where it can be fetched, and the party."""

    public_key_pem: str
    jwks_url: str
    party: str = DEFAULT_PARTY


def doorward(trust: Trust) -> ClerkAuth:
    """Make a guard whose revocations hold some entries, so that asking them does its work."""
    revocations = Revocations(MemoryState())
    for number in range(100):
        _complete(revocations.revoke_session(f"sess_{number}"))
    return ClerkAuth(
        jwt_key=trust.public_key_pem,
        authorized_parties=[trust.party],
        revocation=revocations,
    )


def pyjwt(trust: Trust) -> Callable[[Request], Awaitable[dict]]:
    """Guard with PyJWT and the key that was read once."""
    decode = pyjwt_decoder(trust)

    async def guard(request: Request) -> dict:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = decode(token)
        except ValueError as exc:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from exc
        if scheme.lower() != "bearer":
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        return claims

    return guard


def pyjwt_decoder(trust: Trust) -> Callable[[str], dict]:
    """Decode with PyJWT all that a session token must satisfy; raises ValueError."""
    import jwt
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(trust.public_key_pem.encode())

    def decode(token: str) -> dict:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "sub"], "verify_aud": False},
            )
        except jwt.InvalidTokenError as exc:
            raise ValueError("not a good token") from exc
        if claims.get("azp") != trust.party:
            raise ValueError("not a token for this party")
        return claims

    return decode


def clerk_backend_api(trust: Trust) -> Callable[[Request], Awaitable[dict]]:
    """Guard with Clerk's own package and a key at hand, so that it never fetches."""
    judge = clerk_backend_api_judge(trust)

    async def guard(request: Request) -> dict:
        state = judge(request)
        if not state.is_signed_in:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        return state.payload

    return guard


def clerk_backend_api_judge(trust: Trust) -> Callable[[Any], Any]:
    """Judge a request with Clerk's own package; what it gives says whether one is signed in."""
    from clerk_backend_api.security import authenticate_request
    from clerk_backend_api.security.types import AuthenticateRequestOptions

    options = AuthenticateRequestOptions(
        jwt_key=trust.public_key_pem,
        authorized_parties=[trust.party],
        accepts_token=["session_token"],
    )
    return lambda request: authenticate_request(request, options)


def fastapi_clerk_auth(trust: Trust) -> Any:
    """Guard with fastapi-clerk-auth as its README does."""
    from fastapi_clerk_auth import ClerkConfig, ClerkHTTPBearer

    return ClerkHTTPBearer(ClerkConfig(jwks_url=trust.jwks_url, leeway=SKEW_SECONDS))


_PEERS: dict[str, tuple[str, Callable[[Trust], Any]]] = {
    "PyJWT": ("pyjwt", pyjwt),
    "clerk-backend-api": ("clerk-backend-api", clerk_backend_api),
    "fastapi-clerk-auth": ("fastapi-clerk-auth", fastapi_clerk_auth),
}


@cache
def peers() -> dict[str, Callable[[Trust], Any]]:
    """Give what makes a FastAPI dependency of each peer that is installed; say which is not."""
    found = {}
    for name, (distribution, make) in _PEERS.items():
        try:
            version(distribution)
        except PackageNotFoundError:
            print(f"LOUD: {distribution} is not installed, so nothing is measured against it.")
        else:
            found[name] = make
    return found


@contextmanager
def trust_in(standin: Standin) -> Iterator[Trust]:
    """Give what to tell the guards, with the JWKS served on loopback meanwhile."""
    body = json.dumps(standin.jwks()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the report readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}{_JWKS_PATH}"
        yield Trust(standin.public_key_pem, url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def mint(standin: Standin, **claims: object) -> str:
    """Give a token of 1.1 KB, as Clerk's are with an organization and some metadata."""
    return standin.mint(
        "alice",
        org="acme",
        role="org:admin",
        permissions=["org:files:share", "org:files:read"],
        ttl=3600,
        claims={"metadata": {"note": "x" * 120}} | claims,
    )


def _complete(coroutine: Any) -> None:
    """Run what never waits to its end, inside of a running loop too."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("It waits.")
