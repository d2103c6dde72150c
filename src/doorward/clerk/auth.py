"""``ClerkAuth`` without a framework: options in, a guard out, for anything that speaks ASGI."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from doorward.clerk.authenticator import Authenticator
from doorward.clerk.configuration import (
    ClerkOptions,
    from_environment,
    parties_from_environment,
)
from doorward.clerk.directory import Directory
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.refusals import require
from doorward.clerk.revocation import Revocation
from doorward.clerk.rules import CLOCK_SKEW_DEFAULT
from doorward.clerk.sources import CookiePolicy, Scope
from doorward.clerk.verifier import Verifier
from doorward.clerk.watch import RECHECK_SECONDS
from doorward.identity.credentials import CredentialShape
from doorward.identity.principal import Principal

_NO_PARTIES = (
    "cookies are on and authorized_parties (CLERK_AUTHORIZED_PARTIES) is empty: name the origins "
    "whose pages may send them, such as https://app.example.com."
)


class ClerkAuth:
    """Verifies Clerk's credentials and says who is there.

    Give one of ``jwt_key`` (PEM, needs no network), ``jwks_url`` or ``secret_key``; without any,
    the CLERK_* environment is read. ``accepts`` names the kinds of credential: ``session_token``,
    ``m2m_token``, ``api_key``, ``oauth_token``. ``cookies`` also takes Clerk's session cookies,
    by default wherever ``authorized_parties`` says whose pages may send them.
    ``template_tokens`` lets JWT-template tokens count as sessions. ``bearer_exactly`` refuses a
    token without its scheme, or with something after it, which Clerk's SDK takes. Open WebSockets
    are judged again every ``recheck_seconds``. Raises ConfigurationError, which names every
    mistake.
    """

    def __init__(  # noqa: PLR0913 - the options of Clerk, by name
        self,
        *,
        secret_key: str | None = None,
        machine_secret_key: str | None = None,
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
        directory: Directory | None = None,
        cookies: bool | None = None,
        client_uat_required: bool = True,
        template_tokens: bool = False,
        pending_is_signed_out: bool = True,
        bearer_exactly: bool = False,
        recheck_seconds: float = RECHECK_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        given = {
            "secret_key": secret_key,
            "machine_secret_key": machine_secret_key,
            "jwt_key": jwt_key,
            "jwks_url": jwks_url,
            "publishable_key": publishable_key,
            "api_url": api_url,
        }
        if authorized_parties is None:
            authorized_parties = parties_from_environment()
        options = ClerkOptions(
            **_with_environment(given),
            authorized_parties=authorized_parties,
            audience=audience,
            issuer=issuer,
            clock_skew=clock_skew,
            accepts=_kinds(accepts),
            templates=template_tokens,
        )
        keys, rules = options.key_source(now), options.rules()
        if cookies and not rules.authorized_parties:
            raise ConfigurationError([_NO_PARTIES])
        self.cookies = CookiePolicy(
            bool(rules.authorized_parties) if cookies is None else cookies,
            options.application,
            rules.authorized_parties,
            client_uat_required,
        )
        self.authenticator = Authenticator(
            Verifier(keys, rules, now),
            accepts=options.accepts,
            opaque=options.opaque_tokens(now),
            cookies=self.cookies,
            revocation=revocation,
            directory=directory,
            pending_is_signed_out=pending_is_signed_out,
            bearer_exactly=bearer_exactly,
        )
        self.revocation = revocation
        self.recheck_seconds = recheck_seconds

    async def authenticate(self, scope: Scope) -> Principal:
        """Verify a request or a WebSocket's handshake, from its ASGI scope.

        Raises ``NotAuthenticated`` and ``Unavailable`` of ``doorward.clerk.refusals``.
        """
        return await self.authenticator.authenticate(scope)

    async def authorize(self, scope: Scope, asked: Mapping[str, Any]) -> Principal:
        """Verify, and make sure that the caller has all that is asked for; raises Forbidden too."""
        principal = await self.authenticator.authenticate(scope)
        require(principal, asked)
        return principal

    async def verify(self, token: str) -> Principal:
        """Verify a token that came some other way than in a header.

        Raises ``NotAuthenticated`` and ``Unavailable``.
        """
        return await self.authenticator.verify(token)

    async def warm_up(self) -> None:
        """Fetch the signing keys before the first request; raises TokenVerificationError."""
        await self.authenticator.warm_up()

    async def aclose(self) -> None:
        """Close connections to Clerk; for the end of an application's lifespan."""
        await self.authenticator.aclose()


def check_question(asked: Mapping[str, Any]) -> None:
    """Make sure that something known is asked for.

    Raises TypeError for a word that ``has`` does not know, and ValueError where nothing is asked.
    """
    if not asked:
        raise ValueError("Nothing is asked for: name a role, permission or the like.")
    Principal(user_id=None).missing(**asked)


def _with_environment(given: Mapping[str, str | None]) -> dict[str, Any]:
    """Complete what was given from the environment, unless it says by itself how to verify."""
    keys: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if keys.keys() & {"secret_key", "jwt_key", "jwks_url"}:
        return keys
    return from_environment() | keys


def _kinds(accepts: Iterable[str]) -> frozenset[CredentialShape]:
    listed = (accepts,) if isinstance(accepts, str) else tuple(accepts)
    known = {kind.value for kind in CredentialShape}
    if not listed or not set(listed) <= known:
        raise ConfigurationError(
            [f"accepts takes {', '.join(sorted(known))}, not {', '.join(listed) or 'nothing'}."]
        )
    return frozenset(CredentialShape(kind) for kind in listed)
