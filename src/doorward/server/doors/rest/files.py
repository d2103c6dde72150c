"""Files and folders."""

from typing import Annotated

from fastapi import Query, Request, Response

from doorward.server.audit.model import Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import Call, CallDep
from doorward.server.doors.rest.operations import EVERYBODY, Operations
from doorward.server.doors.rest.parameters import (
    LIMIT_DEFAULT,
    Cursor,
    FileId,
    Limit,
    WorkspaceId,
)
from doorward.server.doors.rest.schemas import (
    FileIn,
    FileOut,
    FolderIn,
    IdText,
    ListOut,
    NameText,
    RestoreIn,
    VersionOut,
)
from doorward.server.doors.transfer.archive import archive_chunks, archive_size, plan_archive
from doorward.server.doors.transfer.download import (
    Asked,
    Download,
    OnEnd,
    plan_download,
    read_pieces,
)
from doorward.server.doors.transfer.watching import Welcome
from doorward.server.files import service as files
from doorward.server.files.archiving import open_folder
from doorward.server.files.model import Node
from doorward.server.files.purging import purge
from doorward.server.files.service import Move, NewFolder
from doorward.server.links.model import Disposition
from doorward.server.links.using import as_of_now
from doorward.server.paging import Listed, Page
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    BudgetExhausted,
    FileNotFound,
    FolderTooLarge,
    MoveIntoSelf,
    NameInvalid,
    NameTaken,
    NotAFolder,
    NotInBin,
    ParentInvalid,
    PermissionDenied,
    PolicyRefused,
    PreconditionFailed,
    RangeNotSatisfiable,
    RequestInvalid,
    StorageFailed,
    TooDeep,
    VersionNotFound,
    WorkspaceNotFound,
)
from doorward.server.usage.costs import Meter
from doorward.server.workspaces.policy import Policy

rest = Operations("files")
_GUARDED = (PermissionDenied, FileNotFound)
_PLACED = (NameInvalid, NameTaken, ParentInvalid, TooDeep, PolicyRefused)


@rest.operation(
    "GET",
    "/workspaces/{workspace_id}/files",
    accepts=EVERYBODY,
    action=Action.FILE_LIST,
    raises=(PermissionDenied, WorkspaceNotFound, FileNotFound),
)
async def list_files(
    call: CallDep,
    workspace_id: WorkspaceId,
    parent_id: Annotated[IdText | None, Query(description="A folder; left out: the root.")] = None,
    name: Annotated[NameText | None, Query(description="Only the child of this name.")] = None,
    bin: Annotated[bool, Query(description="List the bin instead.")] = False,  # noqa: A002, FBT002
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[FileOut]:
    """List a folder by name, or what is in the bin, latest first."""
    found = await _listing(call, workspace_id, parent_id, name, Page.of(limit, cursor, 2), bin_=bin)
    return ListOut(data=[FileOut.of(row) for row in found.rows], next_cursor=found.next_cursor)


async def _listing(
    call: Call,
    workspace_id: str,
    parent_id: str | None,
    name: str | None,
    page: Page,
    *,
    bin_: bool,
) -> Listed[Node]:
    who, on = call.who, Target(workspace_id, "folder", parent_id)
    if bin_:
        return await call.look(lambda tx: files.list_bin(tx, who, workspace_id, page), on)
    if name is not None:
        rows = await call.look(
            lambda tx: files.find_child(tx, who, workspace_id, parent_id, name), on
        )
        return Listed(rows, None)
    return await call.look(
        lambda tx: files.list_children(tx, who, workspace_id, parent_id, page), on
    )


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/folders",
    accepts=EVERYBODY,
    action=Action.FOLDER_CREATE,
    raises=(PermissionDenied, WorkspaceNotFound, *_PLACED),
    status=201,
)
async def create_folder(call: CallDep, workspace_id: WorkspaceId, body: FolderIn) -> FileOut:
    """Create a folder."""
    new = NewFolder(body.name, body.parent_id, body.exist_ok)
    made = await call.change(
        lambda tx: files.create_folder(tx, call.who, workspace_id, new, _operator(call)),
        Target(workspace_id, "folder", None, body.name),
    )
    return FileOut.of(made)


@rest.operation(
    "GET", "/files/{file_id}", accepts=EVERYBODY, action=Action.FILE_READ, raises=_GUARDED
)
async def read_file(call: CallDep, file_id: FileId) -> FileOut:
    """Read the details of a file or folder."""
    node = await call.look(
        lambda tx: files.find(tx, call.who, Action.FILE_READ, file_id),
        _file(file_id),
        seen=files.target_of,
    )
    return FileOut.of(node)


@rest.operation(
    "PATCH",
    "/files/{file_id}",
    accepts=EVERYBODY,
    action=Action.FILE_UPDATE,
    raises=(*_GUARDED, *_PLACED, MoveIntoSelf),
)
async def update_file(call: CallDep, file_id: FileId, body: FileIn) -> FileOut:
    """Rename or move a file or folder."""
    to_root = "parent_id" in body.model_fields_set and body.parent_id is None
    change = Move(body.name, body.parent_id, to_root, body.on_conflict)
    moved = await call.change(
        lambda tx: files.move(tx, call.who, file_id, change, _operator(call)), _file(file_id)
    )
    return FileOut.of(moved)


