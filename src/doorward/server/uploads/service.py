"""An upload from its declaration to the row that makes it a file.

The rights of whoever bought the upload are judged at its creation, when bytes come, and once
more before the file becomes visible (the last one closes the gap between check and use).
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from doorward.server.audit.model import Attempt, AuditOutcome, Target
from doorward.server.audit.service import record
from doorward.server.files.model import Content, Kind, Node, OnConflict
from doorward.server.files.naming import place_name
from doorward.server.files.service import add_version, require_folder, target_of
from doorward.server.members.model import MemberSource
from doorward.server.names import checked_name
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    Json,
    NameTaken,
    PermissionDenied,
    QuotaExceeded,
    UploadClosed,
    UploadNotFound,
    UploadSuperseded,
    UploadTooLarge,
    WorkspaceNotFound,
)
from doorward.server.uploads.model import Limits, NewUpload, Upload, UploadStatus
from doorward.server.uploads.ports import Stored, UploadTx
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import enter


@dataclass(frozen=True, slots=True)
class Attempted:
    """One try to send the bytes, and the key they are written under."""

    upload: Upload
    blob_key: str


def create_upload(
    tx: UploadTx, who: Caller, workspace_id: str, new: NewUpload, limits: Limits
) -> Upload:
    """Take the declaration of a file to come.

    Raises WorkspaceNotFound, PermissionDenied, NameInvalid, NameTaken, ParentInvalid,
    UploadTooLarge, QuotaExceeded.
    """
    workspace = enter(tx, who, Action.UPLOAD_CREATE, workspace_id).workspace
    new = replace(new, name=checked_name(new.name))
    _refuse_too_large(new.size, limits)
    _refuse_over_quota(workspace, new.size)
    require_folder(tx, workspace_id, new.parent_id)
    if new.on_conflict is OnConflict.ERROR:
        place_name(tx, workspace_id, new.parent_id, new.name, OnConflict.ERROR)
    upload = Upload(
        id=tx.new_id("up"),
        workspace_id=workspace_id,
        declared=new,
        status=UploadStatus.PENDING,
        by=who,
        created_at=tx.now,
        url_expires_at=tx.now + timedelta(seconds=limits.url_life_seconds),
        expires_at=tx.now + timedelta(seconds=limits.upload_life_seconds),
    )
    tx.uploads.add(upload)
    record(tx, attempt_on(upload, Action.UPLOAD_CREATE, who))
    return upload


def get_upload(tx: UploadTx, who: Caller, upload_id: str) -> tuple[Upload, Node | None]:
    """Give an upload and, once it is complete, its file.

    Raises UploadNotFound, PermissionDenied.
    """
    upload = _find(tx, who, Action.UPLOAD_READ, upload_id)
    file = tx.files.get(upload.workspace_id, upload.file_id) if upload.file_id else None
    return upload, file


def renew_upload(tx: UploadTx, who: Caller, upload_id: str, limits: Limits) -> Upload:
    """Give the upload's URL a new life; what was received stays.

    Raises UploadNotFound, PermissionDenied, UploadClosed.
    """
    upload = _require_open(_find(tx, who, Action.UPLOAD_RENEW, upload_id))
    if not is_buyer(who, upload):
        raise PermissionDenied(
            "Only whoever created an upload gets its URL.", reason="not-the-uploader"
        )
    renewed = replace(
        upload,
        url_expires_at=tx.now + timedelta(seconds=limits.url_life_seconds),
        expires_at=tx.now + timedelta(seconds=limits.upload_life_seconds),
    )
    tx.uploads.put(renewed)
    record(tx, attempt_on(renewed, Action.UPLOAD_RENEW, who))
    return renewed


def is_buyer(who: Caller, upload: Upload) -> bool:
    """Say whether this caller created the upload: its URL acts in their name."""
    return who.user_id == upload.by.user_id


def abort_upload(tx: UploadTx, who: Caller, upload_id: str) -> None:
    """Give an upload up; its bytes go once that is durable.

    Raises UploadNotFound, PermissionDenied, UploadClosed.
    """
    upload = _require_open(_find(tx, who, Action.UPLOAD_ABORT, upload_id))
    close_upload(tx, upload, UploadStatus.ABORTED, "aborted")
    record(tx, attempt_on(upload, Action.UPLOAD_ABORT, who))


def receive_upload(tx: UploadTx, upload_id: str, from_: Caller) -> Attempted:
    """Open an upload for one attempt to send its bytes, which takes over from any earlier one.

    ``from_`` tells where the request came from. Raises UploadNotFound, UploadClosed and
    PermissionDenied, when whoever bought the upload may not do this any more.
    """
    upload = tx.uploads.get(upload_id)
    if upload is None:
        raise UploadNotFound
    who = _bought_by(tx, upload, from_)
    _enter(tx, who, Action.UPLOAD_RECEIVE, upload)
    _require_open(upload)
    if upload.blob_key is not None:
        tx.blobs.doom(upload.blob_key)
    opened = replace(
        upload,
        status=UploadStatus.RECEIVING,
        blob_key=f"{tx.now:%Y%m%d}/{tx.new_id('blob')}",
        received_bytes=0,
        by=who,
    )
    tx.uploads.put(opened)
    return Attempted(opened, opened.blob_key or "")


def note_progress(tx: UploadTx, attempted: Attempted, received_bytes: int) -> None:
    """Store how many bytes have come, judging the buyer's rights once more.

    Raises UploadNotFound, UploadClosed, UploadSuperseded, PermissionDenied.
    """
    upload = _still_ours(tx, attempted)
    _enter(tx, _bought_by(tx, upload, attempted.upload.by), Action.UPLOAD_RECEIVE, upload)
    tx.uploads.put(replace(upload, received_bytes=received_bytes))


def finish_upload(tx: UploadTx, attempted: Attempted, stored: Stored) -> tuple[Upload, Node]:
    """Make durable bytes a file, by one row.

    Raises UploadSuperseded, UploadClosed, UploadNotFound, PermissionDenied, NameTaken,
    ParentInvalid, QuotaExceeded.
    """
    upload = _still_ours(tx, attempted)
    who = _bought_by(tx, upload, attempted.upload.by)
    _refuse_over_quota(_enter(tx, who, Action.UPLOAD_FINISH, upload), stored.size)
    require_folder(tx, upload.workspace_id, upload.declared.parent_id)
    file = _place(tx, who, upload, attempted.blob_key, stored)
    done = replace(
        upload, status=UploadStatus.COMPLETE, received_bytes=stored.size, file_id=file.id
    )
    tx.uploads.put(done)
    details: dict[str, Json] = {
        "size": stored.size,
        "digest": stored.digest,
        "upload": upload.id,
    }
    record(tx, Attempt(Action.UPLOAD_FINISH, target_of(file), who, details))
    return done, file


def end_attempt(tx: UploadTx, attempted: Attempted, failure: str | None) -> bool:
    """Note that an attempt came to nothing; says whether its bytes are needed all the same.

    With a ``failure`` the upload is over; without one (a cut connection) it may be tried again.
    """
    upload = tx.uploads.get(attempted.upload.id)
    if upload is not None and upload.blob_key == attempted.blob_key:
        if upload.status is UploadStatus.COMPLETE:
            return True
        if upload.status.open:
            _reset(tx, upload, failure)
    tx.blobs.doom(attempted.blob_key)
    return False


def _reset(tx: UploadTx, upload: Upload, failure: str | None) -> None:
    status = UploadStatus.FAILED if failure else UploadStatus.PENDING
    tx.uploads.put(replace(upload, status=status, blob_key=None, received_bytes=0, failure=failure))


def close_upload(tx: UploadTx, upload: Upload, status: UploadStatus, failure: str) -> None:
    """End an upload without a file and drop its bytes once that is durable."""
    if upload.blob_key is not None:
        tx.blobs.doom(upload.blob_key)
    tx.uploads.put(replace(upload, status=status, blob_key=None, received_bytes=0, failure=failure))


def sweep_overdue(tx: UploadTx, limit: int) -> int:
    """End open uploads whose life is over; gives how many, at most ``limit``."""
    overdue = tx.uploads.overdue(tx.now, limit)
    for upload in overdue:
        close_upload(tx, upload, UploadStatus.EXPIRED, "expired")
        record(
            tx, attempt_on(upload, Action.UPLOAD_ABORT, upload.by), AuditOutcome.FAILED, "expired"
        )
    return len(overdue)


def reopen_interrupted(tx: UploadTx, limit: int) -> int:
    """After a crash, when nobody can be sending: let cut uploads be tried again.

    Gives how many there were, at most ``limit``.
    """
    cut = tx.uploads.receiving(limit)
    for upload in cut:
        if upload.blob_key is not None:
            tx.blobs.doom(upload.blob_key)
        tx.uploads.put(
            replace(upload, status=UploadStatus.PENDING, blob_key=None, received_bytes=0)
        )
    return len(cut)


def attempt_on(upload: Upload, action: Action, who: Caller) -> Attempt:
    """Describe an attempt on an upload for the audit trail, with the name and size it declared."""
    return Attempt(action, target_of_upload(upload), who, {"size": upload.declared.size})


def attempt_to_receive(tx: UploadTx, upload_id: str, from_: Caller) -> Attempt:
    """Describe a request to an upload URL for the audit trail, in the name of its buyer."""
    upload = tx.uploads.get(upload_id)
    if upload is None:
        return Attempt(Action.UPLOAD_RECEIVE, Target(None, "upload", upload_id), from_)
    return attempt_on(upload, Action.UPLOAD_RECEIVE, _bought_by(tx, upload, from_))


def target_of_upload(upload: Upload) -> Target:
    """Name an upload for the audit trail."""
    return Target(upload.workspace_id, "upload", upload.id, upload.declared.name)


def _still_ours(tx: UploadTx, attempted: Attempted) -> Upload:
    upload = tx.uploads.get(attempted.upload.id)
    if upload is None:
        raise UploadNotFound
    _require_open(upload)
    if upload.blob_key != attempted.blob_key:
        raise UploadSuperseded
    return upload


def _find(tx: UploadTx, who: Caller, action: Action, upload_id: str) -> Upload:
    upload = tx.uploads.get(upload_id)
    try:
        enter(tx, who, action, upload.workspace_id if upload else "")
    except WorkspaceNotFound:
        raise UploadNotFound from None
    if upload is None:
        raise UploadNotFound
    return upload


def _enter(tx: UploadTx, who: Caller, action: Action, upload: Upload) -> Workspace:
    """Judge the buyer's rights again; one who lost sight of the workspace learns nothing of it."""
    try:
        return enter(tx, who, action, upload.workspace_id).workspace
    except WorkspaceNotFound:
        raise UploadNotFound from None


