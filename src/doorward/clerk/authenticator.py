"""Requests in, principals out: what every guard shares, whatever framework it stands in."""

from collections.abc import Awaitable
from inspect import isawaitable

from doorward.clerk.directory import Directory
from doorward.clerk.errors import Reason, TokenVerificationError
from doorward.clerk.machine import OpaqueTokens
from doorward.clerk.principals import principal_of
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
        bearer_exactly: bool = False,
    ) -> None:
        self.verifier = verifier
        self.revocation = revocation
        self._accepts = tuple(accepts)
        self._opaque = opaque
        self._cookies = cookies or CookiePolicy(enabled=False)
        self._directory = directory
        self._pending_is_signed_out = pending_is_signed_out
        self._bearer_exactly = bearer_exactly

    async def authenticate(self, scope: Scope) -> Principal:
        """Give the verified caller of a request or WebSocket handshake, from its ASGI scope.

        Raises NotAuthenticated and Unavailable.
        """
        raw = header_token(scope, exactly=self._bearer_exactly)
        if raw is None:
            return await self._admit(await self._by_cookie(scope))
        return await self._admit(self._known(raw) or await self._by_token(raw))

    async def authenticate_optional(self, scope: Scope) -> Principal | None:
        """Give the verified caller, None where no credential was sent.

        One that was sent and is bad is refused all the same.
        """
        try:
            return await self.authenticate(scope)
        except NotAuthenticated as refusal:
            if refusal.reason in NOBODY or self._takes_nothing_of(scope, refusal):
                return None
            raise

    async def verify(self, token: str) -> Principal:
        """Give whom a token from a header speaks for; raises NotAuthenticated and Unavailable."""
        raw = token.encode("utf-8", "replace")
        return await self._admit(self._known(raw) or await self._by_token(raw))

    async def still_valid(self, who: Principal) -> None:
        """Judge again a caller who was let in some time ago, as open streams must.

        Raises NotAuthenticated: ``token-expired``, ``session-revoked``; and Unavailable.
        """
        now, skew = self.verifier.now(), self.verifier.rules.clock_skew
        if who.expires_at is not None and who.expires_at <= now - skew:
            raise NotAuthenticated(Reason.EXPIRED.value)
        await self._refuse_revoked(self._asked(who))

    async def warm_up(self) -> None:
        """Have the keys before the first request; raises TokenVerificationError."""
        await self.verifier.keys.warm_up()

    async def aclose(self) -> None:
        """Close connections to Clerk."""
        if self._opaque is not None:
            await self._opaque.aclose()

    def _takes_nothing_of(self, scope: Scope, refusal: NotAuthenticated) -> bool:
        """Say whether a request without a header was refused where only headers count."""
        mismatched = refusal.reason == Reason.TYPE_MISMATCH
        return mismatched and header_token(scope, exactly=self._bearer_exactly) is None

    def _known(self, raw: bytes) -> Principal | None:
        """Give whom a token speaks for that was let in before and still counts."""
        seen = self.verifier.seen(raw)
        return seen.principal if seen is not None and seen.kind in self._accepts else None

    async def _by_token(self, raw: bytes) -> Principal:
        shape = shape_of(raw)
        if shape is not _SESSION:
            return await self._by_opaque(raw.decode("latin-1"), shape)
        try:
            opened = self.verifier.open(raw)
            if opened.kind not in self._accepts:
                raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
            if not self.verifier.judge_at_once(opened, opened.kind):
                await self.verifier.judge(opened, opened.kind)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc
        return principal_of(opened)

    async def _by_opaque(self, token: str, shape: CredentialShape) -> Principal:
        if shape not in self._accepts or self._opaque is None:
            raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
        try:
            return await self._opaque.verify(token, shape)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc

    async def _by_cookie(self, scope: Scope) -> Principal:
        """Judge a session cookie with the time at which its browser last signed in or out."""
        if _SESSION not in self._accepts:
            single = len(self._accepts) == 1
            raise NotAuthenticated(_NO_HEADER if single else Reason.TYPE_MISMATCH.value)
        found = cookie_token(scope, self._cookies, self.verifier.now())
        token, uat = found.token, found.client_uat
        if token is None:
            raise NotAuthenticated(_UAT_WITHOUT_TOKEN if uat else NO_TOKEN)
        # 0 says that the browser signed out, which is more than saying nothing.
        if uat == 0 or (uat is None and self._cookies.client_uat_required):
            raise NotAuthenticated(_TOKEN_WITHOUT_UAT)
        try:
            opened = self.verifier.open(token.encode("utf-8", "replace"))
            if opened.kind is not _SESSION:
                raise NotAuthenticated(Reason.TYPE_MISMATCH.value)
            issued = opened.payload.get("iat")
            if uat and not (isinstance(issued, int | float) and issued >= uat):
                raise NotAuthenticated(_OLDER_THAN_UAT)
            await self.verifier.judge(opened, _SESSION, party_may_be_absent=True)
        except TokenVerificationError as exc:
            raise refusal_of(exc) from exc
        return principal_of(opened)

    async def _admit(self, who: Principal) -> Principal:
        """Ask what no token can say: whether it was revoked since; and add what is known beside."""
        verdict = self._asked(who)
        if verdict is not False:
            await self._refuse_revoked(verdict)
        if who.session_status == "pending" and self._pending_is_signed_out:
            raise NotAuthenticated(PENDING)
        if self._directory is None:
            return who
        try:
            completed = self._directory.complete(who)
            return await completed if isawaitable(completed) else completed
        except StateUnavailable as exc:
            raise Unavailable(REVOCATION_UNKNOWN) from exc

    def _asked(self, who: Principal) -> bool | Awaitable[bool]:
        """Ask whether a caller was revoked; True and what is to be awaited say: perhaps."""
        try:
            return self.revocation is not None and self.revocation.revoked(who)
        except StateUnavailable as exc:
            raise Unavailable(REVOCATION_UNKNOWN) from exc

    @staticmethod
    async def _refuse_revoked(verdict: bool | Awaitable[bool]) -> None:  # noqa: FBT001 - its answer
        try:
            if await verdict if isawaitable(verdict) else verdict:
                raise NotAuthenticated(REVOKED)
        except StateUnavailable as exc:
            raise Unavailable(REVOCATION_UNKNOWN) from exc
