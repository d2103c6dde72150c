"""Uploads of a size that is not known yet: what is promised to them, and how the size is fixed.

Quota is promised before a byte is taken, in the transaction that makes sure that it is there. So
all uploads together never hold more than the quota, however many of unknown size come at once, and
one that stands still keeps little from the others.
"""

from dataclasses import replace

from doorward.server.permission.actions import Action
from doorward.server.problems import LengthInconsistent, QuotaExceeded, UploadTooLarge
from doorward.server.uploads.model import Upload
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.receiving import Hold, still_held
from doorward.server.uploads.service import bought_by, enter_again, refuse_over_quota
from doorward.server.workspaces.model import Workspace

STEP_BYTES = 16 << 20
RECEIVING = "quota-while-receiving"
"""The reason of a refusal that leaves the upload as it is, to go on once there is room."""


def fix_size(tx: UploadTx, hold: Hold, size: int) -> Hold:
    """Note how many bytes the whole has, and promise as many.

    Raises LengthInconsistent, UploadTooLarge, QuotaExceeded, PermissionDenied, UploadNotFound,
    UploadClosed, UploadSuperseded.
    """
    upload = still_held(tx, hold)
    if upload.size is not None or size < upload.received_bytes:
        raise LengthInconsistent(declared_bytes=upload.size, received_bytes=upload.received_bytes)
    if size > upload.size_max:
        raise UploadTooLarge(
            f"This file may have at most {upload.size_max} bytes.", limit_bytes=upload.size_max
        )
    workspace = _entered(tx, upload, hold)
    return _promised(tx, hold, workspace, replace(upload, size=size), size)


def promise_more(tx: UploadTx, hold: Hold, needed_bytes: int) -> Hold:
    """Promise quota for the first ``needed_bytes`` of an upload, and for some more if it is there.

    Raises QuotaExceeded, PermissionDenied, UploadNotFound, UploadClosed, UploadSuperseded.
    """
    upload = still_held(tx, hold)
    workspace = _entered(tx, upload, hold)
    there = upload.promised_bytes + workspace.left_bytes
    ahead = min(needed_bytes + STEP_BYTES, upload.size_max, there)
    return _promised(tx, hold, workspace, upload, max(needed_bytes, ahead))


def _entered(tx: UploadTx, upload: Upload, hold: Hold) -> Workspace:
    who = bought_by(tx, upload, hold.upload.by)
    return enter_again(tx, who, Action.UPLOAD_RECEIVE, upload)


def _promised(
    tx: UploadTx, hold: Hold, workspace: Workspace, upload: Upload, promised_bytes: int
) -> Hold:
    more = promised_bytes - upload.promised_bytes
    if more > 0:
        try:
            refuse_over_quota(workspace, more)
        except QuotaExceeded as problem:
            problem.reason = RECEIVING
            raise
    tx.workspaces.reserve(upload.workspace_id, more)
    tx.uploads.put(replace(upload, promised_bytes=promised_bytes))
    held = replace(hold.upload, size=upload.size, promised_bytes=promised_bytes)
    return replace(hold, upload=held)
