"""What can go wrong with a request, as types to catch and codes to decide by."""

from typing import Any

import msgspec


class DoorwardError(Exception):
    """The server answered with a problem; ``code`` is stable, ``detail`` is for people."""

    def __init__(self, status: int, code: str, detail: str, request_id: str | None = None) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id

    @property
    def retryable(self) -> bool:
        """Say whether the same request may succeed later, unchanged."""
        return self.status in {429, 503}


class NotAuthenticated(DoorwardError):
    """401: sign in again."""


class PermissionDenied(DoorwardError):
    """403: signed in, and not allowed."""


class NotFound(DoorwardError):
    """404 or 410: missing, or not for these eyes."""


class Conflict(DoorwardError):
    """409: something stands in the way, such as a taken name."""


class TooLarge(DoorwardError):
    """413 or 507: over a limit or a quota."""


class RateLimited(DoorwardError):
    """429, after every retry."""


class ServerError(DoorwardError):
    """5xx: the server's fault."""


class ConnectionFailed(DoorwardError):
    """No answer: the server can't be reached, or the connection broke."""

    def __init__(self, detail: str) -> None:
        super().__init__(0, "connection_failed", detail)


class DigestMismatch(DoorwardError):
    """The bytes that arrived are not those that were sent."""

    def __init__(self, name: str) -> None:
        super().__init__(0, "digest_mismatch", f"{name}: what arrived is not what was sent.")


class ImportFailed(DoorwardError):
    """The server could not fetch what it was asked to; ``code`` says what stood in the way."""

    def __init__(self, name: str, code: str) -> None:
        super().__init__(0, code, f"{name}: the server could not fetch it.")


_KINDS: dict[int, type[DoorwardError]] = {
    401: NotAuthenticated,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    409: Conflict,
    413: TooLarge,
    507: TooLarge,
    429: RateLimited,
}


def error_of(status: int, body: bytes) -> DoorwardError:
    """Give the error that an answer stands for, whether or not its body is a problem."""
    problem = _problem(body)
    kind = _KINDS.get(status, ServerError if status >= 500 else DoorwardError)  # noqa: PLR2004
    detail = str(problem.get("detail") or f"The server answered {status}.")
    missing = problem.get("missing")
    if isinstance(missing, str) and missing not in detail:
        detail = f"{detail} Missing: {missing}."
    request_id = problem.get("request_id")
    return kind(
        status,
        str(problem.get("code") or f"http_{status}"),
        detail,
        request_id if isinstance(request_id, str) else None,
    )


def _problem(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
