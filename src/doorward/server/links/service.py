"""Links as people deal with them: made, listed, narrowed, killed."""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.files.model import Node
from doorward.server.files.service import find
from doorward.server.links.model import (
    Bounds,
    Direction,
    Link,
    LinkFilter,
    Narrower,
    NewLink,
)
from doorward.server.links.ports import LinkTx
from doorward.server.networks import checked_networks, is_within
from doorward.server.paging import Listed, Page, listed_seen
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    LinkEnded,
    LinkNotFound,
    LinkWider,
    VersionNotFound,
    WorkspaceNotFound,
)
from doorward.server.workspaces.service import enter, require_scope


def create_link(tx: LinkTx, who: Caller, file_id: str, new: NewLink) -> Link:
    """Make a download link for a file or folder, which acts for whoever made it.

    Raises FileNotFound, PermissionDenied, VersionNotFound, RequestInvalid.
    """
    node = find(tx, who, Action.LINK_CREATE, file_id)
    if new.version_id is not None and not _has_version(tx, node, new.version_id):
        raise VersionNotFound
    link = Link(
        id=tx.new_id("link"),
        direction=Direction.DOWNLOAD,
        workspace_id=node.workspace_id,
        resource_kind=node.kind.value,
        resource_id=node.id,
        resource_name=node.name,
        by=who,
        created_at=tx.now,
        bounds=Bounds(
            _whole_second_after(tx, new.expires_in_seconds),
            new.uses_max,
            new.bytes_max,
            checked_networks(new.networks),
        ),
        version_id=new.version_id,
        disposition=new.disposition,
        password=new.password,
    )
    tx.links.add(link)
    record(tx, attempt_on(link, Action.LINK_CREATE, who))
    return link


def list_links(tx: LinkTx, who: Caller, where: LinkFilter, page: Page) -> Listed[Link]:
    """List links, newest first: one's own, and all of a workspace for whoever administers it.

    Raises WorkspaceNotFound, PermissionDenied.
    """
    if where.workspace_id is None:
        require_scope(tx, who, Action.LINK_LIST)
    if where.workspace_id is None or not _administers(tx, who, where.workspace_id):
        where = replace(where, maker_id=who.user_id)
    return listed_seen(
        lambda ahead: tx.links.page(where, tx.now, ahead),
        page,
        _page_key,
        lambda link: _sees(tx, who, link),
    )


def get_link(tx: LinkTx, who: Caller, link_id: str) -> Link:
    """Give a link to whoever made it or administers its workspace.

    Raises LinkNotFound, PermissionDenied.
    """
    return find_link(tx, who, Action.LINK_READ, link_id)


def narrow_link(tx: LinkTx, who: Caller, link_id: str, change: Narrower) -> Link:
    """Set tighter bounds. An expiry that has passed means now.

    What is under way keeps to new networks within seconds; expiry and counts are judged when a
    transfer begins, and killing the link ends it. Raises LinkNotFound, PermissionDenied,
    LinkEnded, LinkWider, RequestInvalid.
    """
    link = find_link(tx, who, Action.LINK_UPDATE, link_id)
    if link.ended(tx.now) is not None:
        raise LinkEnded(reason=link.ended(tx.now))
    narrowed = replace(link, bounds=_narrowed(link.bounds, change, tx.now))
    tx.links.bound(narrowed)
    record(tx, attempt_on(narrowed, Action.LINK_UPDATE, who))
    return narrowed


def kill_link(tx: LinkTx, who: Caller, link_id: str) -> Link:
    """End a link for good; killing it again changes nothing.

    Raises LinkNotFound, PermissionDenied.
    """
    link = find_link(tx, who, Action.LINK_KILL, link_id)
    if link.killed_at is None:
        link = replace(link, killed_at=tx.now)
        tx.links.bound(link)
    record(tx, attempt_on(link, Action.LINK_KILL, who))
    return link


def attempt_on(link: Link, action: Action, who: Caller) -> Attempt:
    """Describe an attempt on a link for the audit trail, with what it leads to."""
    details = {"direction": link.direction.value, link.resource_kind: link.resource_id}
    return Attempt(action, target_of_link(link), who, dict(details))


def target_of_link(link: Link) -> Target:
    """Name a link for the audit trail."""
    return Target(link.workspace_id, "link", link.id, link.resource_name)


def _narrowed(bounds: Bounds, change: Narrower, now: datetime) -> Bounds:
    networks = checked_networks(change.networks)
    if change.expires_at is not None and change.expires_at > bounds.expires_at:
        raise LinkWider("The link expires before that already.")
    for asked, kept in ((change.uses_max, bounds.uses_max), (change.bytes_max, bounds.bytes_max)):
        if asked is not None and kept is not None and asked > kept:
            raise LinkWider
    if networks is not None and bounds.networks is not None:
        _require_within(networks, bounds.networks)
    return Bounds(
        bounds.expires_at if change.expires_at is None else max(change.expires_at, now),
        bounds.uses_max if change.uses_max is None else change.uses_max,
        bounds.bytes_max if change.bytes_max is None else change.bytes_max,
        bounds.networks if networks is None else networks,
    )


def _require_within(networks: tuple[str, ...], bounds: tuple[str, ...]) -> None:
    kept = [ip_network(text) for text in bounds]
    for text in networks:
        asked = ip_network(text)
        if not any(is_within(asked, bound) for bound in kept):
            raise LinkWider(f"{text} is not within the networks that the link has.")


def find_link(tx: LinkTx, who: Caller, action: Action, link_id: str) -> Link:
    """Give a link; one that is somebody else's is there for administrators alone.

    Raises LinkNotFound, PermissionDenied.
    """
    link = tx.links.get(link_id)
    try:
        role = enter(tx, who, action, link.workspace_id if link else "").role
    except WorkspaceNotFound:
        raise LinkNotFound from None
    if link is None or not (_is_maker(who, link) or _is_admin(role)):
        raise LinkNotFound
    return link


def _administers(tx: LinkTx, who: Caller, workspace_id: str) -> bool:
    return _is_admin(enter(tx, who, Action.LINK_LIST, workspace_id).role)


def _sees(tx: LinkTx, who: Caller, link: Link) -> bool:
    try:
        enter(tx, who, Action.LINK_LIST, link.workspace_id)
    except WorkspaceNotFound:
        return False
    return True


def _is_maker(who: Caller, link: Link) -> bool:
    return who.user_id == link.by.user_id


def _is_admin(role: Role | None) -> bool:
    return role is not None and role.covers(Role.ADMIN)


def _has_version(tx: LinkTx, node: Node, version_id: str) -> bool:
    return tx.files.version(node.workspace_id, node.id, version_id) is not None


def _page_key(link: Link) -> tuple[str, ...]:
    return (link.created_at.isoformat(), link.id)


def _whole_second_after(tx: LinkTx, seconds: int) -> datetime:
    """Give an expiry that the URL, which counts in seconds, says just the same."""
    return (tx.now + timedelta(seconds=seconds)).replace(microsecond=0)
