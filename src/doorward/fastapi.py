"""The guard for FastAPI: ``Depends(clerk.required)`` and what belongs to it.

clerk = ClerkAuth()  # reads CLERK_*, and says at start-up what is missing

@app.get("/me")
async def me(who: Annotated[Principal, Depends(clerk.required)]): ...
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from doorward.clerk.configuration import (
    ClerkOptions,
    from_environment,
    parties_from_environment,
)
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.requests import (
    Authenticator,
    RawHeaders,
    Refusal,
    Revocation,
    require,
)
from doorward.clerk.tokens import CLOCK_SKEW_DEFAULT
from doorward.clerk.verifier import Verifier
from doorward.identity.principal import Principal

__all__ = ["ClerkAuth", "ConfigurationError", "Principal", "RefusalResponse"]

# Only describes the credential in OpenAPI; the guard itself reads the header.
_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="Clerk")
_Described = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
_ACCEPTED = frozenset({"session_token"})


class RefusalResponse(HTTPException):
    """A refusal as FastAPI answers it; ``refusal`` holds what was found."""

    def __init__(self, refusal: Refusal) -> None:
        body = refusal.body
        detail = body["detail"] if set(body) == {"detail"} else body
        super().__init__(refusal.status, detail, refusal.headers)
        self.refusal = refusal


class ClerkAuth:
    """Verifies Clerk session tokens and guards routes.

    Give one of ``jwt_key`` (PEM, needs no network), ``jwks_url`` or ``secret_key``; without any,
    the CLERK_* environment is read. Raises ConfigurationError, which names every mistake.
    """

    def __init__(  # noqa: PLR0913 - the options of Clerk, by name
        self,
        *,
        secret_key: str | None = None,
        jwt_key: str | None = None,
        jwks_url: str | None = None,
        publishable_key: str | None = None,
        api_url: str | None = None,
        authorized_parties: Iterable[str] | None = None,
        audience: str | Iterable[str] | None = None,
        issuer: str | Iterable[str] | None = None,
        accepts: Iterable[str] = ("session_token",),
        clock_skew: float = CLOCK_SKEW_DEFAULT,
        revocation: Revocation | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        given = {
            "secret_key": secret_key,
            "jwt_key": jwt_key,
            "jwks_url": jwks_url,
            "publishable_key": publishable_key,
            "api_url": api_url,
        }
        keys = {name: value for name, value in given.items() if value is not None}
        if not keys.keys() & {"secret_key", "jwt_key", "jwks_url"}:
            keys = from_environment() | keys
        if authorized_parties is None:
            authorized_parties = parties_from_environment()
        options = ClerkOptions(
            **keys,
            authorized_parties=authorized_parties,
            audience=audience,
            issuer=issuer,
            clock_skew=clock_skew,
        )
        _refuse_unknown(accepts)
        verifier = Verifier(options.key_source(now), options.rules(), now)
        self._authenticator = Authenticator(verifier, revocation=revocation)
        self.revocation = revocation

    async def required(self, request: Request, _: _Described = None) -> Principal:
        """Let in only verified callers: 401 for all others, 503 where keys can't be had."""
        try:
            return await self._authenticator.authenticate(request.scope["headers"])
        except Refusal as refusal:
            raise RefusalResponse(refusal) from refusal

    async def optional(self, request: Request, _: _Described = None) -> Principal | None:
        """Give the caller, or None without a credential; a bad one is refused all the same."""
        try:
            return await self._authenticator.authenticate_optional(request.scope["headers"])
        except Refusal as refusal:
            raise RefusalResponse(refusal) from refusal

    def requires(self, **asked: Any) -> Callable[..., Awaitable[Principal]]:
        """Make a dependency that lets in only callers who have all that is asked for.

        Takes what ``Principal.has`` takes; the 403 names what was missing. Raises TypeError for a
        word it does not know, and ValueError where nothing is asked.
        """
        if not asked:
            raise ValueError("requires() asks for nothing: name a role, permission or the like.")
        Principal(user_id=None).missing(**asked)

        async def required(request: Request, _: _Described = None) -> Principal:
            principal = await self.required(request)
            try:
                require(principal, asked)
            except Refusal as refusal:
                raise RefusalResponse(refusal) from refusal
            return principal

        return required

    async def authenticate(self, headers: RawHeaders) -> Principal:
        """Verify outside of FastAPI's dependencies, from raw ASGI headers.

        Raises ``NotAuthenticated`` and ``KeysUnavailable`` of ``doorward.clerk.requests``.
        """
        return await self._authenticator.authenticate(headers)

    async def warm_up(self) -> None:
        """Fetch the signing keys before the first request; raises TokenVerificationError."""
        await self._authenticator.warm_up()


def _refuse_unknown(accepts: Iterable[str]) -> None:
    unknown = set(accepts) - _ACCEPTED
    if unknown:
        raise ConfigurationError(
            [f"accepts has {', '.join(sorted(unknown))}: this version takes session_token."]
        )
