"""Whom a verified token speaks for: a person, a machine, or a client that acts for a person."""

from collections.abc import Mapping
from typing import Any

from doorward.clerk.claims import actor_of, factor_ages_of, organization_of, text, texts
from doorward.clerk.tokens import Token
from doorward.identity.credentials import CredentialShape
from doorward.identity.principal import Principal

_NOT_CLAIMS = frozenset({"iss", "sub", "exp", "nbf", "iat", "jti"})


def principal_of(token: Token) -> Principal:
    """Give whom a token speaks for that was judged good; made once, since its bytes don't change.

    Its class is the one that it was judged as.
    """
    if token.principal is None:
        token.principal = _made_of(token)
    return token.principal


def _made_of(token: Token) -> Principal:
    if token.kind is CredentialShape.SESSION:
        return _person(token)
    return _machine(token) if token.kind is CredentialShape.M2M else _client(token)


def _person(token: Token) -> Principal:
    claims = token.payload
    org_id, slug, role, permissions = organization_of(claims)
    return Principal(
        user_id=claims["sub"],
        session_id=text(claims.get("sid")),
        org_id=org_id or None,
        org_slug=slug,
        org_role=role,
        org_permissions=permissions,
        claims=token.claims,
        actor=actor_of(claims),
        session_status=text(claims.get("sts")),
        factor_verification_age=factor_ages_of(claims),
        subject=claims["sub"],
        credential_id=text(claims.get("jti")),
        issued_at=_issued(claims),
        expires_at=token.expires,
    )


def _machine(token: Token) -> Principal:
    claims = token.payload
    listed = claims.get("scopes")
    scopes = listed.split() if isinstance(listed, str) and listed else claims.get("aud")
    return Principal(
        user_id=None,
        token_type=CredentialShape.M2M.value,
        subject=claims["sub"],
        scopes=texts(scopes),
        claims={name: value for name, value in claims.items() if name not in _NOT_CLAIMS},
        credential_id=text(claims.get("jti")),
        issued_at=_issued(claims),
        expires_at=token.expires,
    )


def _client(token: Token) -> Principal:
    """Give the user for whom an OAuth client acts."""
    claims = token.payload
    listed = claims.get("scp")
    if not isinstance(listed, list):
        scope = claims.get("scope")
        listed = scope.split() if isinstance(scope, str) else []
    return Principal(
        user_id=claims["sub"],
        token_type=CredentialShape.OAUTH.value,
        subject=claims["sub"],
        scopes=texts(listed),
        claims=token.claims,
        actor=actor_of(claims),
        credential_id=text(claims.get("jti")),
        client_id=text(claims.get("client_id")),
        issued_at=_issued(claims),
        expires_at=token.expires,
    )


def _issued(claims: Mapping[str, Any]) -> float | None:
    issued = claims.get("iat")
    return float(issued) if isinstance(issued, int | float) else None
