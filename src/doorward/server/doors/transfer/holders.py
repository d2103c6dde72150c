"""Requests that hold an upload in this process, so that a newer one can ask them to let go.

A connection that died is not told from a slow one; whoever comes anew to send the rest is more
likely to be alive. Other processes are asked by the upload's row, which is looked at for as long as
anything is held here.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from doorward.server.commands import Store
from doorward.server.doors.asgi import Message, Receive
from doorward.server.problems import LinkEnded, Problem, UploadSuperseded

log = logging.getLogger("doorward.transfer")

LOOK_SECONDS = 0.2


class Holding:
    """One request's hold; ``asked`` says that it is to let go, and ``why`` for what reason.

    ``takes`` says that what it brings counts by now, and what is wrong with it too.
    """

    def __init__(self, upload_id: str, holder: str, link_id: str | None) -> None:
        self.upload_id = upload_id
        self.holder = holder
        self.link_id = link_id
        self.asked = False
        self.why: Problem = UploadSuperseded()
        self.waiting = False
        self.takes = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def ask(self) -> None:
        """Ask it to let go, from whichever thread."""
        self._loop.call_soon_threadsafe(self._ask)

    def _ask(self) -> None:
        self.asked = True
        if self.waiting and self._task is not None:
            self._task.cancel()  # out of its wait for bytes, and out of nothing else

    async def next(self, body: Receive) -> Message:
        """Wait for bytes, unless it is asked to let go: then it raises why."""
        if self.asked:
            raise self.why
        self.waiting = True
        try:
            return await body()
        except asyncio.CancelledError:
            if self._was_asked():
                raise self.why from None
            raise
        finally:
            self.waiting = False

    def _was_asked(self) -> bool:
        """Say whether a cancellation was our own asking, and take that one back."""
        if self.asked and self._task is not None:
            self._task.uncancel()
        return self.asked


class Holders:
    """The holds of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: list[Holding] = []
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def holding(self, upload_id: str, holder: str, link_id: str | None = None) -> Iterator[Holding]:
        """Hold an upload while the block runs; whoever holds it here already is asked to let go."""
        self.ask(upload_id)
        one = Holding(upload_id, holder, link_id)
        self._held.append(one)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            yield one
        finally:
            self._held.remove(one)

    def ask(self, upload_id: str) -> None:
        """Ask whoever holds an upload in this process to let go of it."""
        for one in self._held:
            if one.upload_id == upload_id:
                one.ask()

    async def _watch(self) -> None:
        """Look whether uploads were taken over elsewhere, or links killed: one question for all."""
        while self._held:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except Exception:  # uploads go on while their rows can't be read
                log.exception("the holders of uploads could not be looked up")

    async def _look(self) -> None:
        held = [one for one in self._held if not one.asked]
        ids = [one.upload_id for one in held]
        links = {one.link_id for one in held if one.link_id is not None}
        holders, killed = await self._store.read(
            lambda tx: (tx.uploads.holders(ids), tx.links.killed(links))
        )
        for one in held:
            if one.link_id in killed:
                one.why = LinkEnded(reason="killed")
                one.ask()
            elif holders.get(one.upload_id) != one.holder:
                one.ask()
