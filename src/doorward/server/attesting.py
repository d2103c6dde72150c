"""Signs where every chain of the trail ends, again and again, and takes that out of the house.

What was attested and is not there any more, or is something else, was tampered with. Nothing is
attested before it is committed, nor over a chain in which an earlier head does not hold any more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from doorward.server.audit.keeping import HeadsFile
from doorward.server.audit.model import ChainEnd
from doorward.server.audit.pruning import time_text
from doorward.server.audit.signing import Signer
from doorward.server.commands import Store, Tx
from doorward.server.outbound.sending import Outbound, Request
from doorward.server.problems import Problem

log = logging.getLogger("doorward.audit")

POST_BYTES_MAX = 256 << 10
_POSTS_MAX = 64
_ANSWER_BYTES_MAX = 64 << 10
_ANSWER_SECONDS_MAX = 10.0


class Attesting:
    """Writes heads to the folder's file, and sends them on where a URL says so.

    Files of heads that were set aside go after ``days``, with 0 never.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        file: HeadsFile,
        clock: Callable[[], datetime],
        outbound: Outbound,
        url: str | None = None,
        days: int = 0,
        broken: Callable[[str, int], Awaitable[None]] | None = None,
    ) -> None:
        self._on_broken = broken
        self._store = store
        self._signer = signer
        self._file = file
        self._clock = clock
        self._outbound = outbound
        self._url = url
        self._days = days
        self._unreached = False
        self.broken: dict[str, int] = {}

    async def keep_attesting(self, period_seconds: float) -> None:
        """Attest again and again until cancelled; a round that fails is logged and tried again."""
        while True:
            await asyncio.sleep(period_seconds)
            try:
                await self.attest()
            except Exception:  # one round that fails must not be the last one
                log.exception("heads of the audit trail could not be written")

    async def attest(self) -> None:
        """Write a head for each chain that has grown, unless another process does."""
        if not await asyncio.to_thread(self._file.hold):
            return
        known = set(self.broken)
        grown = await self._store.read(self._grown)
        for chain in self.broken.keys() - known:
            if self._on_broken is not None:
                await self._on_broken(chain, self.broken[chain])
        if grown:
            time = time_text(self._clock())
            heads = [
                self._signer.sign("head", chain=c, position=p, hash=h, time=time)
                for c, p, h in grown
            ]
            await asyncio.to_thread(self._file.add, heads)
        all_sent = self._url is None or await self._send_on(self._url)
        await asyncio.to_thread(lambda: self._file.turn(all_sent=all_sent))
        if self._days:
            before = self._clock() - timedelta(self._days)
            await asyncio.to_thread(self._file.forget, before.timestamp())

    async def finish(self) -> None:
        """Attest what was committed last, and let others hold the file."""
        try:
            if not self._store.closing:
                await self._store.write(lambda _: None)  # behind everything that was posted
                await self.attest()
        except Exception:
            log.exception("the last heads of the audit trail could not be written")
        finally:
            self._file.close()

    def _grown(self, tx: Tx) -> list[ChainEnd]:
        """Give the ends of chains that grew; a chain that lost an attested row is left as it is."""
        ends = {end.chain: end for end in tx.audit.ends()}
        for chain, head in self._file.latest.items():
            end = ends.get(chain) or tx.audit.pruned_to(chain)
            if end.position == head.position:
                ends.pop(chain, None)
            pruned = tx.audit.pruned_to(chain).position >= head.position
            if not pruned and tx.audit.hash_at(chain, head.position) != head.hash:
                ends.pop(chain, None)
                self._tell_broken(chain, head.position)
        return list(ends.values())

    def _tell_broken(self, chain: str, position: int) -> None:
        if chain not in self.broken:
            self.broken[chain] = position
            log.error(
                "the audit chain %s is broken: position %d is not what was attested. Run "
                "'doorward audit verify', and keep the data folder as it is.",
                chain,
                position,
            )

    async def _send_on(self, url: str) -> bool:
        """Send what is new, oldest first, and say whether that is all of it.

        What can't be sent is tried again by the next round.
        """
        for _ in range(_POSTS_MAX):
            until, lines = await asyncio.to_thread(self._file.unsent, POST_BYTES_MAX)
            if not lines:
                return True
            if not await self._post(url, lines):
                return False
            await asyncio.to_thread(self._file.sent, until)
        return False

    async def _post(self, url: str, lines: bytes) -> bool:
        request = Request(url, "POST", {"Content-Type": "application/jsonl"}, lines)
        try:
            async with self._outbound.send(request) as answer:
                await answer.read(_ANSWER_BYTES_MAX, _ANSWER_SECONDS_MAX)
                taken = 200 <= answer.status < 300  # noqa: PLR2004 - the statuses of success
        except Problem as problem:
            taken = False
            log.debug("heads of the audit trail: %s", problem.reason)
        if not taken and not self._unreached:
            log.warning("DOORWARD_AUDIT_HEADS_URL takes no heads; they are sent again later")
        self._unreached = not taken
        return taken
