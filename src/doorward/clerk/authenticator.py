"""Requests in, principals out: what every guard shares, whatever framework it stands in."""

from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any

from doorward.clerk.claims import Claims
from doorward.clerk.cookies import SessionCookies
from doorward.clerk.directory import Directory
from doorward.clerk.errors import Reason, TokenVerificationError
from doorward.clerk.machine import OpaqueTokens, principal_of_m2m, principal_of_oauth
from doorward.clerk.refusals import (
    NO_TOKEN,
    PENDING,
    REVOCATION_UNKNOWN,
    REVOKED,
    NotAuthenticated,
    Unavailable,
    refusal_of,
)
from doorward.clerk.revocation import Revocation
from doorward.clerk.sources import CookiePolicy, Scope, cookie_token, header_token
from doorward.clerk.state.record import StateUnavailable
from doorward.clerk.tokens import Token
from doorward.clerk.verifier import Verifier
from doorward.identity.credentials import CredentialShape, shape_of
from doorward.identity.principal import Principal

_SESSION = CredentialShape.SESSION
_NO_HEADER = "No token in header"  # Clerk's words where only machines are taken
_UAT_WITHOUT_TOKEN = "client-uat-but-no-session-token"  # noqa: S105 - Clerk's words
_TOKEN_WITHOUT_UAT = "session-token-but-no-client-uat"  # noqa: S105
_OLDER_THAN_UAT = "session-token-iat-before-client-uat"
NOBODY = frozenset({NO_TOKEN, _NO_HEADER, _UAT_WITHOUT_TOKEN})
"""Reasons that say: no credential was sent. All others say: one was, and it is not good."""


