"""What goes by itself: uploads whose life is over, then their rows; holds that a crash ended."""

from dataclasses import replace
from datetime import timedelta

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


def remove_closed(tx: UploadTx, days: int, limit: int) -> int:
    """Remove uploads that ended so many days ago, once the links that led to them are gone.

    Gives how many rows went, at most ``limit``: none where there are no more. The trail keeps what
    became of them, and their files stay.
    """
    gone = tx.uploads.closed(tx.now - timedelta(days), limit)
    links = tx.links.remove_to(gone, limit)
    if links:
        return links
    tx.uploads.remove(gone)
    return len(gone)


def reopen_interrupted(tx: UploadTx, limit: int) -> int:
    """After a crash, when nobody can be sending: let cut uploads go on where they were.

    Those that nobody can go on with end: of an import only the process that is gone knew whence,
    and whoever wanted uploads joined asks for that again. Gives how many there were, at most
    ``limit``.
    """
    cut = tx.uploads.receiving(limit)
    for upload in cut:
        if upload.imported or upload.declared.parts:
            failure = "server_stopped" if upload.imported else "interrupted"
            close_upload(tx, upload, UploadStatus.FAILED, failure)
            continue
        tx.uploads.put(replace(upload, status=UploadStatus.PENDING, holder=None))
    return len(cut)
