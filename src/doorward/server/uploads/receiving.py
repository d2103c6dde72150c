"""An upload while bytes come: held by one request at a time, and made a file by one row.

Whoever holds an upload writes to its blob alone; a newer request takes the hold over, and the older
one lets go. What is stored as received is on the disk, so a client may go on from there whatever
happens in between.
"""

from dataclasses import dataclass, replace

from doorward.server.audit.model import Attempt
from doorward.server.audit.service import record
from doorward.server.events.model import EventType
from doorward.server.files.admission import Policies, check_last_room
from doorward.server.files.model import Content, Kind, Node, OnConflict
from doorward.server.files.naming import place_name
from doorward.server.files.service import add_version, require_folder, target_of
from doorward.server.links.using import count_upload, require_upload_link, spend_upload_link
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    Json,
    NameTaken,
    UploadConcatenated,
    UploadNotFound,
    UploadSuperseded,
)
from doorward.server.uploads.concatenation import close_parts, parts_of
from doorward.server.uploads.model import Upload, UploadStatus
from doorward.server.uploads.policy import check_declared
from doorward.server.uploads.ports import Stored, UploadTx
from doorward.server.uploads.service import (
    announce_upload,
    attempt_on,
    bought_by,
    check_replaced,
    close_upload,
    enter_again,
    refuse_over_quota,
    require_open,
)
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.policy import NO_POLICY, Policy, check_naming


