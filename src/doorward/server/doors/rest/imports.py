"""Imports: the server fetches what a URL names, into an upload that tells how far it is."""

from typing import Annotated

from fastapi import Depends, Request

from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import WorkspaceId
from doorward.server.doors.rest.schemas import ImportIn, UploadOut
from doorward.server.doors.transfer.importing import Importer
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    AddressNotAllowed,
    NameInvalid,
    NameTaken,
    ParentInvalid,
    PermissionDenied,
    QuotaExceeded,
    SizeUnknown,
    TooDeep,
    TooManyRequests,
    UploadTooLarge,
    UpstreamFailed,
    WorkspaceNotFound,
)

rest = Operations("uploads")


async def _importer(request: Request) -> Importer:
    importer: Importer = request.app.state.importer
    return importer


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/imports",
    accepts=EVERYBODY,
    action=Action.UPLOAD_IMPORT,
    raises=(
        PermissionDenied,
        WorkspaceNotFound,
        AddressNotAllowed,
        UpstreamFailed,
        SizeUnknown,
        TooManyRequests,
        NameInvalid,
        NameTaken,
        ParentInvalid,
        TooDeep,
        UploadTooLarge,
        QuotaExceeded,
    ),
    status=202,
)
async def create_import(
    call: CallDep,
    workspace_id: WorkspaceId,
    body: ImportIn,
    importer: Annotated[Importer, Depends(_importer)],
) -> UploadOut:
    """Fetch a URL of the public network; read the upload to see how far it is."""
    upload = await importer.start(call.who, workspace_id, body.wanted())
    return UploadOut.of(upload, call.house.signer)
