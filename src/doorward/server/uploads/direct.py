"""Uploads whose bytes go straight to the store in parts, and never through the server.

Whoever holds a part's URL may store bytes there until it expires, and nothing shows them: a row
makes a file of them only after the store was asked to join the parts and what came of it was read.
"""

from dataclasses import replace

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import DirectUnavailable, LinkEnded, PermissionDenied
from doorward.server.uploads.model import Upload, UploadStatus
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.receiving import Hold, hold_judged
from doorward.server.uploads.service import (
    close_upload,
    enter_again,
    find_upload,
    is_buyer,
    require_open,
)

PART_BYTES_MIN = 8 << 20  # above the 5 MiB that the stores want of every part but the last
PARTS_MAX = 1000
_MEBIBYTE = 1 << 20


def part_sizes(size: int) -> list[int]:
    """Say how large each part of a file is; all but the last are the same."""
    share = -(-size // PARTS_MAX)
    part = max(PART_BYTES_MIN, -(-share // _MEBIBYTE) * _MEBIBYTE)
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest or not whole else [])


def note_multipart(tx: UploadTx, upload: Upload, multipart_id: str) -> None:
    """Remember the store's own name of an upload; raises UploadClosed."""
    current = tx.uploads.get(upload.id)
    if current is not None:
        require_open(current)
    tx.direct.add(upload.id, multipart_id)


def fail_direct(tx: UploadTx, upload: Upload, failure: str) -> None:
    """End an upload that the store did not take; of one that has ended it keeps nothing either."""
    current = tx.uploads.get(upload.id)
    if current is not None and current.status.open:
        close_upload(tx, current, UploadStatus.FAILED, failure)
    elif current is not None and current.blob_key is None and upload.blob_key is not None:
        tx.blobs.doom(upload.blob_key)


def hold_direct(tx: UploadTx, who: Caller, upload_id: str) -> tuple[Hold, str]:
    """Take hold of an upload to have its parts joined; gives the store's own name of it too.

    Raises UploadNotFound, PermissionDenied, UploadClosed, LinkEnded, DirectUnavailable.
    """
    upload = require_open(find_upload(tx, who, Action.UPLOAD_FINISH, upload_id))
    if not is_buyer(who, upload):
        raise PermissionDenied("Only whoever created an upload ends it.", reason="not-the-uploader")
    link = tx.links.get(upload.link_id or "")
    if link is not None and link.killed_at is not None:
        raise LinkEnded(reason="killed")
    multipart_id = tx.direct.get(upload_id)
    if multipart_id is None:
        raise DirectUnavailable("This upload takes its bytes at its own URL.")
    workspace = enter_again(tx, who, Action.UPLOAD_FINISH, upload)
    hold = hold_judged(tx, replace(upload, by=who), workspace)
    tx.blobs.keep(hold.upload.holder or "", hold.blob_key)
    return hold, multipart_id
