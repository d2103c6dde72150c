"""Where limits stand, in the words of headers: RateLimit and RateLimit-Policy (IETF httpapi draft).

``q`` is how many there are in ``w`` seconds, ``r`` how many are left, and ``t`` after how many
seconds all of them are back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from doorward.server.doors.asgi import Message, Send
from doorward.server.limits.gcra import Rate, verdict

_UNITS = {"budget-bytes": "content-bytes"}
_FIELD = b"ratelimit"


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit after a draw of ``cost`` steps that left ``slack_us``."""

    name: str
    rate: Rate
    slack_us: int
    cost: int = 1


def limit_fields(standings: Iterable[Standing]) -> dict[str, str]:
    """Give both headers, none where nothing is limited."""
    policies, states = [], []
    for one in standings:
        now = verdict(one.rate, one.slack_us, one.cost)
        unit = f';qu="{_UNITS[one.name]}"' if one.name in _UNITS else ""
        policies.append(f'"{one.name}";q={one.rate.limit}{unit};w={one.rate.seconds}')
        states.append(f'"{one.name}";r={now.remaining};t={now.reset_seconds}')
    if not states:
        return {}
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def telling(send: Send, standings: list[Standing]) -> Send:
    """Give a send that tells, on the response, of all standings that there are by then.

    A refusal that tells of its own limit says no other.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and standings:
            headers = list(message["headers"])
            if all(name != _FIELD for name, _ in headers):
                found = limit_fields(standings).items()
                headers += [(name.lower().encode(), value.encode()) for name, value in found]
                message["headers"] = headers
        await send(message)

    return sending
