"""Uploads: declared here, sent to the signed URL that comes back."""

from doorward.server.audit.model import Target
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import UploadId, WorkspaceId
from doorward.server.doors.rest.schemas import FileOut, PartsIn, UploadIn, UploadOut
from doorward.server.doors.transfer.direct import DirectUploads
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    ChecksumMismatch,
    DirectUnavailable,
    LengthRequired,
    LinkEnded,
    MediaTypeRefused,
    NameInvalid,
    NameTaken,
    ParentInvalid,
    PartsInvalid,
    PermissionDenied,
    PolicyRefused,
    QuotaExceeded,
    SizeMismatch,
    StorageFailed,
    StorageFull,
    TooDeep,
    UploadClosed,
    UploadNotFound,
    UploadSuperseded,
    UploadTooLarge,
    VersionConflict,
    WorkspaceNotFound,
)
from doorward.server.uploads import service as uploads

rest = Operations("uploads")
_DIRECT = (DirectUnavailable, StorageFull, StorageFailed)
_GUARDED = (PermissionDenied, UploadNotFound)


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/uploads",
    accepts=EVERYBODY,
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
        LengthRequired,
        VersionConflict,
        *_DIRECT,
    ),
    status=201,
)
async def create_upload(call: CallDep, workspace_id: WorkspaceId, body: UploadIn) -> UploadOut:
    """Declare a file; the answer's `url` takes its bytes by `PUT`, tus or the IETF's draft.

    Those of a direct upload go to the URLs of its `parts`.
    """
    house, target = call.house, Target(workspace_id, "upload", None, body.name)
    await call.afford(body.size, target)
    made = await call.change(
        lambda tx: uploads.create_upload(tx, call.who, workspace_id, body.declared(), house.limits),
        target,
        size=body.size,
    )
    parts = None
    if made.declared.direct:
        await call.afford(made.size, target, spent=True)
        parts = await call.through(DirectUploads(house).begin(made), _upload(made.id))
    return UploadOut.of(made, house.signer, parts=parts)


@rest.operation(
    "GET", "/uploads/{upload_id}", accepts=EVERYBODY, action=Action.UPLOAD_READ, raises=_GUARDED
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
    accepts=EVERYBODY,
    action=Action.UPLOAD_RENEW,
    raises=(*_GUARDED, UploadClosed, *_DIRECT),
)
async def renew_upload(call: CallDep, upload_id: UploadId) -> UploadOut:
    """Give an upload's URL, or those of its parts, a new life."""
    renewed = await call.change(
        lambda tx: uploads.renew_upload(tx, call.who, upload_id, call.house.limits),
        _upload(upload_id),
    )
    parts = None
    if renewed.declared.direct:
        parts = await call.through(DirectUploads(call.house).parts_of(renewed), _upload(upload_id))
    return UploadOut.of(renewed, call.house.signer, parts=parts)


@rest.operation(
    "POST",
    "/uploads/{upload_id}/complete",
    accepts=EVERYBODY,
    action=Action.UPLOAD_FINISH,
    raises=(
        *_GUARDED,
        UploadClosed,
        LinkEnded,
        *_DIRECT,
        PartsInvalid,
        SizeMismatch,
        ChecksumMismatch,
        UploadSuperseded,
        NameTaken,
        ParentInvalid,
        UploadTooLarge,
        MediaTypeRefused,
        PolicyRefused,
        QuotaExceeded,
        VersionConflict,
    ),
    status=201,
)
async def complete_upload(call: CallDep, upload_id: UploadId, body: PartsIn) -> FileOut:
    """Make a file of the parts of a direct upload, once what the store has was read."""
    tags = [(part.number, part.etag) for part in body.parts]
    completing = DirectUploads(call.house).complete(call.who, upload_id, tags)
    return FileOut.of(await call.through(completing, _upload(upload_id)))


@rest.operation(
    "DELETE",
    "/uploads/{upload_id}",
    accepts=EVERYBODY,
    action=Action.UPLOAD_ABORT,
    raises=(*_GUARDED, UploadClosed),
    status=204,
)
async def abort_upload(call: CallDep, upload_id: UploadId) -> None:
    """Give an upload up; its bytes go."""
    await call.change(lambda tx: uploads.abort_upload(tx, call.who, upload_id), _upload(upload_id))


def _upload(upload_id: str) -> Target:
    return Target(None, "upload", upload_id)
