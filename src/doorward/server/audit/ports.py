"""What every transaction offers, whatever store is under it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from doorward.server.audit.model import AuditEntry, AuditFilter, ChainEnd, ChainRow
from doorward.server.audit.signing import Statement
from doorward.server.paging import Page
from doorward.server.permission.judgement import Judgement

Tx_contra = TypeVar("Tx_contra", contravariant=True)


class AuditRows(Protocol):
    """The append-only trail."""

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries, in their order."""

    def page(self, where: AuditFilter, page: Page) -> list[AuditEntry]:
        """List matching entries, newest first."""

    def of_request(self, request_id: str) -> list[AuditEntry]:
        """List what one request left, oldest first."""

    def chain_of(self, workspace_id: str) -> str | None:
        """Give the chain of a workspace, deleted or not, None where there never was one."""

    def ends(self) -> list[ChainEnd]:
        """Give the last row of every chain that has one."""

    def end_of(self, chain: str) -> ChainEnd:
        """Give a chain's last row, there or pruned, or what stands before its first."""

    def hash_at(self, chain: str, position: int) -> str | None:
        """Give a row's hash, None where there is no such row."""

    def pruned_to(self, chain: str) -> ChainEnd:
        """Give the last row that was pruned from a chain, or what stands before its first."""

    def proofs(self, chain: str, after: int, limit: int) -> list[str]:
        """Give signed proofs of pruning of a chain, as they were written, those after a row."""

    def chained(self, chain: str, after: int, limit: int) -> list[ChainRow]:
        """Give rows of a chain in its order, those after a position."""

    def bounds(self, where: AuditFilter) -> tuple[int, int] | None:
        """Give the first and the last position of matching entries, which are of one chain."""

    def oldest(self) -> tuple[str, datetime] | None:
        """Give chain and time of the oldest row of all."""

    def prune(self, proof: Statement) -> None:
        """Remove the rows that a signed proof covers, and keep the proof."""


class Transaction(Protocol):
    """One command's view of the store: its time is fixed, its changes land together or not.

    ``judgement`` is the latest that was made in it, for the trail.
    """

    judgement: Judgement | None

    @property
    def now(self) -> datetime:
        """The time of the whole command, UTC."""

    def new_id(self, prefix: str) -> str:
        """Make an unguessable id such as ``file_…`` (128 random bits)."""

    @property
    def audit(self) -> AuditRows:
        """The audit trail."""
