"""One command, one transaction, one audit entry: how every door calls a service."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from doorward.server.alerts.ports import AlertTx
from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record, record_problem
from doorward.server.integrity.ports import IntegrityTx
from doorward.server.oauth.ports import OAuthTx
from doorward.server.permission.judgement import Judgement
from doorward.server.problems import Internal, Problem
from doorward.server.transfers.ports import TransferTx

T = TypeVar("T")

log = logging.getLogger("doorward.commands")


class Tx(IntegrityTx, OAuthTx, AlertTx, TransferTx, Protocol):
    """A transaction over everything."""


class Store(Protocol):
    """Runs commands; a command is a plain function that never waits for anything but rows."""

    async def write(self, command: Callable[[Tx], T]) -> T:
        """Run a command alone in a transaction; when this returns, its changes are durable."""

    async def read(self, command: Callable[[Tx], T]) -> T:
        """Run a command over one steady view of the rows; it must not change any."""

    def judge(self, command: Callable[[Tx], object], earlier: object = None) -> object:
        """Run a command that judges, at once, unless what it read ``earlier`` reads the same.

        Gives what it read; raises what the command raises.
        """

    def post(self, command: Callable[[Tx], object]) -> None:
        """Run a command soon, in order, without waiting for it."""

    @property
    def closing(self) -> bool:
        """Say whether the store is being closed."""


async def change(store: Store, attempt: Attempt, command: Callable[[Tx], T]) -> T:
    """Run a command that changes something and audits its own success.

    What goes wrong is audited in a transaction of its own, since the command's is rolled back.
    """
    told = _Told(command)
    try:
        return await store.write(told)
    except Problem as problem:
        attempt = replace(attempt, judgement=told.judgement)
        await refused(store, lambda tx: placed(tx, attempt), problem)
        raise
    except Exception:
        await refused(store, lambda tx: placed(tx, attempt), Internal())
        raise


async def look(
    store: Store,
    attempt: Attempt,
    command: Callable[[Tx], T],
    *,
    seen: Callable[[T], Target] | None = None,
    wait: bool = False,
) -> T:
    """Run a command that only reads, and audit it.

    ``seen`` names what was found, where that says more than what was asked for. With ``wait`` the
    entry is durable before the caller gets to see anything.
    """
    told = _Told(command)
    try:
        found = await store.read(told)
    except Problem as problem:
        attempt = replace(attempt, judgement=told.judgement)
        await refused(store, lambda tx: placed(tx, attempt), problem)
        raise
    attempt = replace(attempt, judgement=told.judgement)
    if seen is not None:
        attempt = replace(attempt, target=seen(found))
    if wait:
        await store.write(lambda tx: record(tx, attempt))
    else:
        store.post(lambda tx: record(tx, attempt))
    return found


class _Told(Generic[T]):
    """A command that tells what was decided in it, whatever came of it."""

    def __init__(self, command: Callable[[Tx], T]) -> None:
        self._command = command
        self.judgement: Judgement | None = None

    def __call__(self, tx: Tx) -> T:
        try:
            return self._command(tx)
        finally:
            self.judgement = tx.judgement


async def refused(store: Store, attempt: Callable[[Tx], Attempt], problem: Problem) -> None:
    """Audit what came of an attempt that ended in a problem; a trail that fails is logged.

    ``attempt`` may look things up to say more of what was tried.
    """
    try:
        await store.write(lambda tx: record_problem(tx, attempt(tx), problem))
    except Exception:
        log.exception("the audit entry of a refusal could not be stored")


def placed(tx: Tx, attempt: Attempt) -> Attempt:
    """Find the workspace of what was asked for, so that whoever answers for it sees the refusal."""
    target = attempt.target
    if target.workspace_id is not None or target.id is None:
        return attempt
    if target.kind == "upload":
        upload = tx.uploads.get(target.id)
        workspace_id = upload.workspace_id if upload else None
    elif target.kind in {"key", "token", "client", "grant"}:
        workspace_id = None
    elif target.kind == "link":
        link = tx.links.get(target.id)
        workspace_id = link.workspace_id if link else None
    else:
        workspace_id = tx.files.workspace_of(target.id)
    return replace(attempt, target=replace(target, workspace_id=workspace_id))
