"""What goes by itself: uploads whose life is over, and holds of requests that a crash ended."""

from dataclasses import replace

from doorward.server.audit.model import AuditOutcome
from doorward.server.audit.service import record
from doorward.server.permission.actions import Action
from doorward.server.uploads.model import UploadStatus
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.service import attempt_on, close_upload


def sweep_overdue(tx: UploadTx, limit: int) -> int:
    """End open uploads whose life is over; gives how many, at most ``limit``."""
    overdue = tx.uploads.overdue(tx.now, limit)
    for upload in overdue:
        close_upload(tx, upload, UploadStatus.EXPIRED, "expired")
        record(
            tx, attempt_on(upload, Action.UPLOAD_ABORT, upload.by), AuditOutcome.FAILED, "expired"
        )
    return len(overdue)


def reopen_interrupted(tx: UploadTx, limit: int) -> int:
    """After a crash, when nobody can be sending: let cut uploads go on where they were.

    Imports end, since what they came from is forgotten. Gives how many there were, at most
    ``limit``.
    """
    cut = tx.uploads.receiving(limit)
    for upload in cut:
        if upload.imported:  # only the process that is gone knew from where
            close_upload(tx, upload, UploadStatus.FAILED, "server_stopped")
            continue
        tx.uploads.put(replace(upload, status=UploadStatus.PENDING, holder=None))
    return len(cut)
