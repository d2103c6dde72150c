"""Open streams judged again: a socket must not outlive the credential it was opened with."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from doorward.clerk.authenticator import Authenticator
from doorward.clerk.refusals import REVOCATION_UNKNOWN, Forbidden, Refusal, Unavailable
from doorward.identity.principal import Principal

_log = logging.getLogger(__name__)

CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_UNAVAILABLE = 4503
"""WebSocket close codes of the private range (RFC 6455, section 7.4.2), after HTTP's statuses."""

RECHECK_SECONDS = 1.0

Close = Callable[[int, str], Awaitable[None]]


def close_code(refusal: Refusal) -> int:
    """Give the close code that says why."""
    if isinstance(refusal, Forbidden):
        return CLOSE_FORBIDDEN
    return CLOSE_UNAVAILABLE if isinstance(refusal, Unavailable) else CLOSE_NOT_AUTHENTICATED


async def watch(
    authenticator: Authenticator,
    who: Principal,
    close: Close,
    *,
    recheck_seconds: float = RECHECK_SECONDS,
) -> None:
    """Judge a caller again every ``recheck_seconds``, and close once it is no longer let in."""
    while True:
        await asyncio.sleep(recheck_seconds)
        try:
            await authenticator.still_valid(who)
        except Refusal as refusal:
            await close(close_code(refusal), refusal.reason)
            return
        except Exception:  # noqa: BLE001 - logged, and the socket is closed
            # Whatever a revocation raises, a socket that nobody judges must not stay open.
            _log.exception("An open WebSocket could not be judged again.")
            await close(CLOSE_UNAVAILABLE, REVOCATION_UNKNOWN)
            return
