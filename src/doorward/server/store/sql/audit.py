"""The append-only audit trail."""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection as SqliteConnection
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select

from doorward.server.audit.chain import canonical, genesis
from doorward.server.audit.contents import content_of
from doorward.server.audit.model import (
    AuditEntry,
    AuditFilter,
    AuditOutcome,
    ChainEnd,
    ChainRow,
)
from doorward.server.audit.signing import Statement
from doorward.server.paging import Page
from doorward.server.store.sql.chaining import chain_of_workspace
from doorward.server.store.sql.commit import Commit
from doorward.server.store.sql.tables import audit, audit_proofs

_OF_REQUEST_MAX = 1000
_ENDS = """
WITH RECURSIVE chains(chain) AS (
    SELECT min(chain) FROM audit
    UNION ALL
    SELECT (SELECT min(chain) FROM audit WHERE chain > chains.chain) FROM chains
    WHERE chains.chain IS NOT NULL
)
SELECT audit.chain, audit.position, audit.hash FROM chains JOIN audit ON audit.chain = chains.chain
AND audit.position = (SELECT max(position) FROM audit WHERE audit.chain = chains.chain)
"""
_CHAINED = "SELECT * FROM audit WHERE chain = ? AND position > ? ORDER BY position LIMIT ?"


class SqlAudit:
    """AuditRows over the table ``audit``; without a ``commit`` nothing can be added."""

    def __init__(self, connection: Connection, commit: Commit | None) -> None:
        self._connection = connection
        self._commit = commit

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries, in their order, with the commit that is on its way."""
        if self._commit is None:
            raise RuntimeError("A look adds nothing to the trail.")
        self._commit.add(entries)

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

    def chain_of(self, workspace_id: str) -> str | None:
        """Give the chain of a workspace, deleted or not, None where there never was one."""
        raw = cast("SqliteConnection", self._connection.connection.driver_connection)
        return chain_of_workspace(raw, workspace_id)

    def ends(self) -> list[ChainEnd]:
        """Give the last row of every chain, found by as many steps as there are chains."""
        found = self._connection.exec_driver_sql(_ENDS)
        return [ChainEnd(*row) for row in found]

    def end_of(self, chain: str) -> ChainEnd:
        """Give a chain's last row, there or pruned, or what stands before its first."""
        last = select(audit.c.position, audit.c.hash).where(audit.c.chain == chain)
        row = self._connection.execute(last.order_by(audit.c.position.desc()).limit(1)).first()
        return self.pruned_to(chain) if row is None else ChainEnd(chain, *row)

    def hash_at(self, chain: str, position: int) -> str | None:
        """Give a row's hash, None where there is no such row."""
        query = select(audit.c.hash).where(audit.c.chain == chain, audit.c.position == position)
        return self._connection.execute(query).scalar_one_or_none()

    def pruned_to(self, chain: str) -> ChainEnd:
        """Give the last row that was pruned from a chain, or what stands before its first."""
        last = select(audit_proofs.c.last, audit_proofs.c.hash).where(audit_proofs.c.chain == chain)
        row = self._connection.execute(last.order_by(audit_proofs.c.last.desc()).limit(1)).first()
        return ChainEnd(chain, 0, genesis(chain)) if row is None else ChainEnd(chain, *row)

    def proofs(self, chain: str, after: int, limit: int) -> list[str]:
        """Give signed proofs of pruning of a chain, as they were written, those after a row."""
        query = select(audit_proofs.c.statement).where(
            audit_proofs.c.chain == chain, audit_proofs.c.last > after
        )
        found = self._connection.execute(query.order_by(audit_proofs.c.last).limit(limit))
        return list(found.scalars())

    def chained(self, chain: str, after: int, limit: int) -> list[ChainRow]:
        """Give rows of a chain in its order, those after a position."""
        found = self._connection.exec_driver_sql(_CHAINED, (chain, after, limit))
        columns = list(found.keys())
        return [ChainRow(*content_of(columns, row)) for row in found]

    def bounds(self, where: AuditFilter) -> tuple[int, int] | None:
        """Give the first and the last position of matching entries, which are of one chain."""
        query = select(func.min(audit.c.position), func.max(audit.c.position))
        first, last = self._connection.execute(query.where(*_conditions(where))).one()
        return None if first is None else (first, last)

    def oldest(self) -> tuple[str, datetime] | None:
        """Give chain and time of the oldest row of all."""
        query = select(audit.c.chain, audit.c.time).order_by(audit.c.sequence).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else (row.chain, row.time)

    def prune(self, proof: Statement) -> None:
        """Remove the rows that a signed proof covers; without it, triggers refuse to."""
        self._connection.execute(
            insert(audit_proofs),
            {name: proof[name] for name in ("chain", "first", "last", "hash")}
            | {"statement": canonical(proof).decode()},
        )
        covered = (audit.c.chain == proof["chain"], audit.c.position <= proof["last"])
        self._connection.execute(delete(audit).where(*covered))


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    equal = {
        audit.c.workspace_id: where.workspace_id,
        audit.c.chain: where.chain,
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
