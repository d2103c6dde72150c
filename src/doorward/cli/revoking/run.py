"""The bench itself: one credential after the other ends at a random moment, and is watched end."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from doorward.cli.revoking.findings import Findings
from doorward.cli.revoking.host import Host
from doorward.cli.revoking.sockets import holder_of
from doorward.cli.revoking.transfers import Reading, Sending
from doorward.cli.revoking.victims import Kind, Victim, make_victim
from doorward.cli.revoking.wire import Answer, BenchFailed, Wire
from doorward.cli.revoking.world import World

_BEFORE_SECONDS = (0.03, 0.15)
_LINGER_SECONDS = 2.0  # for which what was bought goes on being tried after the end
_REFUSED_TIMES = 1  # at each door, over each connection
_CONNECTING_MAX = 200
_HELD_BY_EACH = 2  # connections
_MAKING_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    revocations: int = 1000
    workers: int = 4
    uploads: int = 50
    seed: int = 0


@dataclass(slots=True)
class Bench:
    """One run."""

    world: World
    size: Size
    tell: Callable[[str], None]
    findings: Findings = field(default_factory=Findings)
    _random: Random = field(init=False)
    _living: list[Victim] = field(default_factory=list)
    _ending: list[asyncio.Task[None]] = field(default_factory=list)
    _uploads: list[tuple[str, str, int]] = field(default_factory=list)

    async def run(self) -> Findings:
        """Revoke so many, and give what was found; raises BenchFailed."""
        self._random = Random(self.size.seed)  # noqa: S311 - to be the same again
        refreshing = asyncio.create_task(self.world.keep_refreshing())
        wires = await self._wires()
        try:
            await self._fill()
            for done in range(self.size.revocations):
                await self._revoke_one(wires)
                await self._fill()
                if (done + 1) % 25 == 0:
                    self.tell(f"{done + 1} of {self.size.revocations} revoked")
                if refreshing.done():
                    refreshing.result()
            await self._settle()
        finally:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
            await self._stop_all()
            for wire in wires:
                wire.close()
        return self.findings

    async def _wires(self) -> list[Wire]:
        """Open connections until every worker holds two, or as many as chance needs."""
        host, workers = self.world.host, self.world.host.workers()
        wires: list[Wire] = []
        held: dict[int, int] = {}
        for number in range(_CONNECTING_MAX):
            wire = Wire(host.name, host.port)
            port = await wire.open()
            answer = await wire.ask("GET", "/healthz")
            holder = holder_of(port, host.port, workers) if answer.accepted else None
            if holder is None or held.get(holder, 0) < _HELD_BY_EACH:
                held[holder or -number] = held.get(holder or -number, 0) + 1
                wires.append(wire)
            else:
                wire.close()
            if len(wires) >= _HELD_BY_EACH * self.size.workers:
                break
        self.findings.met = sum(1 for holder in held if holder > 0)
        return wires

    async def _fill(self) -> None:
        """Have as many credentials living as there are to be uploads under way."""
        while len(self._living) < self.size.uploads:
            few = min(_MAKING_AT_ONCE, self.size.uploads - len(self._living))
            kinds = self._random.choices(list(Kind), k=few)
            made = (make_victim(self.world, kind, self._random) for kind in kinds)
            self._living += await asyncio.gather(*made)

    async def _revoke_one(self, wires: list[Wire]) -> None:
        victim = self._living.pop(self._random.randrange(len(self._living)))
        for one in victim.transfers.under_way():
            one.busy = True
        over = asyncio.Event()
        asked: list[tuple[str, Answer]] = []
        knocking = [
            asyncio.create_task(_knock(wire, victim, number, over, asked))
            for number, wire in enumerate(wires)
        ]
        await asyncio.sleep(self._random.uniform(*_BEFORE_SECONDS))
        call = await victim.ways.end()
        bound = self._bound(victim)
        over.set()
        await asyncio.gather(*knocking)
        if not call.accepted:
            raise BenchFailed(f"{victim.kind} was not revoked: {call.status}")
        self.findings.calls[victim.kind].append(call.answered - call.sent)
        self._judge_answers(victim, call, asked)
        self._ending.append(asyncio.create_task(self._see_end(victim, call, bound)))

    def _bound(self, victim: Victim) -> int | None:
        """Say, at once after the answer, how many bytes of the download were on their way."""
        reading = victim.transfers.reading
        if reading is None:
            return None
        reachable = reading.reachable()
        if reachable is None:
            self.findings.unbounded += 1
        else:
            self.findings.left.append(reachable - reading.total)
        return reachable

    def _judge_answers(self, victim: Victim, call: Answer, asked: list[tuple[str, Answer]]) -> None:
        for door in victim.doors:
            taken = [one for name, one in asked if name == door and one.accepted]
            early = [
                one
                for name, one in asked
                if name == door and not one.accepted and one.answered < call.sent
            ]
            late = [one for one in taken if one.sent > call.answered]
            if early:
                self.findings.violated(victim.kind, door, f"{early[0].status} before its end")
            if late:
                after = (max(one.sent for one in late) - call.answered) * 1000
                self.findings.violated(victim.kind, door, f"let in {after:.1f} ms after its end")
            if taken:
                last = max(one.sent for one in taken)
                self.findings.accepted[door, victim.kind].append(last - call.answered)

    async def _see_end(self, victim: Victim, call: Answer, bound: int | None) -> None:
        transfers = victim.transfers
        tasks = [one.task for one in transfers.under_way() if one.task is not None]
        _, going_on = await asyncio.wait(tasks, timeout=_LINGER_SECONDS)
        for one in transfers.under_way():
            self._judge_cut(victim, one, call)
            one.stopped = True
        if going_on:
            await asyncio.wait(going_on, timeout=_LINGER_SECONDS)
        if transfers.reading is not None and bound is not None:
            self._judge_reading(victim, transfers.reading, call, bound)
        if transfers.sending is not None:
            await self._judge_sending(victim, transfers, call)

    def _judge_cut(self, victim: Victim, one: Sending | Reading, call: Answer) -> None:
        """Note how long the connection outlived the credential; that it did is no violation."""
        door = "upload" if isinstance(one, Sending) else "download"
        if one.ended is None:
            self.findings.cut[door, victim.kind].append(_LINGER_SECONDS)
        elif one.ended.at < call.sent:
            self.findings.violated(victim.kind, door, f"ended before it: {one.ended.how}")
        else:
            self.findings.cut[door, victim.kind].append(max(0.0, one.ended.at - call.answered))

    def _judge_reading(self, victim: Victim, reading: Reading, call: Answer, bound: int) -> None:
        if reading.total > bound:
            late = next(at for at, total in reading.read if total > bound) - call.answered
            what = (
                f"{reading.total - bound} bytes were sent after its end, read {late * 1000:.1f} ms"
            )
            self.findings.violated(victim.kind, "download", what)

    async def _judge_sending(self, victim: Victim, transfers: Any, call: Answer) -> None:
        """Ask, as somebody else, how much is said to be kept, and when that had been sent."""
        sending: Sending = transfers.sending
        early = max((total for at, total in sending.sent if at <= call.answered), default=0)
        self._uploads.append((victim.kind, transfers.upload_id, early))
        shown = await self.world.received(transfers.upload_id)
        offsets = [shown["received_bytes"], *(offset for _, offset in sending.acknowledged)]
        last = sending.sent_at(max(offsets))
        if last is not None:
            self.findings.accepted["upload", victim.kind].append(last - call.answered)
            if last > call.answered:
                what = f"bytes of {(last - call.answered) * 1000:.1f} ms after its end were kept"
                self.findings.violated(victim.kind, "upload", what)

    async def _settle(self) -> None:
        """See every end, and ask once more what is kept of every upload."""
        await asyncio.gather(*self._ending)
        for victim in self._living:
            for one in victim.transfers.under_way():
                if one.ended is not None:
                    self.findings.violated(victim.kind, "transfer", f"no end: {one.ended.how}")
        for kind, upload_id, early in self._uploads:
            shown = await self.world.received(upload_id)
            if shown["received_bytes"] > early or shown["status"] == "complete":
                self.findings.violated(
                    kind, "upload", f"{shown['received_bytes']} bytes in the end"
                )

    async def _stop_all(self) -> None:
        transfers = [one for victim in self._living for one in victim.transfers.under_way()]
        tasks = [one.task for one in transfers if one.task is not None] + self._ending
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _knock(
    wire: Wire, victim: Victim, number: int, over: asyncio.Event, asked: list[tuple[str, Answer]]
) -> None:
    """Ask at the doors in turn, until each was asked a few times after the end."""
    doors, since = list(victim.doors), 0
    while since < _REFUSED_TIMES * len(doors):
        door = doors[number % len(doors)]
        number, since = number + 1, since + over.is_set()
        method, path = victim.doors[door]
        asked.append((door, await wire.ask(method, path, victim.bearer(door))))


async def measure(size: Size, data: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Start a server over an empty folder, and give what was found; raises BenchFailed."""
    with Host(data, size.workers) as host:
        began = time.monotonic()
        world = await World.open(host, data)
        try:
            bench = Bench(world, size, tell)
            findings = await bench.run()
        finally:
            world.close()
        errors = host.errors()
        for line in errors[:5]:
            findings.violated("server", "log", line[:200])
        return {
            "size": {"revocations": size.revocations, "workers": size.workers}
            | {"uploads": size.uploads, "seed": size.seed},
            "seconds": round(time.monotonic() - began, 1),
            "workers_met": findings.met,
            "sessions_refreshed": world.refreshed,
            "findings": findings,
        }
