"""The store's own names of uploads that go straight to it."""

from sqlalchemy import Connection, bindparam, delete, insert, select

from doorward.server.store.sql.tables import direct_uploads

_THIS = direct_uploads.c.upload_id == bindparam("upload")
_GET = select(direct_uploads.c.multipart_id).where(_THIS)
_ADD = insert(direct_uploads)
_DROP = delete(direct_uploads).where(_THIS)


class SqlDirect:
    """DirectRows over the table ``direct_uploads``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, upload_id: str) -> str | None:
        """Give the store's own name of an upload."""
        found: str | None = self._connection.execute(
            _GET, {"upload": upload_id}
        ).scalar_one_or_none()
        return found

    def add(self, upload_id: str, multipart_id: str) -> None:
        """Remember it."""
        self.drop(upload_id)
        self._connection.execute(_ADD, {"upload_id": upload_id, "multipart_id": multipart_id})

    def drop(self, upload_id: str) -> None:
        """Forget it."""
        self._connection.execute(_DROP, {"upload": upload_id})
