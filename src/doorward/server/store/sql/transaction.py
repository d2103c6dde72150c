"""One transaction over all tables: where time is read and ids are made, and nowhere else."""

import secrets
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from doorward.server.permission.judgement import Judgement
from doorward.server.store.sql.alerts import SqlAlerts
from doorward.server.store.sql.audit import SqlAudit
from doorward.server.store.sql.blobs import SqlBlobs
from doorward.server.store.sql.clients import SqlClients
from doorward.server.store.sql.commit import Commit
from doorward.server.store.sql.contents import SqlContents
from doorward.server.store.sql.direct import SqlDirect
from doorward.server.store.sql.events import SqlEvents
from doorward.server.store.sql.files import SqlFiles
from doorward.server.store.sql.grants import SqlGrants
from doorward.server.store.sql.integrity import SqlIntegrity
from doorward.server.store.sql.keys import SqlKeys
from doorward.server.store.sql.links import SqlLinks
from doorward.server.store.sql.members import SqlMembers
from doorward.server.store.sql.transfers import SqlTransfers
from doorward.server.store.sql.uploads import SqlUploads
from doorward.server.store.sql.usage import SqlUsage
from doorward.server.store.sql.workspaces import SqlWorkspaces

_ID_CHARACTERS = 26
_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567" * 8
"""For each byte a character: 32 of them, so each is as likely as any other."""


class SqlTx:
    """A transaction's rows, and its fixed time."""

    def __init__(self, connection: Connection, now: datetime, commit: Commit | None = None) -> None:
        self._steady = connection
        self._commit = commit
        self.now = now
        self.judgement: Judgement | None = None
        self.audit = SqlAudit(connection, commit)

    @property
    def _connection(self) -> Connection:
        """The connection, for rows: in a commit with others that is within a savepoint."""
        return self._steady if self._commit is None else self._commit.rows()

    def new_id(self, prefix: str) -> str:
        """Make an id of 130 random bits in 26 lower-case characters after the prefix."""
        return f"{prefix}_{secrets.token_bytes(_ID_CHARACTERS).translate(_BASE32).decode()}"

    @cached_property
    def workspaces(self) -> SqlWorkspaces:
        """The workspaces."""
        return SqlWorkspaces(self._connection, self.now)

    @cached_property
    def members(self) -> SqlMembers:
        """The members."""
        return SqlMembers(self._connection, self.now)

    @cached_property
    def alerts(self) -> SqlAlerts:
        """The alerts."""
        return SqlAlerts(self._connection)

    @cached_property
    def keys(self) -> SqlKeys:
        """The keys."""
        return SqlKeys(self._connection)

    @cached_property
    def clients(self) -> SqlClients:
        """The OAuth clients."""
        return SqlClients(self._connection)

    @cached_property
    def grants(self) -> SqlGrants:
        """What people allowed OAuth clients."""
        return SqlGrants(self._connection)

    @cached_property
    def files(self) -> SqlFiles:
        """The trees of files."""
        return SqlFiles(self._connection)

    @cached_property
    def uploads(self) -> SqlUploads:
        """The uploads."""
        return SqlUploads(self._connection)

    @cached_property
    def links(self) -> SqlLinks:
        """The signed URLs handed out."""
        return SqlLinks(self._connection)

    @cached_property
    def transfers(self) -> SqlTransfers:
        """The hand-overs of workspaces."""
        return SqlTransfers(self._connection, self.now)

    @cached_property
    def blobs(self) -> SqlBlobs:
        """The blobs that are to go."""
        return SqlBlobs(self._connection, self.now)

    @cached_property
    def contents(self) -> SqlContents:
        """What lies under which key."""
        return SqlContents(self._connection)

    @cached_property
    def integrity(self) -> SqlIntegrity:
        """The rows as they are compared with each other."""
        return SqlIntegrity(self._connection, self.now)

    @cached_property
    def usage(self) -> SqlUsage:
        """What was used."""
        return SqlUsage(self._connection)

    @cached_property
    def events(self) -> SqlEvents:
        """The events."""
        return SqlEvents(self._connection)

    @cached_property
    def direct(self) -> SqlDirect:
        """The uploads that go straight to the store."""
        return SqlDirect(self._connection)
