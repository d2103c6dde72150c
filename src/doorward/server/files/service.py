"""What is done to files and folders: always load, require, change, audit, in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.events.model import EventType
from doorward.server.events.service import publish
from doorward.server.files.admission import check_restored, policies_of
from doorward.server.files.model import Content, Kind, Node, OnConflict, Version
from doorward.server.files.naming import place_name
from doorward.server.files.ports import FileTx
from doorward.server.names import checked_name
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import (
    FileNotFound,
    Json,
    MoveIntoSelf,
    NotInBin,
    ParentInvalid,
    StorageFailed,
    TooDeep,
    VersionNotFound,
    WorkspaceNotFound,
)
from doorward.server.workspaces.policy import Policy, check_naming
from doorward.server.workspaces.service import enter

DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class NewFolder:
    """A folder to create; ``exist_ok`` takes an existing one of that name instead."""

    name: str
    parent_id: str | None = None
    exist_ok: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """What to change of a node's place; ``to_root`` tells a move to the root from no move."""

    name: str | None = None
    parent_id: str | None = None
    to_root: bool = False
    on_conflict: OnConflict = OnConflict.ERROR


@dataclass(frozen=True, slots=True)
class Opened:
    """A file with the content that is downloaded, and since when it has been that."""

    node: Node
    content: Content
    changed_at: datetime


def find(tx: FileTx, who: Caller, action: Action, file_id: str, *, binned: bool = False) -> Node:
    """Give a node if the action is allowed on it.

    Raises FileNotFound (missing, in the bin unless ``binned``, or hidden: one answer for all) and
    PermissionDenied.
    """
    workspace_id = tx.files.workspace_of(file_id)
    try:
        enter(tx, who, action, workspace_id or "")
    except WorkspaceNotFound:
        raise FileNotFound from None
    node = tx.files.get(workspace_id or "", file_id)
    if node is None or (node.deleted_at is not None and not binned):
        raise FileNotFound
    return node


