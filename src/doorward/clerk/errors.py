"""Why a credential was refused, in Clerk's own words."""

from enum import StrEnum


class Reason(StrEnum):
    """Clerk's reason codes, and ``token-type-mismatch`` for a token of another class."""

    EXPIRED = "token-expired"
    NOT_ACTIVE_YET = "token-not-active-yet"
    IAT_IN_THE_FUTURE = "token-iat-in-the-future"
    INVALID = "token-invalid"
    INVALID_ALGORITHM = "token-invalid-algorithm"
    INVALID_AUTHORIZED_PARTIES = "token-invalid-authorized-parties"
    INVALID_ISSUER = "token-invalid-issuer"
    INVALID_SIGNATURE = "token-invalid-signature"
    VERIFICATION_FAILED = "token-verification-failed"
    TYPE_MISMATCH = "token-type-mismatch"
    SECRET_KEY_INVALID = "secret-key-invalid"  # noqa: S105 - a reason
    JWK_LOCAL_MISSING = "jwk-local-missing"
    JWK_REMOTE_FAILED = "jwk-remote-failed-to-load"
    JWK_KID_MISMATCH = "jwk-kid-mismatch"
    JWK_FAILED_TO_RESOLVE = "jwk-failed-to-resolve"
    UNEXPECTED = "unexpected-error"


SERVER_REASONS = frozenset(
    {
        Reason.SECRET_KEY_INVALID,
        Reason.JWK_LOCAL_MISSING,
        Reason.JWK_REMOTE_FAILED,
        Reason.JWK_FAILED_TO_RESOLVE,
        Reason.UNEXPECTED,
    }
)
"""Faults of the verifying side: answered with 503, never blamed on the caller."""

ENSURE_CLERK_JWT = "Make sure that this is a valid Clerk-generated JWT."
ENSURE_CLOCK = "Make sure your system clock is in sync (e.g. turn off and on automatic time)."
SET_SECRET_KEY = "Set the CLERK_SECRET_KEY environment variable."  # noqa: S105 - advice


class TokenVerificationError(Exception):
    """A token was refused; ``reason`` says why and ``action`` what to do, where that helps."""

    def __init__(self, reason: Reason, message: str, action: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.action = action

    def __str__(self) -> str:
        advice = f" {self.action}" if self.action else ""
        return f"{self.message}{advice} (reason={self.reason.value})"


class ConfigurationError(ValueError):
    """The guard was set up wrongly; the message names every mistake and what to do about it."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"ClerkAuth can't be set up like this:\n{lines}")
