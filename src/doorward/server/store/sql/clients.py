"""OAuth clients."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, select
from sqlalchemy.dialects.sqlite import insert

from doorward.server.oauth.model import Client
from doorward.server.store.sql.tables import oauth_clients, oauth_grants

_GET = select(oauth_clients).where(oauth_clients.c.id == bindparam("client"))
_ADD = insert(oauth_clients)
_KEPT = {"id", "created_at", "registered_from"}
_PUT = _ADD.on_conflict_do_update(
    index_elements=[oauth_clients.c.id],
    set_={
        column.name: _ADD.excluded[column.name]
        for column in oauth_clients.columns
        if column.name not in _KEPT
    },
)
_IDLE = ~exists().where(oauth_grants.c.client_id == oauth_clients.c.id)


class SqlClients:
    """ClientRows over the table ``oauth_clients``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, client_id: str) -> Client | None:
        """Give a client."""
        row = self._connection.execute(_GET, {"client": client_id}).one_or_none()
        return None if row is None else _client(row)

    def put(self, client: Client) -> None:
        """Insert a client, or take over how it describes itself now."""
        self._connection.execute(_PUT, _row(client))

    def waiting(
        self, since: datetime, address: str | None = None, *, documents: bool = False
    ) -> int:
        """Count clients that nobody allowed anything, made since a time, from an address if any.

        Those that registered, or those whose ``documents`` were read.
        """
        kind = oauth_clients.c.read_at.is_not(None) == documents
        query = select(func.count()).where(oauth_clients.c.created_at > since, _IDLE, kind)
        if address is not None:
            query = query.where(oauth_clients.c.registered_from == address)
        return self._connection.execute(query.select_from(oauth_clients)).scalar_one()

    def forget_idle(self, before: datetime, most: int) -> int:
        """Drop clients that nobody allowed anything, made before a time; gives how many."""
        idle = select(oauth_clients.c.id).where(oauth_clients.c.created_at < before, _IDLE)
        gone = list(self._connection.execute(idle.limit(most)).scalars())
        self._connection.execute(delete(oauth_clients).where(oauth_clients.c.id.in_(gone)))
        return len(gone)


def _client(row: Any) -> Client:
    values = row._asdict()
    for name in ("redirect_uris", "grant_types"):
        values[name] = tuple(values[name])
    return Client(**values)


def _row(client: Client) -> dict[str, Any]:
    return {column.name: getattr(client, column.name) for column in oauth_clients.columns} | {
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grant_types),
    }
