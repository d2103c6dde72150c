"""One upload made of others: sent side by side, joined in order, visible only as the whole."""

from collections.abc import Sequence
from dataclasses import replace

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import PartInvalid
from doorward.server.uploads.model import Limits, NewUpload, Upload, UploadStatus
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.service import close_upload, create_upload, is_buyer
from doorward.server.workspaces.service import enter

_JOINED = "concatenated:"  # and into which upload


def create_concatenation(
    tx: UploadTx,
    who: Caller,
    workspace_id: str,
    new: NewUpload,
    part_ids: Sequence[str],
    limits: Limits,
) -> Upload:
    """Take the declaration of a file that is made of whole partial uploads, in this order.

    What was promised to the parts counts for the whole, which takes their place. Where these parts
    became a file already, its upload is given again: the answer was lost on the way. Raises
    PartInvalid and what ``create_upload`` raises.
    """
    enter(tx, who, Action.UPLOAD_CREATE, workspace_id)  # before anything is said of the parts
    before = _joined_before(tx, who, workspace_id, tuple(part_ids))
    if before is not None:
        return before
    parts = [_part(tx, who, workspace_id, part_id) for part_id in part_ids]
    promised = sum({part.id: part.promised_bytes for part in parts}.values())
    size = sum(part.received_bytes for part in parts)
    whole = replace(new, size=size, parts=tuple(part_ids))
    return create_upload(tx, who, workspace_id, whole, limits, promised=promised)


def parts_of(tx: UploadTx, upload: Upload) -> list[Upload]:
    """Give the parts of an upload in order, each as often as it is in it; raises PartInvalid."""
    return [_part(tx, upload.by, upload.workspace_id, part_id) for part_id in upload.declared.parts]


def close_parts(tx: UploadTx, upload: Upload) -> None:
    """End the parts of an upload that has become a file; raises PartInvalid."""
    for part in {part.id: part for part in parts_of(tx, upload)}.values():
        close_upload(tx, part, UploadStatus.COMPLETE, f"{_JOINED}{upload.id}")


def _joined_before(
    tx: UploadTx, who: Caller, workspace_id: str, part_ids: tuple[str, ...]
) -> Upload | None:
    first = tx.uploads.get(part_ids[0])
    if first is None or not (first.failure or "").startswith(_JOINED):
        return None
    whole = tx.uploads.get((first.failure or "").removeprefix(_JOINED))
    if whole is None or whole.workspace_id != workspace_id or whole.declared.parts != part_ids:
        return None
    return whole if is_buyer(who, whole) else None


def _part(tx: UploadTx, who: Caller, workspace_id: str, part_id: str) -> Upload:
    """Give a part; one that is missing and one that is somebody else's can't be told apart."""
    part = tx.uploads.get(part_id)
    usable = (
        part is not None
        and part.workspace_id == workspace_id
        and is_buyer(who, part)
        and part.declared.partial
        and part.status.open
        and part.whole
    )
    if part is None or not usable:
        raise PartInvalid
    return part
