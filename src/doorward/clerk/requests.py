"""Requests in, principals out: what every guard shares, whatever framework it stands in."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from doorward.clerk.claims import Claims
from doorward.clerk.errors import SERVER_REASONS, Reason, TokenVerificationError
from doorward.clerk.verifier import Verifier
from doorward.identity.credentials import (
    AuthorizationMalformed,
    CredentialShape,
    bearer_token,
    shape_of,
)
from doorward.identity.principal import Principal

RETRY_AFTER_SECONDS = 5
NO_TOKEN = "session-token-and-uat-missing"  # noqa: S105 - Clerk's word for "no credential"
REVOKED = "session-revoked"
PENDING = "session-pending"

RawHeaders = Iterable[tuple[bytes, bytes]]


class Refusal(Exception):
    """A request that was not let in, with all that an answer needs."""

    status = 401

    def __init__(self, reason: str, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers)

    @property
    def body(self) -> dict[str, Any]:
        """What the answer's JSON body says."""
        return {"detail": self.detail}


class NotAuthenticated(Refusal):
    """No credential, or one that was refused (RFC 6750, section 3)."""

    def __init__(self, reason: str, detail: str = "Not authenticated") -> None:
        challenge = 'Bearer realm="clerk"'
        if reason != NO_TOKEN:
            challenge += ', error="invalid_token"'
        super().__init__(
            reason, detail, {"WWW-Authenticate": challenge, "X-Clerk-Auth-Reason": reason}
        )


class KeysUnavailable(Refusal):
    """The keys that verify can't be had: the server's fault, to be tried again."""

    status = 503

    def __init__(self, reason: str) -> None:
        super().__init__(
            reason,
            "Authentication is unavailable for the moment",
            {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


class Forbidden(Refusal):
    """Authenticated and not allowed; ``missing`` names what was lacking."""

    status = 403

    def __init__(self, missing: tuple[str, ...], asked: Mapping[str, Any]) -> None:
        super().__init__("forbidden", f"Missing: {', '.join(missing)}", {})
        self.missing = missing
        self.asked = asked

    @property
    def body(self) -> dict[str, Any]:
        """Clerk's front end knows a reverification by this very body, so it goes alone."""
        if all(lacking.startswith("reverification ") for lacking in self.missing):
            metadata = {"reverification": self.asked["reverification"]}
            error = {"type": "forbidden", "reason": "reverification-error", "metadata": metadata}
            return {"clerk_error": error}
        return {"detail": self.detail, "missing": list(self.missing)}


class Revocation(Protocol):
    """Says at once, without waiting, whether a session or user was revoked."""

    def revoked(self, claims: Mapping[str, Any]) -> bool:
        """Say whether what these claims name (``sid``, ``sub``) is revoked now."""


class Authenticator:
    """Takes the credential of a request, verifies it, and asks every time whether it is revoked."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        revocation: Revocation | None = None,
        pending_is_signed_out: bool = True,
    ) -> None:
        self.verifier = verifier
        self.revocation = revocation
        self._pending_is_signed_out = pending_is_signed_out

    async def authenticate(self, headers: RawHeaders) -> Principal:
        """Give the verified caller of a request, from its raw ASGI headers.

        Raises NotAuthenticated and KeysUnavailable.
        """
        return await self._principal(_token(headers))

    async def authenticate_optional(self, headers: RawHeaders) -> Principal | None:
        """Give the verified caller, None where no credential was sent.

        One that was sent and is bad is refused all the same.
        """
        token = _token(headers)
        return None if token is None else await self._principal(token)

    async def warm_up(self) -> None:
        """Have the keys before the first request; raises TokenVerificationError."""
        await self.verifier.keys.warm_up()

    async def _principal(self, token: str | None) -> Principal:
        if token is None:
            raise NotAuthenticated(NO_TOKEN)
        if shape_of(token) is not CredentialShape.SESSION:
            raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
        try:
            claims = await self.verifier.verify(token)
        except TokenVerificationError as exc:
            raise _refusal(exc) from exc
        if self.revocation is not None and self.revocation.revoked(claims):
            raise NotAuthenticated(REVOKED)
        if self._pending_is_signed_out and claims.session_status == "pending":
            raise NotAuthenticated(PENDING)
        return principal_of(claims)


def require(principal: Principal, asked: Mapping[str, Any]) -> None:
    """Make sure that the caller has all that is asked for; raises Forbidden."""
    missing = principal.missing(**asked)
    if missing:
        raise Forbidden(missing, asked)


def principal_of(claims: Claims) -> Principal:
    """Give the caller whom verified session claims describe."""
    organization = claims.organization
    return Principal(
        user_id=claims.user_id,
        session_id=claims.session_id,
        org_id=organization.id if organization else None,
        org_slug=organization.slug if organization else None,
        org_role=organization.role if organization else None,
        org_permissions=organization.permissions if organization else (),
        claims=claims,
        actor=claims.actor,
        session_status=claims.session_status,
        factor_verification_age=claims.factor_verification_age,
    )


def _token(headers: RawHeaders) -> str | None:
    try:
        return bearer_token(headers)
    except AuthorizationMalformed as exc:
        raise NotAuthenticated(Reason.INVALID.value) from exc


def _refusal(exc: TokenVerificationError) -> Refusal:
    if exc.reason in SERVER_REASONS:
        return KeysUnavailable(exc.reason.value)
    return NotAuthenticated(exc.reason.value)