class Authenticator:
    """Takes the credential of a request, verifies it, and asks every time whether it is revoked."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        accepts: frozenset[CredentialShape] = frozenset({_SESSION}),
        opaque: OpaqueTokens | None = None,
        cookies: CookiePolicy | None = None,
        revocation: Revocation | None = None,
        directory: Directory | None = None,
        pending_is_signed_out: bool = True,
    ) -> None:
        self.verifier = verifier
        self.revocation = revocation
        self._accepts = accepts
        self._opaque = opaque
        self._cookies = cookies or CookiePolicy(enabled=False)
        self._directory = directory
        self._pending_is_signed_out = pending_is_signed_out

    async def authenticate(self, scope: Scope) -> Principal:
        """Give the verified caller of a request or WebSocket handshake, from its ASGI scope.

        Raises NotAuthenticated and Unavailable.
        """
        token = header_token(scope)
        if token is not None:
            return await self.verify(token)
        if _SESSION not in self._accepts:
            single = len(self._accepts) == 1
            raise NotAuthenticated(_NO_HEADER if single else Reason.TYPE_MISMATCH.value)
        return await self._by_cookie(cookie_token(scope, self._cookies, self.verifier.now()))

    async def authenticate_optional(self, scope: Scope) -> Principal | None:
        """Give the verified caller, None where no credential was sent.

        One that was sent and is bad is refused all the same.
        """
        try:
            return await self.authenticate(scope)
        except NotAuthenticated as refusal:
            unsent = refusal.reason == Reason.TYPE_MISMATCH and header_token(scope) is None
            if refusal.reason in NOBODY or unsent:
                return None
            raise

    async def verify(self, token: str) -> Principal:
        """Give whom a token from a header speaks for; raises NotAuthenticated and Unavailable."""
        shape = shape_of(token)
        if shape is not _SESSION:
            return await self._by_opaque(token, shape)
        try:
            opened = self.verifier.open(token)
            kind = opened.kind
            if kind not in self._accepts:
                raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
            if not self.verifier.judge_at_once(opened, kind):
                await self.verifier.judge(opened, kind)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc
        return await self._admit(_principal(opened, kind))

    async def still_valid(self, who: Principal) -> None:
        """Judge again a caller who was let in some time ago, as open streams must.

        Raises NotAuthenticated: ``token-expired``, ``session-revoked``; and Unavailable.
        """
        now, skew = self.verifier.now(), self.verifier.rules.clock_skew
        if who.expires_at is not None and who.expires_at <= now - skew:
            raise NotAuthenticated(Reason.EXPIRED.value)
        await self._check_revoked(who)

    async def warm_up(self) -> None:
        """Have the keys before the first request; raises TokenVerificationError."""
        await self.verifier.keys.warm_up()

    async def aclose(self) -> None:
        """Close connections to Clerk."""
        if self._opaque is not None:
            await self._opaque.aclose()

    async def _by_opaque(self, token: str, shape: CredentialShape) -> Principal:
        if shape not in self._accepts or self._opaque is None:
            raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
        try:
            principal = await self._opaque.verify(token, shape)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc
        return await self._admit(principal)

    async def _by_cookie(self, found: SessionCookies) -> Principal:
        """Judge a session cookie with the time at which its browser last signed in or out."""
        token, uat = found.token, found.client_uat
        if token is None:
            raise NotAuthenticated(_UAT_WITHOUT_TOKEN if uat else NO_TOKEN)
        # 0 says that the browser signed out, which is more than saying nothing.
        if uat == 0 or (uat is None and self._cookies.client_uat_required):
            raise NotAuthenticated(_TOKEN_WITHOUT_UAT)
        try:
            opened = self.verifier.open(token)
            if opened.kind is not _SESSION:
                raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
            issued = opened.claims.get("iat")
            if uat and not (isinstance(issued, int | float) and issued >= uat):
                raise NotAuthenticated(_OLDER_THAN_UAT)
            await self.verifier.judge(opened, _SESSION, party_may_be_absent=True)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc
        return await self._admit(_principal(opened, _SESSION))

    async def _admit(self, who: Principal) -> Principal:
        """Ask what no token can say: whether it was revoked since; and add what is known beside."""
        if self.revocation is not None:
            await self._check_revoked(who)
        if who.session_status == "pending" and self._pending_is_signed_out:
            raise NotAuthenticated(PENDING)
        if self._directory is None:
            return who
        try:
            completed = self._directory.complete(who)
            return await completed if isawaitable(completed) else completed
        except StateUnavailable as exc:
            raise Unavailable(REVOCATION_UNKNOWN) from exc

    async def _check_revoked(self, who: Principal) -> None:
        if self.revocation is None:
            return
        try:
            verdict = self.revocation.revoked(who)
            if verdict is not False and (verdict is True or await verdict):
                raise NotAuthenticated(REVOKED)
        except StateUnavailable as exc:
            raise Unavailable(REVOCATION_UNKNOWN) from exc


def _principal(token: Token, kind: CredentialShape) -> Principal:
    """Give whom a verified token speaks for; made once for each, since its bytes don't change."""
    principal = token.principal
    if principal is None or token.judged_as is not kind or principal.token_type != kind:
        principal = token.principal = _PRINCIPALS[kind](token.claims, token.expires)
    return principal


def _issued(claims: Mapping[str, Any]) -> float | None:
    issued = claims.get("iat")
    return float(issued) if isinstance(issued, int | float) else None


def principal_of(claims: Claims, expires_at: float | None = None) -> Principal:
    """Give the user whom verified session claims describe."""
    organization, token_id = claims.organization, claims.get("jti")
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
        subject=claims.user_id,
        credential_id=token_id if isinstance(token_id, str) else None,
        issued_at=_issued(claims),
        expires_at=expires_at,
    )


def _of_m2m(claims: Claims, expires_at: float) -> Principal:
    return principal_of_m2m(claims, _issued(claims), expires_at)


def _of_oauth(claims: Claims, expires_at: float) -> Principal:
    return principal_of_oauth(claims, _issued(claims), expires_at)


_PRINCIPALS: dict[CredentialShape, Callable[[Claims, float], Principal]] = {
    CredentialShape.SESSION: principal_of,
    CredentialShape.M2M: _of_m2m,
    CredentialShape.OAUTH: _of_oauth,
}
