"""Uploads as people deal with them: declared, read, renewed, given up.

The rights of whoever bought an upload are judged at its creation, on every request of the upload
itself, and once more before the file becomes visible (``receiving``).
"""

from dataclasses import replace
from datetime import timedelta

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.events.model import EventType
from doorward.server.events.service import publish
from doorward.server.files.model import Node, OnConflict
from doorward.server.files.naming import place_name
from doorward.server.files.service import require_folder
from doorward.server.links.model import Bounds, Direction, Link
from doorward.server.links.using import as_of_now
from doorward.server.names import checked_name
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import SESSION, Caller, Credential
from doorward.server.problems import (
    DirectUnavailable,
    Json,
    LengthRequired,
    PermissionDenied,
    QuotaExceeded,
    RequestInvalid,
    UploadClosed,
    UploadNotFound,
    UploadTooLarge,
    VersionConflict,
    WorkspaceNotFound,
)
from doorward.server.uploads.model import Limits, NewUpload, Upload, UploadStatus
from doorward.server.uploads.policy import check_count, check_declared
from doorward.server.uploads.ports import UploadTx
from doorward.server.usage.service import left_of_storage, refuse_over_storage
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import enter


def create_upload(
    tx: UploadTx,
    who: Caller,
    workspace_id: str,
    new: NewUpload,
    limits: Limits,
    *,
    promised: int = 0,
    action: Action = Action.UPLOAD_CREATE,
    details: dict[str, Json] | None = None,
) -> Upload:
    """Take the declaration of a file to come.

    ``promised`` are bytes of the quota that were promised to uploads that this one will replace.
    Raises WorkspaceNotFound, PermissionDenied, NameInvalid, NameTaken, ParentInvalid,
    UploadTooLarge, MediaTypeRefused, PolicyRefused, QuotaExceeded, DirectUnavailable,
    LengthRequired, RequestInvalid, VersionConflict.
    """
    workspace = enter(tx, who, action, workspace_id).workspace
    new = replace(new, name=checked_name(new.name))
    _check_direct(new, limits)
    _refuse_too_large(new, limits)
    policies = (limits.policy, workspace.policy)
    check_declared(new, policies)
    check_count(tx, workspace_id, new, policies)
    new = _bounded(tx, workspace, new, limits, promised)
    require_folder(tx, workspace_id, new.parent_id)
    if new.on_conflict is OnConflict.ERROR:
        place_name(tx, workspace_id, new.parent_id, new.name, OnConflict.ERROR)
    check_replaced(tx, workspace_id, new)
    upload = Upload(
        id=tx.new_id("up"),
        workspace_id=workspace_id,
        declared=new,
        status=UploadStatus.PENDING,
        by=who,
        created_at=tx.now,
        url_expires_at=tx.now + timedelta(seconds=limits.url_life_seconds),
        expires_at=tx.now + timedelta(seconds=limits.upload_life_seconds),
        size=new.size,
        promised_bytes=new.size or 0,
        blob_key=f"{tx.now:%Y%m%d}/{tx.new_id('blob')}",
    )
    upload = replace(upload, link_id=hand_out(tx, upload, Bounds(upload.url_expires_at)).id)
    tx.uploads.add(upload)
    tx.workspaces.reserve(workspace_id, upload.promised_bytes)
    announce_upload(tx, EventType.UPLOAD_CREATED, upload)
    attempt = attempt_on(upload, action, who)
    record(tx, replace(attempt, details=attempt.details | (details or {})))
    return upload


def get_upload(tx: UploadTx, who: Caller, upload_id: str) -> tuple[Upload, Node | None]:
    """Give an upload and, once it is complete, its file.

    Raises UploadNotFound, PermissionDenied.
    """
    upload = find_upload(tx, who, Action.UPLOAD_READ, upload_id)
    file = tx.files.get(upload.workspace_id, upload.file_id) if upload.file_id else None
    return upload, file


