"""What is in the bin goes for good: by hand, or by itself once its time is over.

Deleted workspaces go as the bin does.

Quota is free at once, exactly as much as was counted. Bytes go only when no version names them any
more and the grace is over; until then identical content takes them over again.
"""

from datetime import timedelta

from doorward.server.audit.model import Attempt
from doorward.server.audit.service import record
from doorward.server.files.model import Node, Purged
from doorward.server.files.service import find, target_of
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.problems import NotInBin
from doorward.server.uploads.ports import UploadTx


def purge(tx: UploadTx, who: Caller, file_id: str, grace_seconds: int) -> int:
    """Delete for good what a node took into the bin; gives how many nodes that were.

    Raises FileNotFound, PermissionDenied, NotInBin.
    """
    node = find(tx, who, Action.FILE_DELETE, file_id, binned=True)
    if node.deleted_at is None or node.bin_root_id != node.id:
        raise NotInBin("Only something in the bin can be deleted for good; put it there first.")
    return _purge(tx, who, node, grace_seconds)


def purge_overdue(tx: UploadTx, keep_days: int, grace_seconds: int, limit: int) -> int:
    """Delete for good what was in the bin long enough; gives how much, at most ``limit``."""
    overdue = tx.files.bin_overdue(tx.now - timedelta(days=keep_days), limit)
    for node in overdue:
        by = Caller(node.deleted_by or "", Credential("retention", None), Origin(""))
        _purge(tx, by, node, grace_seconds)
    return len(overdue)


def purge_removed(tx: UploadTx, keep_days: int, grace_seconds: int, limit: int) -> int:
    """Empty workspaces that were deleted long enough ago; gives how many, at most ``limit``."""
    removed = tx.workspaces.removed(tx.now - timedelta(days=keep_days), limit)
    for workspace_id in removed:
        gone = tx.files.purge_workspace(workspace_id)
        tx.workspaces.use(workspace_id, -gone.freed_bytes)
        _release(tx, workspace_id, gone, grace_seconds)
    return len(removed)


def _purge(tx: UploadTx, who: Caller, node: Node, grace_seconds: int) -> int:
    gone = tx.files.purge(node)
    tx.workspaces.use(node.workspace_id, -gone.freed_bytes)
    _release(tx, node.workspace_id, gone, grace_seconds)
    details = {"permanently": True, "nodes": gone.nodes, "freed_bytes": gone.freed_bytes}
    record(tx, Attempt(Action.FILE_DELETE, target_of(node), who, {**details}))
    return gone.nodes


def _release(tx: UploadTx, workspace_id: str, gone: Purged, grace_seconds: int) -> None:
    tx.blobs.release(workspace_id, gone.contents, tx.now + timedelta(seconds=grace_seconds))
