"""Notes of blobs that are to go."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from doorward.server.store.sql.tables import doomed_blobs

_DOOM = insert(doomed_blobs).prefix_with("OR IGNORE", dialect="sqlite")
_DOOMED = select(doomed_blobs.c.key).limit(bindparam("most"))
_FORGET = delete(doomed_blobs).where(doomed_blobs.c.key.in_(bindparam("gone", expanding=True)))


class SqlBlobs:
    """BlobRows over the table ``doomed_blobs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def doom(self, key: str) -> None:
        """Note that the blob may go once this is durable."""
        self._connection.execute(_DOOM, {"key": key})

    def doomed(self, limit: int) -> list[str]:
        """List blobs that are to go."""
        return list(self._connection.execute(_DOOMED, {"most": limit}).scalars())

    def forget(self, keys: Sequence[str]) -> None:
        """Drop the notes of blobs that are gone."""
        self._connection.execute(_FORGET, {"gone": list(keys)})
