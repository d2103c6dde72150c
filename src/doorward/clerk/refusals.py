"""Requests that were not let in: the reason, and all that an answer needs, for any framework."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from doorward.clerk.errors import SERVER_REASONS, TokenVerificationError
from doorward.identity.principal import Principal

_log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
NO_TOKEN = "session-token-and-uat-missing"  # noqa: S105 - Clerk's word for "no credential"
REVOKED = "session-revoked"
PENDING = "session-pending"
FOREIGN_ORIGIN = "cookie-origin-untrusted"
REVOCATION_UNKNOWN = "revocation-unavailable"


class Refusal(Exception):
    """A request that was not let in."""

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

    def encoded(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give status, raw ASGI headers and the JSON body of the answer."""
        body = json.dumps(self.body).encode()
        fixed = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers = fixed | {"Cache-Control": "no-store"} | self.headers
        raw = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]
        return self.status, raw, body


class NotAuthenticated(Refusal):
    """No credential, or one that was refused (RFC 6750, section 3).

    The headers also say it as Clerk's own backends do: ``X-Clerk-Auth-Status`` and ``-Reason``.
    """

    def __init__(self, reason: str, detail: str = "Not authenticated") -> None:
        challenge = 'Bearer realm="clerk"'
        if reason != NO_TOKEN:
            challenge += ', error="invalid_token"'
        super().__init__(
            reason,
            detail,
            {
                "WWW-Authenticate": challenge,
                "X-Clerk-Auth-Status": "signed-out",
                "X-Clerk-Auth-Reason": reason,
            },
        )


class Unavailable(Refusal):
    """Who it is can't be found out for the moment: the server's fault, to be tried again.

    The reason is logged, since the answer keeps it from the caller, who could not mend it.
    """

    status = 503

    def __init__(self, reason: str) -> None:
        _log.warning("Nobody can be let in for the moment: %s", reason)
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
    def is_reverification(self) -> bool:
        """Whether proving again who they are is all that the caller lacks."""
        return all(lacking.startswith("reverification ") for lacking in self.missing)

    @property
    def body(self) -> dict[str, Any]:
        """Clerk's front end knows a reverification by this very body, so it goes alone."""
        if not self.is_reverification:
            return {"detail": self.detail, "missing": list(self.missing)}
        metadata = {"reverification": self.asked["reverification"]}
        error = {"type": "forbidden", "reason": "reverification-error", "metadata": metadata}
        return {"clerk_error": error}


def require(principal: Principal, asked: Mapping[str, Any]) -> None:
    """Make sure that the caller has all that is asked for; raises Forbidden."""
    missing = principal.missing(**asked)
    if missing:
        raise Forbidden(missing, asked)


def refusal_of(exc: TokenVerificationError) -> Refusal:
    """Give the refusal that a failed verification is: the caller's fault, or the server's."""
    if exc.reason in SERVER_REASONS:
        return Unavailable(exc.reason.value)
    return NotAuthenticated(exc.reason.value)
