"""One commit on its way: the commands that share it, and all that they add to the trail.

A command's rows lie in its savepoint, which is opened with the first look at any; what it adds to
the trail is held until every command has run. So a command that is undone leaves no gap in a
chain, one that only audits costs no statement, and a commit adds all its entries at once.
"""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection as SqliteConnection
from typing import cast

from sqlalchemy import Connection

from doorward.server.audit.chain import canonical
from doorward.server.audit.model import AuditEntry
from doorward.server.store.sql.chaining import Held, append, chain_of_workspace


class Commit:
    """What one transaction carries; its time is fixed."""

    def __init__(self, connection: Connection, now: datetime, *, shared: bool) -> None:
        self.connection = connection
        self.now = now
        self._raw = cast("SqliteConnection", connection.connection.driver_connection)
        self._shared = shared
        self._open = False
        self._looked = False
        self._kept = 0
        self._held: list[Held] = []
        self._chains: dict[str, str | None] = {}

    def rows(self) -> Connection:
        """Give the connection for a command that may change rows."""
        self._looked = True
        self._chains.clear()
        if self._shared and not self._open:
            self._raw.execute("SAVEPOINT command")
            self._open = True
        return self.connection

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Hold entries for the trail; raises ValueError for what no database can hold."""
        for entry in entries:
            _check(entry)
            details = canonical(entry.details).decode() if entry.details else "{}"
            self._held.append(Held(self._chain_of(entry), entry, details))

    def keep(self) -> None:
        """Take what the command did."""
        self._kept = len(self._held)
        self._looked = False
        if self._open:
            self._raw.execute("RELEASE command")
            self._open = False

    def undo(self) -> None:
        """Undo what the command did, and nothing else."""
        del self._held[self._kept :]
        self._looked = False
        if self._open:
            self._raw.execute("ROLLBACK TO command")
            self._raw.execute("RELEASE command")
            self._open = False

    def finish(self) -> None:
        """Add what is held to its chains."""
        if self._held:
            append(self._raw, self._held)

    def _chain_of(self, entry: AuditEntry) -> str:
        """Give the chain of the workspace as it is now, or of whoever asked.

        It is remembered for as long as nobody looks at rows, who might give the workspace away.
        """
        workspace = entry.workspace_id
        if workspace is None:
            return entry.chain
        if self._looked:
            return chain_of_workspace(self._raw, workspace) or entry.chain
        if workspace not in self._chains:
            self._chains[workspace] = chain_of_workspace(self._raw, workspace)
        return self._chains[workspace] or entry.chain


def _check(entry: AuditEntry) -> None:
    """Refuse here what would fail with all the others of the commit."""
    for text in (
        entry.resource_name,
        entry.resource_id,
        entry.workspace_id,
        entry.agent,
        entry.actor_id,
        entry.reason,
        entry.credential_id,
    ):
        if text is not None and not text.isascii():
            text.encode()