@dataclass(frozen=True, slots=True)
class Hold:
    """One request's hold of an upload; ``taken_over`` says that another request had it.

    ``policy`` is the workspace's as the request found it.
    """

    upload: Upload
    taken_over: bool = False
    policy: Policy = NO_POLICY

    @property
    def blob_key(self) -> str:
        """Where the bytes are written."""
        return self.upload.blob_key or ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A blob of the same content, and whether its bytes are still that."""

    key: str
    is_sound: bool


class EarlierUnseen(Exception):
    """The same content was stored meanwhile; nothing was changed, look at it and try again."""


def judge_upload(tx: UploadTx, upload_id: str, from_: Caller, action: Action) -> Upload:
    """Give an upload to whoever shows its URL, if its buyer may still do this.

    ``from_`` tells where the request came from. Raises UploadNotFound, PermissionDenied, and what
    came of the link by which it comes: UploadUrlInvalid, LinkEnded, LinkNetworkRefused.
    """
    return _judged(tx, upload_id, from_, action)[0]


def hold_upload(tx: UploadTx, upload_id: str, from_: Caller, *, sends: bool = True) -> Hold:
    """Take hold of an upload to send bytes of it, from any earlier request that has it.

    Whoever ``sends`` spends a use of the link; who only wants an offset that holds does not.
    Raises UploadConcatenated, UploadClosed, LinkEnded, and what ``judge_upload`` does.
    """
    upload, workspace = _judged(tx, upload_id, from_, Action.UPLOAD_RECEIVE)
    if upload.declared.parts:
        raise UploadConcatenated
    require_open(upload)
    if sends:
        spend_upload_link(tx, from_)
    return hold_judged(tx, upload, workspace, _new_holder(tx, from_))


def hold_judged(
    tx: UploadTx, upload: Upload, workspace: Workspace, holder: str | None = None
) -> Hold:
    """Take hold of an open upload whose buyer was judged in this transaction."""
    held = replace(upload, status=UploadStatus.RECEIVING, holder=holder or tx.new_id("hold"))
    tx.uploads.put(held)
    return Hold(held, taken_over=upload.holder is not None, policy=workspace.policy)


def hold_concatenation(tx: UploadTx, upload_id: str, from_: Caller) -> tuple[Hold, list[Upload]]:
    """Take hold of an upload that is made of others, and give those in order.

    Raises UploadNotFound, PermissionDenied, UploadClosed, PartInvalid.
    """
    upload, workspace = _judged(tx, upload_id, from_, Action.UPLOAD_RECEIVE)
    return hold_judged(tx, require_open(upload), workspace), parts_of(tx, upload)


def abandon_upload(tx: UploadTx, upload_id: str, from_: Caller) -> None:
    """Give an upload up, as whoever holds its URL asks; its bytes go once that is durable.

    Raises UploadNotFound, PermissionDenied, UploadClosed.
    """
    upload = require_open(judge_upload(tx, upload_id, from_, Action.UPLOAD_ABORT))
    close_upload(tx, upload, UploadStatus.ABORTED, "aborted")
    record(tx, attempt_on(upload, Action.UPLOAD_ABORT, upload.by))


def confirm_hold(tx: UploadTx, hold: Hold) -> Hold:
    """Give a hold with what the earlier request left, once that has let go of the bytes.

    Raises UploadNotFound, UploadClosed, UploadSuperseded.
    """
    upload = still_held(tx, hold)
    known = replace(hold.upload, received_bytes=upload.received_bytes)
    return Hold(known, policy=hold.policy)


def note_received(tx: UploadTx, hold: Hold, received_bytes: int) -> bool:
    """Store how many bytes are durable, judging the link and the buyer's rights once more.

    Says whether the hold still counts; the bytes are there either way. Raises UploadClosed, and
    what ``judge_upload`` does.
    """
    upload = judge_hold(tx, hold)
    count_upload(tx, hold.upload.by, received_bytes - upload.received_bytes)
    noted = replace(upload, received_bytes=received_bytes)
    tx.uploads.put(noted)
    if noted != upload:
        announce_upload(tx, EventType.UPLOAD_PROGRESS, noted)
    return upload.holder == hold.upload.holder


def judge_hold(tx: UploadTx, hold: Hold) -> Upload:
    """Give an upload as it stands now, if its link and its buyer's rights let more of it be known.

    Raises UploadClosed, and what ``judge_upload`` does.
    """
    upload = _still_there(tx, hold)
    require_upload_link(tx, upload.id, hold.upload.by, begun=True)
    enter_again(tx, bought_by(tx, upload, hold.upload.by), Action.UPLOAD_RECEIVE, upload)
    return upload


def find_same(tx: UploadTx, hold: Hold, stored: Stored) -> str | None:
    """Give the key under which the workspace has this content already."""
    return tx.contents.same(hold.upload.workspace_id, stored.size, stored.digest)


def finish_upload(
    tx: UploadTx,
    hold: Hold,
    stored: Stored,
    earlier: Earlier | None = None,
    *,
    operator: Policy,
) -> tuple[Upload, Node]:
    """Make durable bytes a file, by one row; the parts they were copied from go.

    An ``earlier`` blob of the same content is used instead of the new one, if it is sound. The
    ``operator``'s policy and the workspace's are judged as they are now.
    Raises EarlierUnseen where the workspace has one that was not looked at, and
    UploadSuperseded, UploadClosed, UploadNotFound, PermissionDenied, NameTaken, ParentInvalid,
    QuotaExceeded, PartInvalid, MediaTypeRefused, PolicyRefused, UploadTooLarge, LinkEnded,
    LinkNetworkRefused, VersionConflict.
    """
    upload = still_held(tx, hold)
    require_upload_link(tx, upload.id, hold.upload.by, begun=True)
    count_upload(tx, hold.upload.by, stored.size - upload.received_bytes)
    close_parts(tx, upload)
    who = bought_by(tx, upload, hold.upload.by)
    workspace = enter_again(tx, who, Action.UPLOAD_FINISH, upload)
    policies = (operator, workspace.policy)
    check_declared(replace(upload.declared, size=stored.size), policies)
    refuse_over_quota(workspace, stored.size, promised=upload.promised_bytes)
    require_folder(tx, upload.workspace_id, upload.declared.parent_id)
    blob_key = _settle(tx, hold, stored, earlier)
    file = _place(tx, who, upload, blob_key, stored, policies)
    done = _completed(tx, upload, stored, blob_key, file)
    for key in stored.leftovers:
        tx.blobs.doom(key)
    tx.blobs.kept(hold.upload.holder or "")
    details: dict[str, Json] = {"size": stored.size, "digest": stored.digest, "upload": upload.id}
    record(tx, Attempt(Action.UPLOAD_FINISH, target_of(file), who, details))
    return done, file


def begin_keeping(tx: UploadTx, hold: Hold) -> None:
    """Note that a store far away is about to be given the bytes, so that no sweep passes them.

    Raises UploadNotFound, UploadClosed, UploadSuperseded.
    """
    still_held(tx, hold)
    tx.blobs.keep(hold.upload.holder or "", hold.blob_key)


def release_upload(tx: UploadTx, hold: Hold, received_bytes: int | None) -> bool:
    """Let go of an upload that is not whole; says whether its bytes are to stay.

    With them the upload goes on from ``received_bytes``, by whichever request comes next; None
    where this one did not come to write.
    """
    tx.blobs.kept(hold.upload.holder or "")
    upload = tx.uploads.get(hold.upload.id)
    if upload is not None and upload.file_id is not None:
        return True  # whoever made the file said what becomes of the bytes, under whichever key
    if upload is None or upload.blob_key != hold.blob_key:
        tx.blobs.doom(hold.blob_key)
        return False
    if upload.status.open:
        ours = upload.holder == hold.upload.holder
        came = (received_bytes or 0) - upload.received_bytes
        count_upload(tx, hold.upload.by, came, bounded=False)
        left = replace(
            upload,
            received_bytes=upload.received_bytes if received_bytes is None else received_bytes,
            status=UploadStatus.PENDING if ours else upload.status,
            holder=None if ours else upload.holder,
        )
        tx.uploads.put(left)
        if left.received_bytes != upload.received_bytes:
            announce_upload(tx, EventType.UPLOAD_PROGRESS, left)
    return True


def fail_upload(tx: UploadTx, hold: Hold, failure: str) -> None:
    """End an upload whose bytes can never be what was declared."""
    upload = tx.uploads.get(hold.upload.id)
    if upload is not None and upload.status.open and upload.holder == hold.upload.holder:
        close_upload(tx, upload, UploadStatus.FAILED, failure)


def fail_concatenation(tx: UploadTx, upload_id: str, failure: str) -> None:
    """End an upload whose parts could not be joined: another request makes another one."""
    upload = tx.uploads.get(upload_id)
    if upload is not None and upload.status.open:
        close_upload(tx, upload, UploadStatus.FAILED, failure)


def _judged(
    tx: UploadTx, upload_id: str, from_: Caller, action: Action
) -> tuple[Upload, Workspace]:
    upload = tx.uploads.get(upload_id)
    if upload is None:
        raise UploadNotFound
    require_upload_link(tx, upload_id, from_)
    who = bought_by(tx, upload, from_)
    workspace = enter_again(tx, who, action, upload)
    return replace(upload, by=who), workspace


def _new_holder(tx: UploadTx, from_: Caller) -> str:
    return tx.new_id(Upload.IMPORT if from_.credential.kind == Upload.IMPORT else "hold")


def _still_there(tx: UploadTx, hold: Hold) -> Upload:
    upload = tx.uploads.get(hold.upload.id)
    if upload is None:
        raise UploadNotFound
    return require_open(upload)


def still_held(tx: UploadTx, hold: Hold) -> Upload:
    """Give an upload as it stands now; raises UploadNotFound, UploadClosed, UploadSuperseded."""
    upload = _still_there(tx, hold)
    if upload.holder != hold.upload.holder:
        raise UploadSuperseded
    return upload


def _settle(tx: UploadTx, hold: Hold, stored: Stored, earlier: Earlier | None) -> str:
    """Say under which key the content stays: identical content lies once in a workspace.

    Only the whole, sent and hashed, comes this far, so nobody learns by it what others have.
    """
    key = stored.key or hold.blob_key
    same = find_same(tx, hold, stored)
    if same is not None and (earlier is None or earlier.key != same):
        raise EarlierUnseen
    if same is not None:
        return _settle_beside(tx, key, same, is_sound=earlier is not None and earlier.is_sound)
    workspace_id = hold.upload.workspace_id
    for damaged in tx.contents.heal(workspace_id, stored.size, stored.digest, key):
        tx.blobs.doom(damaged)
    return key


def _settle_beside(tx: UploadTx, blob_key: str, same: str, *, is_sound: bool) -> str:
    """Use the earlier blob; where it is bad, the new one takes its place for all who name it."""
    tx.contents.keep(same)
    if is_sound:
        tx.blobs.doom(blob_key)
        return same
    tx.contents.replace(same, blob_key)
    tx.blobs.doom(same)
    return blob_key


def _place(
    tx: UploadTx,
    who: Caller,
    upload: Upload,
    blob_key: str,
    stored: Stored,
    policies: Policies,
) -> Node:
    new = upload.declared
    content = Content(blob_key, stored.size, stored.digest, new.content_type, stored.sha256)
    check_replaced(tx, upload.workspace_id, new)
    existing = tx.files.child(upload.workspace_id, new.parent_id, new.name)
    if existing is not None and new.on_conflict is OnConflict.REPLACE:
        if existing.kind is Kind.FOLDER:
            raise NameTaken("A folder has this name, and a file can't replace it.")
        return add_version(tx, who, existing, content, new.metadata)
    name = new.name
    if existing is not None:
        name = place_name(tx, upload.workspace_id, new.parent_id, name, new.on_conflict, policies)
        check_naming(name, policies, of_file=True)
    check_last_room(tx, upload.workspace_id, policies)
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


def _completed(tx: UploadTx, upload: Upload, stored: Stored, blob_key: str, file: Node) -> Upload:
    """Close an upload on the file that it has become; what was promised to it is free again."""
    done = replace(
        upload,
        status=UploadStatus.COMPLETE,
        holder=None,
        size=stored.size,
        promised_bytes=0,
        received_bytes=stored.size,
        blob_key=blob_key,
        file_id=file.id,
        closed_at=tx.now,
    )
    tx.uploads.put(done)
    tx.workspaces.reserve(upload.workspace_id, -upload.promised_bytes)
    if upload.declared.direct:
        tx.direct.drop(upload.id)
    announce_upload(tx, EventType.UPLOAD_COMPLETED, done)
    return done
