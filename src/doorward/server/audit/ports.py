"""What every transaction offers, whatever store is under it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from doorward.server.audit.model import AuditEntry, AuditFilter
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
