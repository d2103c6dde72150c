"""What keeps buckets: one process's memory, or a server that several processes share."""

from typing import NamedTuple, Protocol

from doorward.server.limits.gcra import Rate


class Charge(NamedTuple):
    """Steps to be taken from the bucket named ``key``; without ``keep`` it is only looked at."""

    key: str
    rate: Rate
    cost: int = 1
    keep: bool = True


class Limiter(Protocol):
    """Keeps buckets."""

    async def take(self, *charges: Charge) -> list[int]:
        """Take charges in their order, up to the first that is refused, and give each one's slack.

        What stood before a refused one stays taken.
        """

    async def aclose(self) -> None:
        """Let go of what is held open."""