def _bought_by(tx: UploadTx, upload: Upload, from_: Caller) -> Caller:
    """Give whoever bought the upload, as they stand now: no token is at hand to say so.

    Of the organization role they had then and the one seen last, the weaker counts.
    """
    role = upload.by.organization_role
    if role is not None:
        for member in tx.members.of(upload.workspace_id, upload.by.user_id):
            if member.source is MemberSource.CLERK:
                role = role if member.role.covers(role) else member.role
    return replace(upload.by, origin=from_.origin, organization_role=role)


def _require_open(upload: Upload) -> Upload:
    if not upload.status.open:
        raise UploadClosed(upload_status=upload.status.value)
    return upload


def _refuse_too_large(size: int, limits: Limits) -> None:
    if size > limits.upload_bytes_max:
        raise UploadTooLarge(
            f"A file here may have at most {limits.upload_bytes_max} bytes.",
            limit_bytes=limits.upload_bytes_max,
        )


def _refuse_over_quota(workspace: Workspace, size: int) -> None:
    if workspace.used_bytes + size > workspace.quota_bytes:
        raise QuotaExceeded(
            used_bytes=workspace.used_bytes, quota_bytes=workspace.quota_bytes, asked_bytes=size
        )


def _place(tx: UploadTx, who: Caller, upload: Upload, blob_key: str, stored: Stored) -> Node:
    new = upload.declared
    content = Content(blob_key, stored.size, stored.digest, new.content_type, stored.sha256)
    existing = tx.files.child(upload.workspace_id, new.parent_id, new.name)
    if existing is not None and new.on_conflict is OnConflict.REPLACE:
        if existing.kind is Kind.FOLDER:
            raise NameTaken("A folder has this name, and a file can't replace it.")
        return add_version(tx, who, existing, content, new.metadata)
    name = new.name
    if existing is not None:
        name = place_name(tx, upload.workspace_id, new.parent_id, name, new.on_conflict)
    node = Node(
        id=tx.new_id("file"),
        workspace_id=upload.workspace_id,
        parent_id=new.parent_id,
        name=name,
        kind=Kind.FILE,
        created_by=who.user_id,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.files.add(node)
    return add_version(tx, who, node, content, new.metadata)
