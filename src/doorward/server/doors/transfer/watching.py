"""Downloads under way in this process, each judged again before every piece that is sent.

So once it was said that a right is gone, nothing more is given to the network. Who reads nothing is
sent nothing, and waits: those are looked at every moment, and cut. One question asks about all of
them, so that hundreds cost little more than one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from doorward.server.commands import Store, Tx
from doorward.server.doors.passage import Passage
from doorward.server.permission.caller import Caller
from doorward.server.problems import Problem

log = logging.getLogger("doorward.transfer")

LOOK_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a download goes on by: whose credential must count, and what must still be allowed.

    ``still`` raises a Problem once it is not.
    """

    who: Caller
    still: Callable[[Tx], object]


class DownloadEnded(Exception):
    """A right is gone by which a download went on."""


class Watched:
    """One download under way; ``stands`` judges it."""

    def __init__(
        self, welcome: Welcome, passage: Passage, stands: Callable[["Watched"], bool]
    ) -> None:
        self.welcome = welcome
        self._passage = passage
        self.evidence: object = None
        self._stands = stands
        self._began = False
        self._ended = False
        self._task = asyncio.current_task()

    @contextmanager
    def piece(self) -> Iterator[None]:
        """Judge, and send a piece in the block, in whichever thread; raises DownloadEnded.

        Whoever ends something waits for those in between. The first piece comes with the answer to
        a request that was judged.
        """
        with self._passage.inside():
            began, self._began = self._began, True
            if self._ended or (began and not self._stands(self)):
                raise DownloadEnded
            yield

    def end(self) -> None:
        """Cut it, wherever it waits."""
        if self._task is not None and not self._ended:
            self._ended = True
            self._task.cancel()

    def leave(self) -> None:
        """Be out of reach: what the task does afterwards is not to be cut."""
        self._task = None

    def was_ended(self) -> bool:
        """Say whether a cancellation was our own, and take that one back."""
        if self._ended and self._task is not None:
            self._task.uncancel()
        return self._ended


class Watch:
    """The downloads of one process."""

    def __init__(self, store: Store, revoked: Callable[[Caller], bool], passage: Passage) -> None:
        self._store = store
        self._passage = passage
        self._revoked = revoked
        self._watched: list[Watched] = []
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, welcome: Welcome) -> Iterator[Watched]:
        """Watch the current task while the block runs."""
        one = Watched(welcome, self._passage, self._stands)
        self._watched.append(one)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            yield one
        finally:
            one.leave()
            self._watched.remove(one)

    def _stands(self, one: Watched) -> bool:
        """Judge one at once, in whichever thread; what can't be judged does not stand."""
        try:
            one.evidence = self._store.judge(one.welcome.still, one.evidence)
            return not self._revoked(one.welcome.who)
        except Problem:
            return False
        except Exception:
            log.exception("a download under way could not be judged, and ends")
            return False

    async def _keep_looking(self) -> None:
        while self._watched:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except Exception:  # downloads go on while rows can't be read
                log.exception("the downloads under way could not be judged")

    async def _look(self) -> None:
        watched = list(self._watched)
        over = await self._store.read(lambda tx: [_is_over(tx, one.welcome) for one in watched])
        for one, is_over in zip(watched, over, strict=True):
            if is_over or self._is_revoked(one.welcome.who):
                one.end()

    def _is_revoked(self, who: Caller) -> bool:
        """Ask of one; where that can't be said it is over too, and the next one is asked about."""
        try:
            return self._revoked(who)
        except Problem:
            log.exception("whether a download under way was revoked can't be said, and it ends")
            return True


def _is_over(tx: Tx, welcome: Welcome) -> bool:
    """Judge one; what can't be judged is over too, and keeps no other from being judged."""
    try:
        welcome.still(tx)
    except Problem:
        return True
    except Exception:
        log.exception("a download under way could not be judged, and ends")
        return True
    return False
