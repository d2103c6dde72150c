"""Uploads of a size that is not known yet: what is promised to them, and how the size is fixed.

Quota is promised before a byte is taken, in the transaction that makes sure that it is there. So
all uploads together never hold more than the quota, however many of unknown size come at once, and
one that stands still keeps little from the others.
"""

from dataclasses import dataclass, replace

from doorward.server.limits.plans import Plans
from doorward.server.permission.actions import Action
from doorward.server.problems import LengthInconsistent, QuotaExceeded, UploadTooLarge
from doorward.server.uploads.model import Upload
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.receiving import Hold, still_held
from doorward.server.uploads.service import bought_by, enter_again, refuse_over_quota
from doorward.server.usage.service import left_of_storage, refuse_over_storage
from doorward.server.workspaces.model import Workspace

STEP_BYTES = 16 << 20
RECEIVING = "quota-while-receiving"
"""The reason of a refusal that leaves the upload as it is, to go on once there is room."""


def fix_size(tx: UploadTx, hold: Hold, size: int, plans: Plans) -> Hold:
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
    return _promised(tx, hold, _Room(workspace, plans), replace(upload, size=size), size)


def promise_more(tx: UploadTx, hold: Hold, needed_bytes: int, plans: Plans) -> Hold:
    """Promise quota for the first ``needed_bytes`` of an upload, and for some more if it is there.

    Raises QuotaExceeded, PermissionDenied, UploadNotFound, UploadClosed, UploadSuperseded.
    """
    upload = still_held(tx, hold)
    workspace = _entered(tx, upload, hold)
    room = _Room(workspace, plans)
    there = upload.promised_bytes + room.left_bytes(tx)
    ahead = min(needed_bytes + STEP_BYTES, upload.size_max, there)
    return _promised(tx, hold, room, upload, max(needed_bytes, ahead))


@dataclass(frozen=True, slots=True)
class _Room:
    """Where bytes are to go, and what whoever owns that may store."""

    workspace: Workspace
    plans: Plans

    def left_bytes(self, tx: UploadTx) -> int:
        left = left_of_storage(tx, self.workspace, self.plans)
        there = self.workspace.left_bytes
        return there if left is None else max(0, min(there, left))

    def refuse_over(self, tx: UploadTx, more: int) -> None:
        refuse_over_quota(self.workspace, more)
        refuse_over_storage(tx, self.workspace, self.plans, more)


def _entered(tx: UploadTx, upload: Upload, hold: Hold) -> Workspace:
    who = bought_by(tx, upload, hold.upload.by)
    return enter_again(tx, who, Action.UPLOAD_RECEIVE, upload)


def _promised(tx: UploadTx, hold: Hold, room: _Room, upload: Upload, promised_bytes: int) -> Hold:
    more = promised_bytes - upload.promised_bytes
    if more > 0:
        try:
            room.refuse_over(tx, more)
        except QuotaExceeded as problem:
            problem.reason = RECEIVING
            raise
    tx.workspaces.reserve(upload.workspace_id, more)
    tx.uploads.put(replace(upload, promised_bytes=promised_bytes))
    held = replace(hold.upload, size=upload.size, promised_bytes=promised_bytes)
    return replace(hold, upload=held)
