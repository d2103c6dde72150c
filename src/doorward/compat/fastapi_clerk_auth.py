"""The names of ``fastapi-clerk-auth`` 0.0.9, to be imported in its place.

guard = ClerkHTTPBearer(ClerkConfig(jwks_url="https://…/.well-known/jwks.json"))

@app.get("/me")
async def me(who: Annotated[HTTPAuthorizationCredentials, Depends(guard)]): ...

Parameters, defaults, attributes, answers and OpenAPI are the same. What is not, and why, is in
docs/how-to/from-fastapi-clerk-auth.md.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials as _BearerCredentials
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel

from doorward.clerk.claims import Claims
from doorward.clerk.configuration import names
from doorward.clerk.errors import Reason, TokenVerificationError
from doorward.clerk.jwks import COOL_DOWN_SECONDS, STALE_SECONDS, Patience, RemoteKeys
from doorward.clerk.refusals import NO_TOKEN, NotAuthenticated, Refusal, refusal_of
from doorward.clerk.rules import (
    Rules,
    check_audience,
    check_expiry,
    check_issued_at,
    check_issuer,
    check_not_before,
    check_party,
    check_subject,
)
from doorward.clerk.tokens import check_header, check_signature, parse
from doorward.fastapi import RefusalResponse
from doorward.identity.credentials import CredentialShape

__all__ = ["ClerkConfig", "ClerkHTTPBearer", "HTTPAuthorizationCredentials"]

_log = logging.getLogger(__name__)
_UNKEPT_SECONDS = 5.0  # keys that are not to be kept still serve the requests that fetched them


class ClerkConfig(BaseModel):
    """What to verify, and where the keys are.

    ``leeway``, ``jwks_lifespan`` and ``jwks_client_timeout`` are in seconds. ``jwks_cache_keys``
    and ``jwks_max_cached_keys`` are taken and change nothing: a fetched set is kept parsed, and
    no key outlives it.
    """

    jwks_url: str
    audience: str | None = None
    issuer: str | None = None
    verify_exp: bool = True
    verify_aud: bool = False
    verify_iss: bool = False
    verify_iat: bool = True
    jwks_cache_keys: bool = False
    jwks_max_cached_keys: int = 16
    jwks_cache_set: bool = True
    jwks_lifespan: int = 300
    jwks_headers: dict[str, Any] | None = None
    jwks_client_timeout: int = 30
    leeway: float = 0


class HTTPAuthorizationCredentials(_BearerCredentials):
    """The credential as it was sent, and the payload of its token once that is verified."""

    decoded: dict[str, Any] | None = None


class ClerkHTTPBearer(HTTPBearer):
    """Lets in requests with a token of the instance whose keys ``config.jwks_url`` gives.

    Refuses with 403 ``Forbidden``. Without ``auto_error`` it refuses nobody: the result is None
    where no bearer token came, and has ``decoded=None`` where a bad one did. ``add_state`` sets
    ``request.state.clerk_auth`` to the result. ``debug_mode`` lets the TokenVerificationError of
    a bad token through. Raises ValueError for a configuration that can't work.

    Beyond the original, by keyword: ``template_tokens`` takes JWT-template tokens too, and
    ``any_token_class`` also machine and OAuth tokens of the instance; ``authorized_parties``
    asks for an ``azp`` among them; ``challenge`` answers 401 with a challenge, or 503 where keys
    can't be had.
    """

    def __init__(  # noqa: PLR0913 - the parameters of the original, in its order
        self,
        config: ClerkConfig,
        bearerFormat: str | None = None,  # noqa: N803 - the original's name, and FastAPI's
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,  # noqa: FBT001, FBT002 - positional in the original
        add_state: bool = False,  # noqa: FBT001, FBT002
        debug_mode: bool = False,  # noqa: FBT001, FBT002
        *,
        any_token_class: bool = False,
        template_tokens: bool = False,
        authorized_parties: Iterable[str] | None = None,
        challenge: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            bearerFormat=bearerFormat,
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        _refuse_unworkable(config)
        self.auto_error = auto_error
        self.add_state = add_state
        self.debug_mode = debug_mode
        self.challenge = challenge
        self.config = config
        self.jwks_url: str = config.jwks_url
        self.audience: str | None = config.audience
        self.issuer: str | None = config.issuer
        self.jwks_client = RemoteKeys(
            config.jwks_url,
            now,
            headers=_headers(config.jwks_headers),
            patience=_patience(config),
        )
        self._rules = Rules(authorized_parties=names(authorized_parties), templates=template_tokens)
        self._kind = None if any_token_class else CredentialShape.SESSION
        self._now = now

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        """Give the credential of a request, verified; raises HTTPException."""
        header = request.headers.get("Authorization")
        scheme, token = get_authorization_scheme_param(header)
        if scheme.lower() != "bearer" or not token:
            self._refuse(NotAuthenticated(NO_TOKEN))
            return None
        found = HTTPAuthorizationCredentials(
            scheme=scheme, credentials=token, decoded=await self._decoded(token)
        )
        if self.add_state:
            request.state.clerk_auth = found
        return found

    async def _decoded(self, token: str) -> dict[str, Any] | None:
        try:
            return await self._verified(token)
        except TokenVerificationError as exc:
            if self.debug_mode:
                raise
            _log.info("A token was refused: %s", exc.reason.value)
            self._refuse(refusal_of(exc))
            return None

    async def _verified(self, token: str) -> dict[str, Any]:
        """Give the payload, which is the caller's own to change; raises TokenVerificationError."""
        parsed = parse(token)
        check_header(parsed, self._kind, templates=self._rules.templates)
        keys = self.jwks_client
        check_signature(parsed, keys.known(parsed.header.kid) or await keys.get(parsed.header.kid))
        self._check_claims(parsed.claims)
        return dict(parsed.payload)

    def _check_claims(self, claims: Claims) -> None:
        config, now = self.config, self._now()
        _check_texts(claims)
        if self._kind is not None:
            check_subject(claims, self._kind)
        if config.verify_iat:
            check_issued_at(claims, config.leeway, now)
        check_not_before(claims, config.leeway, now)
        if config.verify_exp:
            check_expiry(claims, config.leeway, now)
        if config.verify_iss:
            check_issuer(claims, names(self.issuer))
        if config.verify_aud:
            _check_audience(claims, names(self.audience))
        if self._rules.authorized_parties:
            check_party(claims, self._rules, may_be_absent=False)

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse a request, where requests are to be refused; raises HTTPException."""
        if self.auto_error and self.challenge:
            raise RefusalResponse(refusal)
        if self.auto_error:
            raise HTTPException(403, "Forbidden")


def _refuse_unworkable(config: ClerkConfig) -> None:
    if config.verify_aud and not config.audience:
        raise ValueError("Audience must be set in config because verify_aud is True")
    if config.verify_iss and not config.issuer:
        raise ValueError("Issuer must be set in config because verify_iss is True")
    if urlsplit(config.jwks_url).scheme not in {"http", "https"}:
        raise ValueError(f"jwks_url is not an http(s) address: {config.jwks_url!r}")
    if config.jwks_cache_set and config.jwks_lifespan <= 0:
        raise ValueError("jwks_lifespan must be greater than 0 while jwks_cache_set is True")


def _patience(config: ClerkConfig) -> Patience:
    """Give the original's terms: a set is fetched anew when it is as old as its lifespan.

    Without a cache every request asks, and those that ask at once share one fetch.
    """
    if not config.jwks_cache_set:
        return Patience(
            fresh=0, stale=_UNKEPT_SECONDS, cool_down=0, timeout=config.jwks_client_timeout
        )
    return Patience(
        fresh=config.jwks_lifespan,
        stale=max(STALE_SECONDS, config.jwks_lifespan),
        cool_down=min(COOL_DOWN_SECONDS, config.jwks_lifespan),
        timeout=config.jwks_client_timeout,
    )


def _headers(given: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in (given or {}).items()
    }


def _check_texts(claims: Claims) -> None:
    """Take machines and tokens without a subject, as the original does, and nothing odd."""
    for name in ("sub", "jti"):
        if not isinstance(claims.get(name, ""), str):
            raise _failed(f"The claim {name} is not a string.")


def _check_audience(claims: Claims, audience: frozenset[str]) -> None:
    """Ask for an audience, unlike Clerk, who lets tokens without one pass."""
    if not claims.get("aud"):
        raise _failed("The token has no audience claim (aud), and one is asked for.")
    check_audience(claims, audience)


def _failed(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.VERIFICATION_FAILED, message)
