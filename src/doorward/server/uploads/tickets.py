"""Tickets: what takes the bytes of one upload, once, from somebody who has nothing else.

A ticket is a signed link with one use beside the upload's own. It acts for whoever bought it, so
the same judgements end it: their session, their membership, their role, and the link's own death.
"""

from datetime import timedelta

from doorward.server.links.model import Bounds, Link
from doorward.server.permission.caller import Caller
from doorward.server.problems import Json
from doorward.server.uploads.model import Limits, NewUpload, Upload
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.service import create_upload, hand_out


def create_ticket(
    tx: UploadTx,
    who: Caller,
    workspace_id: str,
    new: NewUpload,
    limits: Limits,
    *,
    life_seconds: int,
    subject: str | None = None,
) -> tuple[Upload, Link]:
    """Take the declaration of a file to come, and give the link by which it comes once.

    The ticket never outlives its upload. ``subject`` is for the trail alone. Raises what
    ``create_upload`` does.
    """
    life = min(life_seconds, limits.upload_life_seconds)
    details: dict[str, Json] = {"ticket_seconds": life}
    if subject is not None:
        details["subject"] = subject
    upload = create_upload(tx, who, workspace_id, new, limits, details=details)
    # In whole seconds, as the ticket says it.
    expires_at = (tx.now + timedelta(seconds=life)).replace(microsecond=0)
    return upload, hand_out(tx, upload, Bounds(expires_at, uses_max=1))
