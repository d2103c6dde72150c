"""Thumbnails of images."""

from enum import IntEnum
from typing import Annotated

from fastapi import Query, Request, Response

from doorward.server.audit.model import Target
from doorward.server.doors.images.thumbnails import MEDIA_TYPE
from doorward.server.doors.rest.call import CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import FileId
from doorward.server.doors.rest.schemas import IdText
from doorward.server.doors.transfer.headers import PREVIEW_HEADERS, unchanged
from doorward.server.files import service as files
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    FileNotFound,
    ImageInvalid,
    ImageUnsupported,
    PermissionDenied,
    PreconditionFailed,
    TooManyRequests,
    VersionNotFound,
)

rest = Operations("files")


class Size(IntEnum):
    """The longer side of a thumbnail, in pixels."""

    TINY = 64
    SMALL = 128
    MEDIUM = 256
    LARGE = 512
    HUGE = 1024


@rest.operation(
    "GET",
    "/files/{file_id}/thumbnail",
    accepts=EVERYBODY,
    action=Action.FILE_THUMBNAIL,
    raises=(
        PermissionDenied,
        FileNotFound,
        VersionNotFound,
        ImageUnsupported,
        ImageInvalid,
        PreconditionFailed,
        TooManyRequests,
    ),
    response_class=Response,
)
async def read_thumbnail(
    call: CallDep,
    request: Request,
    file_id: FileId,
    size: Annotated[Size, Query(description="The longer side, in pixels.")] = Size.MEDIUM,
    version_id: Annotated[IdText | None, Query(description="An older version.")] = None,
) -> Response:
    """Give a small WebP of a PNG, JPEG, GIF or WebP image."""
    opened = await call.look(
        lambda tx: files.open_content(tx, call.who, file_id, version_id, Action.FILE_THUMBNAIL),
        Target(None, "file", file_id),
        seen=lambda found: files.target_of(found.node),
    )
    tag = f'"{opened.content.digest}-{size}"'
    headers = PREVIEW_HEADERS | {"ETag": tag, "Accept-Ranges": "none"}
    if unchanged(request.headers, tag, opened.changed_at):
        return Response(status_code=304, headers=headers)
    thumbnail = await call.house.thumbnails.of(opened.node.workspace_id, opened.content, size)
    return Response(thumbnail, headers=headers, media_type=MEDIA_TYPE)
