"""What lies under which key, and what of it is known to be damaged."""

from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, exists, select, update

from doorward.server.store.sql.tables import damaged_blobs, doomed_blobs, nodes, versions


def _holds(table: Table) -> tuple[Any, ...]:
    return (
        table.c.workspace_id == bindparam("workspace"),
        table.c.digest == bindparam("of_digest"),
        table.c.size == bindparam("of_size"),
    )


_DAMAGED = select(damaged_blobs.c.key)
_NAMED = (
    select(versions.c.blob_key)
    .where(*_holds(versions), versions.c.blob_key.not_in(_DAMAGED))
    .order_by(versions.c.blob_key)
    .limit(1)
)
_LEAVING = (
    select(doomed_blobs.c.key)
    .where(*_holds(doomed_blobs), ~doomed_blobs.c.going, doomed_blobs.c.key.not_in(_DAMAGED))
    .order_by(doomed_blobs.c.key)
    .limit(1)
)
_KEEP = delete(doomed_blobs).where(doomed_blobs.c.key == bindparam("blob"))
_IS_DAMAGED = select(damaged_blobs.c.key).where(damaged_blobs.c.key == bindparam("blob"))
_TO_HEAL = select(damaged_blobs.c.key).where(
    exists().where(*_holds(versions), versions.c.blob_key == damaged_blobs.c.key)
)
_THIS: Any = bindparam("this")
_NEW: Any = bindparam("sound")
_RENAME = update(versions).where(versions.c.blob_key == _THIS).values(blob_key=_NEW)
# The index is on versions, so the nodes are found by those that were just renamed.
_SHOW = (
    update(nodes)
    .where(
        nodes.c.id.in_(select(versions.c.file_id).where(versions.c.blob_key == _NEW)),
        nodes.c.blob_key == _THIS,
    )
    .values(blob_key=_NEW)
)
_SOUND = delete(damaged_blobs).where(damaged_blobs.c.key == _THIS)


class SqlContents:
    """ContentRows over ``versions``, ``doomed_blobs`` and ``damaged_blobs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def same(self, workspace_id: str, size: int, digest: str) -> str | None:
        """Give the key of sound bytes that the workspace has."""
        content = {"workspace": workspace_id, "of_digest": digest, "of_size": size}
        for where in (_NAMED, _LEAVING):
            key: str | None = self._connection.execute(where, content).scalar_one_or_none()
            if key is not None:
                return key
        return None

    def keep(self, key: str) -> None:
        """Take back the note that the blob may go."""
        self._connection.execute(_KEEP, {"blob": key})

    def is_damaged(self, key: str) -> bool:
        """Say whether the bytes are known not to be what they were."""
        return self._connection.execute(_IS_DAMAGED, {"blob": key}).first() is not None

    def heal(self, workspace_id: str, size: int, digest: str, key: str) -> list[str]:
        """Put a blob in the place of damaged ones that held the same."""
        content = {"workspace": workspace_id, "of_digest": digest, "of_size": size}
        damaged = list(self._connection.execute(_TO_HEAL, content).scalars())
        for this in damaged:
            self.replace(this, key)
        return damaged

    def replace(self, key: str, sound: str) -> None:
        """Let whatever names a blob name another one of the same content."""
        self._connection.execute(_RENAME, {"this": key, "sound": sound})
        self._connection.execute(_SHOW, {"this": key, "sound": sound})
        self._connection.execute(_SOUND, {"this": key})
