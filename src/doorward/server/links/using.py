"""A link while it is used: judged each time by its row and by whoever made it, as they stand now.

What a use costs is counted in bytes, not in requests. The first request of a client spends a use,
which is good for the content's size once and a little over; the same client may go on with ranges
until that is spent, since a cut loses what the network had not delivered.
"""

from dataclasses import replace
from hashlib import blake2b

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.files.service import target_of
from doorward.server.keys.service import bounded_now
from doorward.server.links.model import Direction, Link, Use
from doorward.server.links.ports import LinkTx
from doorward.server.networks import comes_from
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    FileNotFound,
    Json,
    LinkEnded,
    LinkNetworkRefused,
    PermissionDenied,
    UploadUrlInvalid,
    WorkspaceNotFound,
)
from doorward.server.workspaces.service import enter

SIGNED_LINK = "signed_link"
_RESENT_BYTES_MAX = 4 << 20


def as_of_now(tx: LinkTx, by: Caller, from_: Caller) -> Caller:
    """Give whoever a signed URL acts for, as they stand now: no token is at hand to say so.

    ``from_`` tells where the request came from, and by which link.
    """
    by = replace(by, origin=from_.origin, via=_link_of(from_), lasting=True)
    return bounded_now(tx, by)


def require_upload_link(tx: LinkTx, upload_id: str, from_: Caller, *, begun: bool = False) -> None:
    """Make sure that the link by which a request comes still leads to this upload.

    Nothing is asked of a request that comes by no link. One that has ``begun`` may outlive the
    expiry. Raises UploadUrlInvalid, LinkEnded, LinkNetworkRefused.
    """
    credential = _link_of(from_)
    if credential is None:
        return
    link = tx.links.get(credential.id or "")
    if link is None or (link.direction, link.resource_id) != (Direction.UPLOAD, upload_id):
        raise UploadUrlInvalid
    _require_live(tx, link, from_, begun=begun)


def spend_upload_link(tx: LinkTx, from_: Caller) -> None:
    """Count a request that sends bytes; raises LinkEnded where none is left."""
    credential = _link_of(from_)
    if credential is not None and not tx.links.spend(credential.id or "", tx.now, uses=1, size=0):
        raise LinkEnded(reason="spent")


def count_upload(tx: LinkTx, from_: Caller, size: int, *, bounded: bool = True) -> None:
    """Count bytes that came by a link; raises LinkEnded where they are more than it allows.

    Without ``bounded`` they count all the same: they are kept.
    """
    credential = _link_of(from_)
    if credential is None or size <= 0:
        return
    if not tx.links.count(credential.id or "", tx.now, size, bounded=bounded) and bounded:
        raise LinkEnded(reason="spent")


def judge_download(tx: LinkTx, link_id: str, from_: Caller, *, begun: bool = False) -> Link:
    """Give a download link, with whoever made it as they stand now, if it may still give.

    A download that has ``begun`` may outlive the expiry. Raises LinkNetworkRefused, and LinkEnded
    for all that ended it, which the trail tells apart and the visitor can't.
    """
    link = tx.links.get(link_id)
    if link is None or link.direction is not Direction.DOWNLOAD:
        raise LinkEnded(reason="unknown")
    _require_live(tx, link, from_, begun=begun)
    who = as_of_now(tx, link.by, from_)
    try:
        enter(tx, who, Action.LINK_CREATE, link.workspace_id)
    except (WorkspaceNotFound, PermissionDenied) as problem:
        raise LinkEnded(reason="maker-" + problem.reason) from None
    node = tx.files.get(link.workspace_id, link.resource_id)
    if node is None or node.deleted_at is not None:
        raise LinkEnded(reason=FileNotFound.code)
    return replace(link, by=who)


def judge_visit(tx: LinkTx, link_id: str, from_: Caller) -> Link:
    """Give a download link as ``judge_download`` does, unless it is used up for this client.

    So not even the head of what came later is shown. Raises LinkEnded, LinkNetworkRefused.
    """
    link = judge_download(tx, link_id, from_)
    if not link.is_live(tx.now) and tx.links.use_of(link.id, client_of(from_), 0) is None:
        raise LinkEnded(reason="spent")
    return link


def open_use(tx: LinkTx, link: Link, client: str, *, size: int, whole: int, going_on: bool) -> Use:
    """Spend a use for ``size`` bytes of a content of ``whole``, or go on with one; audited.

    Raises what ``judge_download`` does, and LinkEnded where nothing is left.
    """
    link = judge_download(tx, link.id, link.by)
    use = tx.links.use_of(link.id, client, size) if going_on else None
    fresh = use is None
    if not tx.links.spend(link.id, tx.now, uses=int(fresh), size=size):
        raise LinkEnded(reason="spent")
    if use is None:
        use = Use(tx.new_id("use"), link.id, client, whole + min(whole, _RESENT_BYTES_MAX))
        if link.bounds.uses_max is not None:
            tx.links.add_use(use)
    tx.links.draw(use.id, size)
    record(tx, attempt_to_download(tx, link, link.by, {"bytes": size, "fresh": fresh}))
    return use


def close_use(tx: LinkTx, use: Use, unsent: int) -> None:
    """Give back what was counted and not sent."""
    tx.links.refund(use.link_id, unsent)
    tx.links.draw(use.id, -unsent)


def attempt_to_download(
    tx: LinkTx, link: Link | None, who: Caller, details: dict[str, Json] | None = None
) -> Attempt:
    """Describe a download by a link for the audit trail, with the link as the credential."""
    if link is None:
        return Attempt(Action.FILE_DOWNLOAD, Target(), who)
    node = tx.files.get(link.workspace_id, link.resource_id)
    target = Target(link.workspace_id, link.resource_kind, link.resource_id, link.resource_name)
    return Attempt(Action.FILE_DOWNLOAD, target_of(node) if node else target, who, details or {})


def client_of(from_: Caller) -> str:
    """Name a client as far as it can be told from another: by its address and what it calls itself.

    A digest, so that the rows of uses hold no addresses.
    """
    text = f"{from_.origin.address}\n{from_.origin.agent}"
    return blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()


def _require_live(tx: LinkTx, link: Link, from_: Caller, *, begun: bool) -> None:
    ended = link.ended(tx.now)
    if ended == "killed" or (ended is not None and not begun):
        raise LinkEnded(reason=ended)
    networks = link.bounds.networks
    if networks is not None and not comes_from(from_.origin.address, networks):
        raise LinkNetworkRefused


def _link_of(from_: Caller) -> Credential | None:
    if from_.via is not None:
        return from_.via
    return from_.credential if from_.credential.kind == SIGNED_LINK else None
