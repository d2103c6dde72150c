"""A part of a chain as lines that verify without the server: functions over one transaction each.

Rows that the caller may not see are there by their digests alone, so that the chain still holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from doorward.server.audit.chain import FORMAT, canonical, digest_of
from doorward.server.audit.model import AuditFilter, ChainRow
from doorward.server.audit.ports import Transaction
from doorward.server.audit.pruning import time_text
from doorward.server.audit.signing import Signer, Statement

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

ROWS_AT_ONCE = 500
HEADS_MAX = 1000


class ExportCut(Exception):
    """Rows were pruned while they were being exported: the export ends without its end."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Positions ``first`` to ``last`` of a chain, after ``previous``.

    ``complete`` where nothing comes after; of other workspaces than ``workspace_id`` only digests
    are shown, unless it is None.
    """

    chain: str
    workspace_id: str | None
    first: int
    last: int
    previous: str
    hash: str
    complete: bool
    time: str


def plan(tx: Transaction, where: AuditFilter) -> Extract:
    """Find which part of its chain a filter covers: from its first row to its last one.

    Without an ``until``, that goes to the end of the chain.
    """
    chain = where.chain or tx.audit.chain_of(where.workspace_id or "") or ""
    end, complete = tx.audit.end_of(chain), where.until is None
    first, last = tx.audit.bounds(where) or (end.position + 1, end.position)
    last = end.position if complete else last
    start = tx.audit.pruned_to(chain)
    previous = tx.audit.hash_at(chain, first - 1) or start.hash
    return Extract(
        chain,
        where.workspace_id,
        first,
        last,
        previous,
        tx.audit.hash_at(chain, last) or previous,
        complete,
        time_text(tx.now),
    )


@dataclass(slots=True)
class Writing:
    """The lines of one export, one part after another, and the digest of all so far."""

    extract: Extract
    signer: Signer
    position: int = 0
    _digest: "Hash" = field(default_factory=sha256)

    def begin(self) -> bytes:
        """Give the header."""
        extract = self.extract
        self.position = extract.first - 1
        return self._lines(
            {
                "type": "header",
                "format": FORMAT,
                "chain": extract.chain,
                "workspace_id": extract.workspace_id,
                "first": extract.first,
                "last": extract.last,
                "previous": extract.previous,
                "complete": extract.complete,
                "time": extract.time,
                "public_key": self.signer.public.pem(),
            }
        )

    def statements(self, statements: Sequence[Statement]) -> bytes:
        """Give heads, or proofs of what was pruned."""
        return self._lines(*statements)

    def go_on(self, tx: Transaction) -> bytes:
        """Give the next rows, nothing at the end; raises ExportCut."""
        most = min(ROWS_AT_ONCE, self.extract.last - self.position)
        rows = tx.audit.chained(self.extract.chain, self.position, most) if most else []
        if len(rows) != most or (rows and rows[0].content["position"] != self.position + 1):
            raise ExportCut
        lines: list[Statement] = []
        for row in rows:
            self.position += 1
            self._tell(row, lines)
        return self._lines(*lines)

    def end(self) -> bytes:
        """Give the end, which signs all the lines before it."""
        extract = self.extract
        end = self.signer.sign(
            "end",
            chain=extract.chain,
            position=extract.last,
            hash=extract.hash,
            time=extract.time,
            sha256=self._digest.hexdigest(),
        )
        return self._lines(end)

    def _tell(self, row: ChainRow, lines: list[Statement]) -> None:
        workspace_id = self.extract.workspace_id
        if workspace_id is None or row.content["workspace_id"] == workspace_id:
            content = {name: value for name, value in row.content.items() if value is not None}
            lines.append({"type": "row", "row": content, "hash": row.hash})
            return
        if not lines or lines[-1]["type"] != "withheld":
            lines.append({"type": "withheld", "position": self.position, "digests": []})
        lines[-1]["digests"].append(digest_of(row.content))

    def _lines(self, *said: Statement) -> bytes:
        lines = b"".join(canonical(one) + b"\n" for one in said)
        self._digest.update(lines)
        return lines