def create_folder(
    tx: FileTx, who: Caller, workspace_id: str, new: NewFolder, operator: Policy
) -> Node:
    """Create a folder, under a name that the operator's policy and the workspace's allow.

    Raises WorkspaceNotFound, PermissionDenied, NameInvalid, NameTaken, ParentInvalid, TooDeep,
    PolicyRefused.
    """
    workspace = enter(tx, who, Action.FOLDER_CREATE, workspace_id).workspace
    name = checked_name(new.name)
    require_room(tx, workspace_id, new.parent_id)
    existing = tx.files.child(workspace_id, new.parent_id, name)
    if existing is not None and new.exist_ok and existing.kind is Kind.FOLDER:
        record(tx, Attempt(Action.FOLDER_CREATE, target_of(existing), who))
        return existing
    check_naming(name, (operator, workspace.policy), of_file=False)
    name = place_name(tx, workspace_id, new.parent_id, name, OnConflict.ERROR)
    folder = Node(
        id=tx.new_id("file"),
        workspace_id=workspace_id,
        parent_id=new.parent_id,
        name=name,
        kind=Kind.FOLDER,
        created_by=who.user_id,
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.files.add(folder)
    announce(tx, EventType.FOLDER_CREATED, folder)
    record(tx, Attempt(Action.FOLDER_CREATE, target_of(folder), who))
    return folder


def list_children(
    tx: FileTx, who: Caller, workspace_id: str, parent_id: str | None, page: Page
) -> Listed[Node]:
    """List a folder, or the root, by name.

    Raises WorkspaceNotFound, PermissionDenied, FileNotFound.
    """
    enter(tx, who, Action.FILE_LIST, workspace_id)
    if parent_id is not None and not _live_folder(tx, workspace_id, parent_id):
        raise FileNotFound
    rows = tx.files.page(workspace_id, parent_id, page)
    return listed(rows, page, lambda node: (node.name, node.id))


def find_child(
    tx: FileTx, who: Caller, workspace_id: str, parent_id: str | None, name: str
) -> list[Node]:
    """Give the live node of that name in a folder, as a list of one or none.

    Raises WorkspaceNotFound, PermissionDenied.
    """
    enter(tx, who, Action.FILE_LIST, workspace_id)
    child = tx.files.child(workspace_id, parent_id, name)
    return [] if child is None else [child]


def list_bin(tx: FileTx, who: Caller, workspace_id: str, page: Page) -> Listed[Node]:
    """List the bin, latest first.

    Raises WorkspaceNotFound, PermissionDenied.
    """
    enter(tx, who, Action.FILE_LIST, workspace_id)
    rows = tx.files.bin_page(workspace_id, page)
    return listed(rows, page, lambda n: (n.deleted_at.isoformat() if n.deleted_at else "", n.id))


def move(tx: FileTx, who: Caller, file_id: str, change: Move, operator: Policy) -> Node:
    """Rename a node or move it within its workspace, atomically.

    A name that is new is judged by the operator's policy and the workspace's; one that it had
    already may go along. Raises FileNotFound, PermissionDenied, NameInvalid, NameTaken,
    ParentInvalid, MoveIntoSelf, TooDeep, PolicyRefused.
    """
    node = find(tx, who, Action.FILE_UPDATE, file_id)
    parent_id = change.parent_id if change.parent_id or change.to_root else node.parent_id
    if parent_id != node.parent_id:
        _require_movable(tx, node, parent_id)
    name = checked_name(change.name) if change.name is not None else node.name
    if (parent_id, name) == (node.parent_id, node.name):
        record(tx, Attempt(Action.FILE_UPDATE, target_of(node), who))
        return node
    policies = policies_of(tx, node.workspace_id, operator)
    of_file = node.kind is Kind.FILE
    if name != node.name:
        check_naming(name, policies, of_file=of_file)
    placed = place_name(tx, node.workspace_id, parent_id, name, change.on_conflict, policies)
    if placed != name:
        check_naming(placed, policies, of_file=of_file)
    moved = replace(node, name=placed, parent_id=parent_id, updated_at=tx.now)
    tx.files.place(moved)
    announce(tx, EventType.FILE_UPDATED, moved)
    record(tx, Attempt(Action.FILE_UPDATE, target_of(moved), who, {"was": node.name}))
    return moved


def delete(tx: FileTx, who: Caller, file_id: str) -> int:
    """Put a node, and all under it, in the bin; gives how many nodes that were.

    Raises FileNotFound, PermissionDenied.
    """
    node = find(tx, who, Action.FILE_DELETE, file_id)
    count = tx.files.bin(node.workspace_id, node.id, tx.now, who.user_id)
    announce(tx, EventType.FILE_DELETED, node)
    record(tx, Attempt(Action.FILE_DELETE, target_of(node), who, {"nodes": count}))
    return count


def restore(
    tx: FileTx, who: Caller, file_id: str, operator: Policy, parent_id: str | None = None
) -> Node:
    """Take a node out of the bin, to where it was or into ``parent_id``.

    A name that was taken meanwhile gets a number. All that comes back is judged as if it came anew.
    Raises FileNotFound, PermissionDenied, NotInBin, NameTaken, ParentInvalid, TooDeep,
    PolicyRefused.
    """
    node = find(tx, who, Action.FILE_RESTORE, file_id, binned=True)
    if node.deleted_at is None or node.bin_root_id != node.id:
        raise NotInBin
    home = parent_id or node.parent_id
    require_room(tx, node.workspace_id, home, tx.files.height(node.workspace_id, node.id))
    policies = policies_of(tx, node.workspace_id, operator)
    name = place_name(tx, node.workspace_id, home, node.name, OnConflict.RENAME, policies)
    check_restored(tx, node, name, policies)
    restored = replace(
        node, name=name, parent_id=home, deleted_at=None, deleted_by=None, bin_root_id=None
    )
    tx.files.place(restored)
    tx.files.unbin(node.workspace_id, node.id)
    announce(tx, EventType.FILE_RESTORED, restored)
    record(tx, Attempt(Action.FILE_RESTORE, target_of(restored), who))
    return restored


def restore_version(tx: FileTx, who: Caller, file_id: str, version_id: str) -> Node:
    """Make an older content the file's content again, as a new version.

    Raises FileNotFound, PermissionDenied, VersionNotFound.
    """
    node = find(tx, who, Action.FILE_RESTORE, file_id)
    old = tx.files.version(node.workspace_id, node.id, version_id)
    if old is None:
        raise VersionNotFound
    changed = add_version(tx, who, node, old.content, new_bytes=False)
    record(tx, Attempt(Action.FILE_RESTORE, target_of(node), who, {"version": old.number}))
    return changed


def add_version(
    tx: FileTx,
    who: Caller,
    node: Node,
    content: Content,
    metadata: dict[str, Json] | None = None,
    *,
    new_bytes: bool = True,
) -> Node:
    """Give a file a new content, and count its bytes if they are new; older ones stay."""
    version = Version(
        id=tx.new_id("ver"),
        file_id=node.id,
        workspace_id=node.workspace_id,
        number=node.version + 1,
        content=content,
        created_by=who.user_id,
        created_at=tx.now,
        counted_bytes=content.size if new_bytes else 0,
    )
    changed = replace(
        node,
        version_id=version.id,
        version=version.number,
        content=content,
        metadata=metadata if metadata is not None else node.metadata,
        updated_at=tx.now,
    )
    tx.files.set_version(changed, version)
    announce(
        tx, EventType.FILE_CREATED if changed.version == 1 else EventType.FILE_UPDATED, changed
    )
    if new_bytes:
        tx.workspaces.use(node.workspace_id, content.size)
    return changed


def list_versions(tx: FileTx, who: Caller, file_id: str, page: Page) -> Listed[Version]:
    """List the contents a file had, newest first.

    Raises FileNotFound, PermissionDenied.
    """
    node = find(tx, who, Action.FILE_READ, file_id)
    rows = tx.files.versions(node.workspace_id, node.id, page)
    return listed(rows, page, lambda version: (str(version.number),))


def open_content(
    tx: FileTx,
    who: Caller,
    file_id: str,
    version_id: str | None = None,
    action: Action = Action.FILE_DOWNLOAD,
) -> Opened:
    """Give the content to download, the file's own or an older version's.

    Raises FileNotFound, PermissionDenied, VersionNotFound, and StorageFailed where the bytes are
    known not to be what they were.
    """
    node = find(tx, who, action, file_id)
    return opened_content(tx, node.workspace_id, node.id, version_id)


def opened_content(
    tx: FileTx, workspace_id: str, file_id: str, version_id: str | None = None
) -> Opened:
    """Give the content of a live file to whoever was judged already.

    Raises FileNotFound, VersionNotFound, and StorageFailed where its bytes are known to be damaged.
    """
    node = tx.files.get(workspace_id, file_id)
    if node is None or node.deleted_at is not None:
        raise FileNotFound
    if node.content is None:
        raise FileNotFound("A folder has no content.")
    version = tx.files.version(workspace_id, node.id, version_id or node.version_id or "")
    if version is None:
        raise VersionNotFound
    if tx.contents.is_damaged(version.content.blob_key):
        raise StorageFailed(
            "The stored bytes of this file are damaged. Upload it again to have it back.",
            reason="damaged",
        )
    return Opened(node, version.content, version.created_at)


def require_folder(tx: FileTx, workspace_id: str, folder_id: str | None) -> None:
    """Make sure that a file can be put into the folder, None for the root.

    Raises ParentInvalid: missing, deleted, or a file.
    """
    if folder_id is not None and not _live_folder(tx, workspace_id, folder_id):
        raise ParentInvalid


def require_room(tx: FileTx, workspace_id: str, folder_id: str | None, below: int = 0) -> None:
    """Make sure that a folder with ``below`` levels under it can be put into the folder.

    Raises ParentInvalid and TooDeep.
    """
    require_folder(tx, workspace_id, folder_id)
    if folder_id is None:
        return
    if len(tx.files.ancestors(workspace_id, folder_id)) + 1 + below > DEPTH_MAX:
        raise TooDeep


def announce(tx: FileTx, type_: EventType, node: Node) -> None:
    """Publish what happened to a node."""
    publish(
        tx,
        type_,
        node.workspace_id,
        node.id,
        name=node.name,
        kind=node.kind.value,
        parent_id=node.parent_id,
        version=node.version,
    )


def target_of(node: Node) -> Target:
    """Name a node for the audit trail."""
    return Target(node.workspace_id, node.kind.value, node.id, node.name)


def _live_folder(tx: FileTx, workspace_id: str, folder_id: str) -> bool:
    folder = tx.files.get(workspace_id, folder_id)
    return folder is not None and folder.kind is Kind.FOLDER and folder.deleted_at is None


def _require_movable(tx: FileTx, node: Node, parent_id: str | None) -> None:
    if parent_id is not None and node.id in tx.files.ancestors(node.workspace_id, parent_id):
        raise MoveIntoSelf
    below = tx.files.height(node.workspace_id, node.id)
    require_room(tx, node.workspace_id, parent_id, below)
