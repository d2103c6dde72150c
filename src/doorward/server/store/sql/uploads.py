"""Uploads."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import to_builtins
from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from doorward.server.files.model import OnConflict
from doorward.server.store.sql.callers import caller_from, kept_caller
from doorward.server.store.sql.tables import direct_uploads, uploads
from doorward.server.uploads.model import NewUpload, Upload, UploadStatus

_GET = select(uploads).where(uploads.c.id == bindparam("upload"))
_ADD = insert(uploads)
_PUT = (
    update(uploads)
    .where(uploads.c.id == bindparam("upload"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "status",
                "received_bytes",
                "size",
                "promised_bytes",
                "blob_key",
                "holder",
                "file_id",
                "link_id",
                "failure",
                "url_expires_at",
                "expires_at",
                "closed_at",
            )
        }
    )
)
_HOLDERS = select(uploads.c.id, uploads.c.holder).where(
    uploads.c.id.in_(bindparam("uploads", expanding=True))
)
_CLOSED = (
    select(uploads.c.id)
    .where(uploads.c.closed_at <= bindparam("before"))
    .order_by(uploads.c.closed_at)
    .limit(bindparam("most"))
)
_THESE: BindParameter[str] = bindparam("uploads", expanding=True)
_REMOVE_DIRECT = delete(direct_uploads).where(direct_uploads.c.upload_id.in_(_THESE))
_REMOVE = delete(uploads).where(uploads.c.id.in_(_THESE))
_OPEN = ("pending", "receiving")
_COUNT_OPEN = select(func.count()).select_from(uploads).where(uploads.c.status.in_(_OPEN))


class SqlUploads:
    """UploadRows over the table ``uploads``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, upload_id: str) -> Upload | None:
        """Give an upload."""
        row = self._connection.execute(_GET, {"upload": upload_id}).one_or_none()
        return None if row is None else _upload(row)

    def add(self, upload: Upload) -> None:
        """Insert an upload."""
        fixed = {
            "id": upload.id,
            "workspace_id": upload.workspace_id,
            "declared": to_builtins(upload.declared),
            "bought_by": kept_caller(upload.by),
            "created_at": upload.created_at,
        }
        self._connection.execute(_ADD, fixed | _changing(upload))

    def put(self, upload: Upload) -> None:
        """Store what changes about an upload."""
        new = {f"new_{name}": value for name, value in _changing(upload).items()}
        self._connection.execute(_PUT, {"upload": upload.id} | new)

    def overdue(self, at: datetime, limit: int) -> list[Upload]:
        """List open uploads whose life is over."""
        return self._open(uploads.c.expires_at <= at, limit)

    def count_open(self) -> int:
        """Count the uploads under way."""
        return self._connection.execute(_COUNT_OPEN).scalar_one()

    def receiving(self, limit: int) -> list[Upload]:
        """List uploads that say that bytes are coming, or that are to be made of others."""
        joined = func.json_array_length(uploads.c.declared, "$.parts") > 0
        return self._open(or_(uploads.c.status == UploadStatus.RECEIVING.value, joined), limit)

    def holders(self, upload_ids: Collection[str]) -> dict[str, str | None]:
        """Say who holds each of these uploads, as far as they are there."""
        found = self._connection.execute(_HOLDERS, {"uploads": list(upload_ids)})
        return {row.id: row.holder for row in found}

    def closed(self, before: datetime, limit: int) -> list[str]:
        """List uploads that ended at that time or earlier, by their ids."""
        found = self._connection.execute(_CLOSED, {"before": before, "most": limit})
        return list(found.scalars())

    def remove(self, upload_ids: Collection[str]) -> None:
        """Remove uploads, and a store's names of them."""
        gone = {"uploads": list(upload_ids)}
        self._connection.execute(_REMOVE_DIRECT, gone)
        self._connection.execute(_REMOVE, gone)

    def _open(self, condition: Any, limit: int) -> list[Upload]:
        query = select(uploads).where(uploads.c.status.in_(_OPEN), condition).limit(limit)
        return [_upload(row) for row in self._connection.execute(query)]


def _changing(upload: Upload) -> dict[str, object]:
    return {
        "status": upload.status.value,
        "received_bytes": upload.received_bytes,
        "size": upload.size,
        "promised_bytes": upload.promised_bytes,
        "blob_key": upload.blob_key,
        "holder": upload.holder,
        "file_id": upload.file_id,
        "link_id": upload.link_id,
        "failure": upload.failure,
        "url_expires_at": upload.url_expires_at,
        "expires_at": upload.expires_at,
        "closed_at": upload.closed_at,
    }


def _upload(row: Row[Any]) -> Upload:
    declared = dict(row.declared)
    declared["on_conflict"] = OnConflict(declared["on_conflict"])
    declared["parts"] = tuple(declared.get("parts", ()))
    return Upload(
        id=row.id,
        workspace_id=row.workspace_id,
        declared=NewUpload(**declared),
        status=UploadStatus(row.status),
        by=caller_from(row.bought_by),
        created_at=row.created_at,
        url_expires_at=row.url_expires_at,
        expires_at=row.expires_at,
        size=row.size,
        promised_bytes=row.promised_bytes,
        received_bytes=row.received_bytes,
        blob_key=row.blob_key,
        holder=row.holder,
        file_id=row.file_id,
        link_id=row.link_id,
        failure=row.failure,
        closed_at=row.closed_at,
    )
