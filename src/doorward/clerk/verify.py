"""``verify_token``: one token, one answer, for code without a guard."""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from doorward.clerk.claims import Claims
from doorward.clerk.configuration import (
    ClerkOptions,
    from_environment,
    parties_from_environment,
)
from doorward.clerk.rules import CLOCK_SKEW_DEFAULT
from doorward.clerk.tokens import as_text
from doorward.clerk.verifier import Verifier

_VERIFIERS_MAX = 32
Names = str | Iterable[str] | None


def verify_token(
    token: str,
    *,
    jwt_key: str | None = None,
    secret_key: str | None = None,
    jwks_url: str | None = None,
    authorized_parties: Iterable[str] | None = None,
    audience: Names = None,
    issuer: Names = None,
    clock_skew: float = CLOCK_SKEW_DEFAULT,
) -> Claims:
    """Verify a session token and give its claims; blocks where keys must be fetched.

    Without a key the CLERK_* environment is read, for the authorized parties too unless some are
    given. Raises TokenVerificationError whose ``reason`` is Clerk's word, and ConfigurationError
    where nothing says how to verify.
    """
    keys = (jwt_key, secret_key, jwks_url)
    names = (_parties(authorized_parties, keys), _fixed(audience), _fixed(issuer))
    return _verifier(*keys, *names, clock_skew).verify_sync(as_text(token))


async def verify_token_async(
    token: str,
    *,
    jwt_key: str | None = None,
    secret_key: str | None = None,
    jwks_url: str | None = None,
    authorized_parties: Iterable[str] | None = None,
    audience: Names = None,
    issuer: Names = None,
    clock_skew: float = CLOCK_SKEW_DEFAULT,
) -> Claims:
    """Verify as ``verify_token`` does, without blocking the event loop."""
    keys = (jwt_key, secret_key, jwks_url)
    names = (_parties(authorized_parties, keys), _fixed(audience), _fixed(issuer))
    return await _verifier(*keys, *names, clock_skew).verify(as_text(token))


def _parties(given: Names, keys: Iterable[str | None]) -> tuple[str, ...]:
    """Give the authorized parties: the environment's where its key verifies and none are given."""
    if given is None and not any(keys):
        return parties_from_environment()
    return _fixed(given)


def _fixed(names: Names) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


@lru_cache(maxsize=_VERIFIERS_MAX)
def _verifier(
    jwt_key: str | None,
    secret_key: str | None,
    jwks_url: str | None,
    parties: tuple[str, ...],
    audience: tuple[str, ...],
    issuer: tuple[str, ...],
    clock_skew: float,
) -> Verifier:
    """Keep a verifier per set of options, so that its keys are fetched once."""
    keys = {"jwt_key": jwt_key, "secret_key": secret_key, "jwks_url": jwks_url}
    given: dict[str, Any] = {name: value for name, value in keys.items() if value}
    given = given or dict(from_environment())
    options = ClerkOptions(
        **given,
        authorized_parties=parties,
        audience=audience,
        issuer=issuer,
        clock_skew=clock_skew,
    )
    return Verifier(options.key_source(time.time), options.rules(), time.time)
