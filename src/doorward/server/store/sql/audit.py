"""The append-only audit trail."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from doorward.server.audit.model import AuditEntry, AuditFilter, AuditOutcome
from doorward.server.paging import Page
from doorward.server.store.sql.tables import audit

_ADD = insert(audit)
_OF_REQUEST_MAX = 1000
_FIELDS = [field.name for field in fields(AuditEntry) if field.name != "sequence"]


class SqlAudit:
    """AuditRows over the table ``audit``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries, in their order."""
        rows = [{name: getattr(entry, name) for name in _FIELDS} for entry in entries]
        self._connection.execute(_ADD, rows)

    def page(self, where: AuditFilter, page: Page) -> list[AuditEntry]:
        """List matching entries, newest first."""
        query = select(audit).where(*_conditions(where))
        after = page.after_number()
        if after is not None:
            query = query.where(audit.c.sequence < after)
        query = query.order_by(audit.c.sequence.desc()).limit(page.limit + 1)
        found = self._connection.execute(query)
        return [_entry(row) for row in found]

    def of_request(self, request_id: str) -> list[AuditEntry]:
        """List what one request left, oldest first."""
        query = select(audit).where(audit.c.request_id == request_id)
        found = self._connection.execute(query.order_by(audit.c.sequence).limit(_OF_REQUEST_MAX))
        return [_entry(row) for row in found]


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    equal = {
        audit.c.workspace_id: where.workspace_id,
        audit.c.actor_id: where.actor_id,
        audit.c.credential_id: where.credential_id,
        audit.c.action: where.action,
        audit.c.outcome: where.outcome,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if where.since is not None:
        conditions.append(audit.c.time >= where.since)
    if where.until is not None:
        conditions.append(audit.c.time < where.until)
    return conditions


def _entry(row: Row[Any]) -> AuditEntry:
    values = row._asdict()
    values["outcome"] = AuditOutcome(values["outcome"])
    return AuditEntry(**values)