def renew_upload(tx: UploadTx, who: Caller, upload_id: str, limits: Limits) -> Upload:
    """Give the upload's URL a new life; what was received stays.

    Raises UploadNotFound, PermissionDenied, UploadClosed.
    """
    upload = require_open(find_upload(tx, who, Action.UPLOAD_RENEW, upload_id))
    if not is_buyer(who, upload):
        raise PermissionDenied(
            "Only whoever created an upload gets its URL.", reason="not-the-uploader"
        )
    renewed = replace(
        upload,
        url_expires_at=tx.now + timedelta(seconds=limits.url_life_seconds),
        expires_at=tx.now + timedelta(seconds=limits.upload_life_seconds),
    )
    renewed = replace(renewed, link_id=hand_out(tx, renewed, Bounds(renewed.url_expires_at)).id)
    tx.uploads.put(renewed)
    record(tx, attempt_on(renewed, Action.UPLOAD_RENEW, who))
    return renewed


def hand_out(tx: UploadTx, upload: Upload, bounds: Bounds) -> Link:
    """Note a signed URL that takes the upload's bytes, so that it can be counted and killed."""
    link = Link(
        id=tx.new_id("link"),
        direction=Direction.UPLOAD,
        workspace_id=upload.workspace_id,
        resource_kind="upload",
        resource_id=upload.id,
        resource_name=upload.declared.name,
        by=upload.by,
        created_at=tx.now,
        bounds=bounds,
    )
    tx.links.add(link)
    return link


def is_buyer(who: Caller, upload: Upload) -> bool:
    """Say whether an upload's URL, which acts for whoever created it, may be this caller's.

    It may be a person's who is there themselves, for what their keys began too. Whatever else
    stands for a person gets the URLs of what it began itself, and only to write: any other would
    give it more than it has, and outlive it.
    """
    if who.user_id != upload.by.user_id or Action.UPLOAD_RECEIVE.scope not in who.scopes:
        return False
    return who.credential.kind == SESSION or _means(who) == _means(upload.by)


def _means(who: Caller) -> tuple[str, Credential]:
    """Give what somebody acts by: of tokens that follow each other, the agent's key."""
    return who.credential.kind, who.agent.credential if who.agent else who.credential


def abort_upload(tx: UploadTx, who: Caller, upload_id: str) -> None:
    """Give an upload up; its bytes go once that is durable.

    Raises UploadNotFound, PermissionDenied, UploadClosed.
    """
    upload = require_open(find_upload(tx, who, Action.UPLOAD_ABORT, upload_id))
    close_upload(tx, upload, UploadStatus.ABORTED, "aborted")
    record(tx, attempt_on(upload, Action.UPLOAD_ABORT, who))


def close_upload(tx: UploadTx, upload: Upload, status: UploadStatus, failure: str) -> None:
    """End an upload without a file: its bytes go once that is durable, and its promise at once."""
    if upload.blob_key is not None:
        tx.blobs.doom(upload.blob_key)
    if upload.declared.direct:
        tx.direct.drop(upload.id)
    tx.workspaces.reserve(upload.workspace_id, -upload.promised_bytes)
    closed = replace(
        upload,
        status=status,
        blob_key=None,
        holder=None,
        received_bytes=0,
        promised_bytes=0,
        failure=failure,
        closed_at=tx.now,
    )
    tx.uploads.put(closed)
    announce_upload(tx, EventType.UPLOAD_ENDED, closed)


def announce_upload(tx: UploadTx, type_: EventType, upload: Upload) -> None:
    """Publish where an upload stands."""
    publish(
        tx,
        type_,
        upload.workspace_id,
        upload.id,
        name=upload.declared.name,
        size=upload.size,
        received_bytes=upload.received_bytes,
        status=upload.status.value,
        file_id=upload.file_id,
        failure=upload.failure,
    )


def attempt_on(upload: Upload, action: Action, who: Caller) -> Attempt:
    """Describe an attempt on an upload for the audit trail, with its name and known size."""
    return Attempt(action, target_of_upload(upload), who, {"size": upload.size})


def attempt_by_url(tx: UploadTx, upload_id: str, from_: Caller, action: Action) -> Attempt:
    """Describe a request to an upload URL for the audit trail, in the name of its buyer."""
    upload = tx.uploads.get(upload_id)
    if upload is None:
        return Attempt(action, Target(None, "upload", upload_id), from_)
    return attempt_on(upload, action, bought_by(tx, upload, from_))


