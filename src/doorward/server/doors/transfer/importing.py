"""Imports: how many run at once, how they begin, and how they end with the server."""

import asyncio
from dataclasses import dataclass

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import refused
from doorward.server.doors.house import House
from doorward.server.doors.transfer.fetching import Fetch, FetchBounds
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.outbound.sending import Outbound
from doorward.server.outbound.targets import target_of
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import AddressNotAllowed, Json, Problem, TooManyRequests
from doorward.server.uploads.importing import NewImport, require_import
from doorward.server.uploads.model import Upload


@dataclass(frozen=True, slots=True)
class ImportBounds:
    """How many imports run at once in this process, and what holds for each."""

    each: FetchBounds
    at_once_max: int = 16
    by_one_user_max: int = 4


class Importer:
    """Runs imports behind the answers to those who asked for them."""

    def __init__(
        self, house: House, receiver: Receiver, outbound: Outbound, bounds: ImportBounds
    ) -> None:
        self._house = house
        self._receiver = receiver
        self._outbound = outbound
        self._bounds = bounds
        self._running: dict[asyncio.Task[None], str] = {}

    async def start(self, who: Caller, workspace_id: str, new: NewImport) -> Upload:
        """Begin to fetch, and give the upload once its size is known; audited either way.

        Raises WorkspaceNotFound, PermissionDenied, TooManyRequests, AddressNotAllowed,
        UpstreamFailed, SizeUnknown, and what ``create_upload`` does.
        """
        try:
            await self._house.store.read(lambda tx: require_import(tx, who, workspace_id))
            return await self._begin(who, workspace_id, new)
        except Problem as problem:
            target = Target(workspace_id, "upload", None, new.name)
            attempt = Attempt(Action.UPLOAD_IMPORT, target, who, _told(new.url))
            await refused(self._house.store, lambda _: attempt, problem)
            raise

    async def close(self) -> None:
        """End what is running; its uploads say that the server stopped."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _begin(self, who: Caller, workspace_id: str, new: NewImport) -> Upload:
        self._refuse_too_many(who)
        fetch = Fetch(self._house, self._receiver, self._outbound, self._bounds.each)
        task = asyncio.create_task(fetch.run(who, workspace_id, new))
        self._running[task] = who.user_id
        task.add_done_callback(self._running.pop)
        return await asyncio.shield(fetch.begun)

    def _refuse_too_many(self, who: Caller) -> None:
        own = sum(user_id == who.user_id for user_id in self._running.values())
        if own >= self._bounds.by_one_user_max or len(self._running) >= self._bounds.at_once_max:
            raise TooManyRequests(headers={"Retry-After": "10"})


def _told(url: str) -> dict[str, Json]:
    """Give what the trail may hold of a URL: its path may be a secret."""
    try:
        return {"origin": target_of(url).origin}
    except AddressNotAllowed:
        return {}
