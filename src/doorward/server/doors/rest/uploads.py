"""Uploads: declared here, sent to the signed URL that comes back."""

from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import PEOPLE, Operations
from doorward.server.doors.rest.parameters import UploadId, WorkspaceId
from doorward.server.doors.rest.schemas import UploadIn, UploadOut
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    MediaTypeRefused,
    NameInvalid,
    NameTaken,
    ParentInvalid,
    PermissionDenied,
    PolicyRefused,
    QuotaExceeded,
    TooDeep,
    UploadClosed,
    UploadNotFound,
    UploadTooLarge,
    WorkspaceNotFound,
)
from doorward.server.uploads import service as uploads

rest = Operations("uploads")
_GUARDED = (PermissionDenied, UploadNotFound)


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/uploads",
    accepts=PEOPLE,
    action=Action.UPLOAD_CREATE,
    raises=(
        PermissionDenied,
        WorkspaceNotFound,
        NameInvalid,
        NameTaken,
        ParentInvalid,
        TooDeep,
        UploadTooLarge,
        MediaTypeRefused,
        PolicyRefused,
        QuotaExceeded,
    ),
    status=201,
)
async def create_upload(call: CallDep, workspace_id: WorkspaceId, body: UploadIn) -> UploadOut:
    """Declare a file; the answer's `url` takes its bytes by `PUT`."""
    house = call.house
    made = await call.change(
        lambda tx: uploads.create_upload(tx, call.who, workspace_id, body.declared(), house.limits),
        Target(workspace_id, "upload", None, body.name),
        size=body.size,
    )
    return UploadOut.of(made, house.signer)


@rest.operation(
    "GET", "/uploads/{upload_id}", accepts=PEOPLE, action=Action.UPLOAD_READ, raises=_GUARDED
)
async def read_upload(call: CallDep, upload_id: UploadId) -> UploadOut:
    """Read how far an upload is, and its file once it is complete."""
    upload, file = await call.look(
        lambda tx: uploads.get_upload(tx, call.who, upload_id),
        _upload(upload_id),
        seen=lambda found: uploads.target_of_upload(found[0]),
    )
    signer = call.house.signer if uploads.is_buyer(call.who, upload) else None
    return UploadOut.of(upload, signer, file)


@rest.operation(
    "POST",
    "/uploads/{upload_id}/renew",
    accepts=PEOPLE,
    action=Action.UPLOAD_RENEW,
    raises=(*_GUARDED, UploadClosed),
)
async def renew_upload(call: CallDep, upload_id: UploadId) -> UploadOut:
    """Give an upload's URL a new life."""
    renewed = await call.change(
        lambda tx: uploads.renew_upload(tx, call.who, upload_id, call.house.limits),
        _upload(upload_id),
    )
    return UploadOut.of(renewed, call.house.signer)


@rest.operation(
    "DELETE",
    "/uploads/{upload_id}",
    accepts=PEOPLE,
    action=Action.UPLOAD_ABORT,
    raises=(*_GUARDED, UploadClosed),
    status=204,
)
async def abort_upload(call: CallDep, upload_id: UploadId) -> None:
    """Give an upload up; its bytes go."""
    await call.change(lambda tx: uploads.abort_upload(tx, call.who, upload_id), _upload(upload_id))


def _upload(upload_id: str) -> Target:
    return Target(None, "upload", upload_id)