def target_of_upload(upload: Upload) -> Target:
    """Name an upload for the audit trail."""
    return Target(upload.workspace_id, "upload", upload.id, upload.declared.name)


def find_upload(tx: UploadTx, who: Caller, action: Action, upload_id: str) -> Upload:
    """Give an upload if the action is allowed on it; raises UploadNotFound, PermissionDenied."""
    upload = tx.uploads.get(upload_id)
    try:
        enter(tx, who, action, upload.workspace_id if upload else "")
    except WorkspaceNotFound:
        raise UploadNotFound from None
    if upload is None:
        raise UploadNotFound
    return upload


def enter_again(tx: UploadTx, who: Caller, action: Action, upload: Upload) -> Workspace:
    """Judge the buyer's rights again; one who lost sight of the workspace learns nothing of it."""
    try:
        return enter(tx, who, action, upload.workspace_id).workspace
    except WorkspaceNotFound:
        raise UploadNotFound from None


def bought_by(tx: UploadTx, upload: Upload, from_: Caller) -> Caller:
    """Give whoever bought the upload, as they stand now."""
    return as_of_now(tx, upload.by, from_)


def require_open(upload: Upload) -> Upload:
    """Make sure that an upload takes bytes still; raises UploadClosed."""
    if not upload.status.open:
        raise UploadClosed(upload_status=upload.status.value)
    return upload


def check_replaced(tx: UploadTx, workspace_id: str, new: NewUpload) -> None:
    """Make sure that the version to be replaced is the newest one.

    Raises VersionConflict, RequestInvalid.
    """
    if new.if_version_id is None:
        return
    if new.on_conflict is not OnConflict.REPLACE:
        raise RequestInvalid("A version to replace goes with on_conflict 'replace' alone.")
    existing = tx.files.child(workspace_id, new.parent_id, new.name)
    current = None if existing is None else existing.version_id
    if current != new.if_version_id:
        raise VersionConflict(current_version_id=current)


def _check_direct(new: NewUpload, limits: Limits) -> None:
    if new.direct and not limits.direct:
        raise DirectUnavailable
    if new.direct and new.size is None:
        raise LengthRequired("A direct upload needs its size: its parts are counted by it.")


def _refuse_too_large(new: NewUpload, limits: Limits) -> None:
    limit = _least(limits.upload_bytes_max, new.size_max)
    if new.size is not None and new.size > limit:
        raise UploadTooLarge(f"A file here may have at most {limit} bytes.", limit_bytes=limit)


def _bounded(
    tx: UploadTx, workspace: Workspace, new: NewUpload, limits: Limits, promised: int
) -> NewUpload:
    """Make sure that the quotas hold it; of unknown size, say how large it may become at most."""
    least = 1 if new.size is None else new.size
    refuse_over_quota(workspace, least, promised=promised)
    refuse_over_storage(tx, workspace, limits.plans, least, promised=promised)
    if new.size is not None:
        return new
    policies = (limits.policy.max_upload_bytes, workspace.policy.max_upload_bytes)
    left = (workspace.left_bytes, left_of_storage(tx, workspace, limits.plans))
    most = _least(limits.upload_bytes_max, new.size_max, *left, *policies)
    return replace(new, size_max=most)


def _least(first: int, *others: int | None) -> int:
    return min(first, *(one for one in others if one is not None), first)


def refuse_over_quota(workspace: Workspace, size: int, *, promised: int = 0) -> None:
    """Make sure that the quota holds so much more, beside what is used and promised.

    ``promised`` bytes were promised to this very content, and are not in its way. Raises
    QuotaExceeded.
    """
    reserved = workspace.reserved_bytes - promised
    if workspace.used_bytes + reserved + size > workspace.quota_bytes:
        raise QuotaExceeded(
            f"The quota is {workspace.quota_bytes} bytes, of which {workspace.used_bytes} are used "
            f"and {reserved} promised to open uploads; {size} were asked for.",
            used_bytes=workspace.used_bytes,
            reserved_bytes=reserved,
            quota_bytes=workspace.quota_bytes,
            asked_bytes=size,
        )
