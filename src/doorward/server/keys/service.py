"""Keys are made, bounded, rotated and revoked here; a key never exceeds whoever made it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.keys.format import KeyText
from doorward.server.keys.model import (
    Key,
    KeyBounds,
    KeyChange,
    KeyFilter,
    KeySecret,
    KeyStatus,
    NewKey,
    after,
)
from doorward.server.keys.ports import KeyTx
from doorward.server.keys.sealing import Sealer
from doorward.server.names import checked_name
from doorward.server.networks import checked_networks
from doorward.server.paging import Listed, Page, listed_seen
from doorward.server.permission.actions import Action
from doorward.server.permission.budgets import NO_BUDGETS
from doorward.server.permission.caller import API_KEY, Caller
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope
from doorward.server.problems import (
    Json,
    KeyEnded,
    KeyNotFound,
    PermissionDenied,
    ReverificationNeeded,
)
from doorward.server.workspaces.service import require_outside, role_in, standing_now

OVERLAP_SECONDS = 86_400
OVERLAP_SECONDS_MAX = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Minted:
    """A key's text as it was just made, with what is kept of it."""

    handle: str
    digest: bytes

    @classmethod
    def of(cls, text: KeyText, sealer: Sealer) -> "Minted":
        """Seal a new key's text."""
        return cls(text.handle, sealer.digest(text.text))


def create_key(tx: KeyTx, who: Caller, new: NewKey, minted: Minted, proved_seconds_max: int) -> Key:
    """Make a key that acts for the caller within what is asked for.

    ``proved_seconds_max`` is how long ago the person may have proved who they are. Raises
    PermissionDenied, ReverificationNeeded, NameInvalid, RequestInvalid.
    """
    require_outside(tx, who, Action.KEY_CREATE)
    _require_proved(tx, who, proved_seconds_max)
    _refuse_excess(tx, who, new.scopes, new.workspaces)
    key = Key(
        id=tx.new_id("key"),
        name=checked_name(new.name),
        environment=new.environment,
        maker=who,
        bounds=KeyBounds(
            new.scopes,
            new.workspaces,
            checked_networks(new.networks),
            after(tx.now, new.expires_in_seconds),
            new.budgets,
        ),
        created_at=tx.now,
        rotate_every_seconds=new.rotate_every_seconds,
    )
    tx.keys.add(key, _secret(tx, key, minted))
    record(tx, attempt_on(key, Action.KEY_CREATE, who))
    return key


def list_keys(tx: KeyTx, who: Caller, environment: str | None, page: Page) -> Listed[Key]:
    """List keys, newest first: one's own, and an organization's for whoever administers it.

    Raises PermissionDenied.
    """
    require_outside(tx, who, Action.KEY_LIST)
    who = standing_now(tx, who)
    where = KeyFilter(who.user_id, _administered(who), environment)
    return listed_seen(
        lambda ahead: tx.keys.page(where, ahead), page, _page_key, lambda key: _sees(who, key)
    )


def get_key(tx: KeyTx, who: Caller, key_id: str) -> Key:
    """Give a key to whoever made it or administers its organization.

    Raises KeyNotFound, PermissionDenied.
    """
    return find_key(tx, who, Action.KEY_READ, key_id)


def change_key(
    tx: KeyTx, who: Caller, key_id: str, change: KeyChange, proved_seconds_max: int
) -> Key:
    """Rename a key, or set its bounds anew; takes effect with the next request.

    Raises KeyNotFound, PermissionDenied, ReverificationNeeded, KeyEnded, NameInvalid,
    RequestInvalid.
    """
    key = own_key(tx, who, Action.KEY_UPDATE, key_id)
    if not change.renames_only:
        _require_proved(tx, who, proved_seconds_max)
    _refuse_excess(tx, who, change.scopes or frozenset(), change.workspaces)
    name = key.name if change.name is None else checked_name(change.name)
    changed = replace(key, name=name, bounds=_changed(key.bounds, change, tx.now))
    tx.keys.change(changed)
    record(tx, attempt_on(changed, Action.KEY_UPDATE, who))
    return changed


def rotate_key(
    tx: KeyTx,
    who: Caller,
    key_id: str,
    minted: Minted,
    overlap_seconds: int,
    proved_seconds_max: int,
) -> Key:
    """Give a key a further secret; those it had count for ``overlap_seconds`` more.

    A key may rotate itself. Raises KeyNotFound, PermissionDenied, ReverificationNeeded, KeyEnded.
    """
    key = own_key(tx, who, Action.KEY_ROTATE, key_id)
    if who.credential.kind == API_KEY:
        _require_newest(tx, who, key)
    else:
        _require_proved(tx, who, proved_seconds_max)
    until = tx.now + timedelta(seconds=overlap_seconds)
    tx.keys.rotate(key, _secret(tx, key, minted), until)
    record(tx, attempt_on(key, Action.KEY_ROTATE, who, overlap_seconds=overlap_seconds))
    return key


def revoke_key(tx: KeyTx, who: Caller, key_id: str) -> Key:
    """End a key for good, with all that was bought by it; revoking it again changes nothing.

    Raises KeyNotFound, PermissionDenied.
    """
    key = find_key(tx, who, Action.KEY_REVOKE, key_id)
    if key.revoked_at is None:
        key = replace(key, revoked_at=tx.now)
        tx.keys.change(key)
    record(tx, attempt_on(key, Action.KEY_REVOKE, who))
    return key