@rest.operation(
    "DELETE",
    "/files/{file_id}",
    accepts=EVERYBODY,
    action=Action.FILE_DELETE,
    raises=(*_GUARDED, NotInBin),
    status=204,
)
async def delete_file(
    call: CallDep,
    file_id: FileId,
    permanently: Annotated[bool, Query(description="Delete what is in the bin for good.")] = False,  # noqa: FBT002
) -> None:
    """Put a file, or a folder with all in it, in the bin; or delete for good what is there."""
    if not permanently:
        await call.change(lambda tx: files.delete(tx, call.who, file_id), _file(file_id))
        return
    grace = call.house.limits.blob_grace_seconds
    await call.change(
        lambda tx: purge(tx, call.who, file_id, grace), _file(file_id), permanently=True
    )


@rest.operation(
    "POST",
    "/files/{file_id}/restore",
    accepts=EVERYBODY,
    action=Action.FILE_RESTORE,
    raises=(
        *_GUARDED,
        NotInBin,
        NameTaken,
        ParentInvalid,
        TooDeep,
        PolicyRefused,
        VersionNotFound,
    ),
)
async def restore_file(call: CallDep, file_id: FileId, body: RestoreIn | None = None) -> FileOut:
    """Take a file or folder out of the bin, or make an older version current again."""
    asked = body or RestoreIn()
    if asked.version_id is not None and asked.parent_id is not None:
        raise RequestInvalid("Give a version_id or a parent_id, not both.")
    if asked.version_id is not None:
        version_id = asked.version_id
        restored = await call.change(
            lambda tx: files.restore_version(tx, call.who, file_id, version_id), _file(file_id)
        )
    else:
        restored = await call.change(
            lambda tx: files.restore(tx, call.who, file_id, _operator(call), asked.parent_id),
            _file(file_id),
        )
    return FileOut.of(restored)


@rest.operation(
    "GET", "/files/{file_id}/versions", accepts=EVERYBODY, action=Action.FILE_READ, raises=_GUARDED
)
async def list_versions(
    call: CallDep, file_id: FileId, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> ListOut[VersionOut]:
    """List the contents that a file had, newest first."""
    page = Page.of(limit, cursor, keys=1)
    found = await call.look(
        lambda tx: files.list_versions(tx, call.who, file_id, page), _file(file_id)
    )
    return ListOut(data=[VersionOut.of(row) for row in found.rows], next_cursor=found.next_cursor)


@rest.operation(
    "GET",
    "/files/{file_id}/content",
    accepts=EVERYBODY,
    action=Action.FILE_DOWNLOAD,
    raises=(*_GUARDED, VersionNotFound, RangeNotSatisfiable, PreconditionFailed, StorageFailed),
    also=("HEAD",),
    response_class=Response,
)
async def download_file(
    call: CallDep,
    request: Request,
    file_id: FileId,
    version_id: Annotated[IdText | None, Query(description="An older version.")] = None,
    disposition: Annotated[
        Disposition, Query(description="`inline` shows kinds that are safe to show.")
    ] = Disposition.ATTACHMENT,
) -> Response:
    """Download the bytes; takes `Range` with several ranges, and every condition of RFC 9110."""
    house = call.house
    opened = await call.look(
        lambda tx: files.open_content(tx, call.who, file_id, version_id),
        _file(file_id),
        seen=lambda found: files.target_of(found.node),
        wait=True,
    )
    inline = disposition is Disposition.INLINE
    plan = plan_download(opened, Asked(request.method, request.headers, house.clock(), inline))
    chunks = read_pieces(house.blobs, plan.blob_key, plan.pieces)
    size = plan.size if request.method == "GET" else 0
    on_end = await _paid(call, opened.node, size)
    return Download(plan, chunks, house.watch, _welcome(call, opened.node), on_end)


@rest.operation(
    "GET",
    "/files/{file_id}/zip",
    accepts=EVERYBODY,
    action=Action.FILE_DOWNLOAD,
    raises=(*_GUARDED, NotAFolder, FolderTooLarge),
    also=("HEAD",),
    response_class=Response,
)
async def download_folder(call: CallDep, request: Request, file_id: FileId) -> Response:
    """Download a folder with all in it, as a ZIP file made on the way."""
    archive = await call.look(
        lambda tx: open_folder(tx, call.who, file_id),
        _file(file_id),
        seen=lambda found: files.target_of(found.folder),
        wait=True,
    )
    house = call.house
    chunks = archive_chunks(house.blobs, archive.entries)
    size = archive_size(archive.entries) if request.method == "GET" else 0
    on_end, plan = await _paid(call, archive.folder, size), plan_archive(archive)
    return Download(plan, chunks, house.watch, _welcome(call, archive.folder), on_end)


async def _paid(call: Call, node: Node, size: int) -> OnEnd:
    """Pay for the bytes of a download before the first one goes; raises BudgetExhausted."""
    moving = call.house.moving(call.who, Meter.DOWNLOADED_BYTES)
    try:
        await moving.reach(size)
    except BudgetExhausted as problem:
        await call.limited(problem, files.target_of(node))
        raise
    return moving.end


def _welcome(call: Call, node: Node) -> Welcome:
    """Let a download go on while its caller may still see the file, whatever the token's age."""

    def still(tx: Tx) -> None:
        who = as_of_now(tx, call.who, call.who)
        files.find(tx, who, Action.FILE_DOWNLOAD, node.id)

    return Welcome(call.who, still)


def _operator(call: Call) -> Policy:
    """Give the policy that the operator set for every workspace."""
    return call.house.limits.policy


def _file(file_id: str) -> Target:
    return Target(None, "file", file_id)