def bounded_now(tx: KeyTx, who: Caller) -> Caller:
    """Give a caller who was kept with the bounds that their key has now.

    A key that was narrowed narrows all that was bought by it; one that was widened does not.
    """
    if who.agent is not None:
        who = replace(who, agent=bounded_now(tx, who.agent))
        return _within(who, who.agent.scopes, who.agent.workspaces) if who.agent else who
    if who.credential.kind != API_KEY:
        return who
    key = tx.keys.get(who.credential.id or "")
    if key is None:
        return replace(who, scopes=frozenset())
    who = replace(who, budgets=key.bounds.budgets)
    return _within(who, key.bounds.scopes, key.bounds.workspaces)


def attempt_on(key: Key, action: Action, who: Caller, **details: Json) -> Attempt:
    """Describe an attempt on a key for the audit trail."""
    return Attempt(action, target_of_key(key), who, _shown(key.bounds) | details)


def target_of_key(key: Key) -> Target:
    """Name a key for the audit trail."""
    return Target(None, "key", key.id, key.name)


def both(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    """Give the workspaces that both reach; None reaches all."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _within(who: Caller, scopes: frozenset[Scope], workspaces: frozenset[str] | None) -> Caller:
    return replace(who, scopes=who.scopes & scopes, workspaces=both(who.workspaces, workspaces))


def _shown(bounds: KeyBounds) -> dict[str, Json]:
    """Give bounds as the trail tells them."""
    shown: dict[str, Json] = {"scopes": [*sorted(bounds.scopes)]}
    if bounds.workspaces is not None:
        shown["workspaces"] = [*sorted(bounds.workspaces)]
    if bounds.networks is not None:
        shown["networks"] = [*bounds.networks]
    if bounds.expires_at is not None:
        shown["expires_at"] = bounds.expires_at.isoformat()
    if bounds.budgets != NO_BUDGETS:
        shown["budgets"] = dict(bounds.budgets.stored() or {})
    return shown


def _secret(tx: KeyTx, key: Key, minted: Minted) -> KeySecret:
    until = after(tx.now, key.rotate_every_seconds)
    return KeySecret(minted.handle, key.id, minted.digest, tx.now, until)


def _changed(bounds: KeyBounds, change: KeyChange, now: datetime) -> KeyBounds:
    networks = checked_networks(change.networks)
    expires_at = after(now, change.expires_in_seconds)
    return KeyBounds(
        bounds.scopes if change.scopes is None else change.scopes,
        bounds.workspaces if change.workspaces is None else change.workspaces,
        bounds.networks if networks is None else networks,
        bounds.expires_at if expires_at is None else expires_at,
        bounds.budgets if change.budgets is None else change.budgets,
    )


def _require_proved(tx: KeyTx, who: Caller, seconds_max: int) -> None:
    """Make sure that the person was there not long ago; raises ReverificationNeeded."""
    proved = who.proved_at
    if proved is None or tx.now.timestamp() - proved > seconds_max:
        raise ReverificationNeeded.within(seconds_max)


def _require_newest(tx: KeyTx, who: Caller, key: Key) -> None:
    """Make sure that no secret which is being rotated out lives on by a new one.

    It may be known to somebody else, and that be why it was rotated. Raises PermissionDenied.
    """
    newest = next(iter(tx.keys.secrets(key.id, tx.now)), None)
    if newest is None or who.handle != newest.handle:
        raise PermissionDenied(
            "A secret that is being rotated out gives no new one.", reason="rotated-out"
        )


def _refuse_excess(
    tx: KeyTx, who: Caller, scopes: Iterable[Scope], workspaces: Iterable[str] | None
) -> None:
    """Make sure that nothing is given that the giver has not; raises PermissionDenied."""
    excess = [f"scope {scope}" for scope in sorted(set(scopes) - who.scopes)]
    for workspace_id in sorted(workspaces or ()):
        workspace = tx.workspaces.get(workspace_id)
        reached = who.workspaces is None or workspace_id in who.workspaces
        if workspace is None or not reached or role_in(tx, who, workspace) is None:
            excess.append(f"workspace {workspace_id}")
    if excess:
        raise PermissionDenied(
            f"You don't have what you ask for: {', '.join(excess)}.",
            reason="excess",
            excess=[*excess],
        )


def find_key(tx: KeyTx, who: Caller, action: Action, key_id: str) -> Key:
    """Give a key if the action is allowed on it; raises KeyNotFound, PermissionDenied."""
    key = tx.keys.get(key_id)
    if key is None or not _sees(standing_now(tx, who), key):
        raise KeyNotFound
    require_outside(tx, who, action)
    return key


def own_key(tx: KeyTx, who: Caller, action: Action, key_id: str) -> Key:
    """Give a key that counts to whoever it acts for: others may at most end it.

    Raises KeyNotFound, PermissionDenied, KeyEnded.
    """
    key = find_key(tx, who, action, key_id)
    if key.maker.user_id != who.user_id:
        raise PermissionDenied("Only whoever made a key may do this.", reason="not-the-maker")
    if who.credential.kind == API_KEY and who.credential.id != key.id:
        raise PermissionDenied("A key may do this to itself alone.", reason="another-key")
    if key.status(tx.now) is not KeyStatus.ACTIVE:
        raise KeyEnded(key_status=key.status(tx.now).value)
    return key


def _sees(who: Caller, key: Key) -> bool:
    """Say whether a key is there for this caller; one bound to workspaces sees itself alone."""
    if who.workspaces is not None:
        return who.credential.id == key.id
    if key.maker.user_id == who.user_id:
        return True
    administered = _administered(who)
    return administered is not None and key.maker.organization_id == administered


def _administered(who: Caller) -> str | None:
    """Give the organization whose keys the caller answers for."""
    role = who.organization_role
    return who.organization_id if role is not None and role.covers(Role.ADMIN) else None


def _page_key(key: Key) -> tuple[str, ...]:
    return (key.created_at.isoformat(), key.id)
