"""API keys: made, shown once, listed, changed, rotated, revoked."""

from typing import Annotated

from fastapi import Path, Query

from doorward.server.audit.model import Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import Call, CallDep
from doorward.server.doors.rest.key_schemas import (
    Environment,
    KeyChangeIn,
    KeyIn,
    KeyOut,
    RotationIn,
    SecretOut,
)
from doorward.server.doors.rest.operations import KEYHOLDERS, PEOPLE, Operations
from doorward.server.doors.rest.parameters import LIMIT_DEFAULT, Cursor, Limit
from doorward.server.doors.rest.schemas import ListOut
from doorward.server.keys import service as keys
from doorward.server.keys.format import mint_key
from doorward.server.keys.model import Key
from doorward.server.keys.service import Minted
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    KeyEnded,
    KeyNotFound,
    NameInvalid,
    NotAuthenticated,
    PermissionDenied,
    ReverificationNeeded,
    ScopeUnknown,
)

rest = Operations("keys")
KeyId = Annotated[str, Path(max_length=80, description="A key, key_….")]
_GUARDED = (PermissionDenied, KeyNotFound)
_MADE = (PermissionDenied, ReverificationNeeded, NameInvalid, ScopeUnknown)


@rest.operation("POST", "/keys", accepts=PEOPLE, action=Action.KEY_CREATE, raises=_MADE, status=201)
async def create_key(call: CallDep, body: KeyIn) -> SecretOut:
    """Make a key that acts for you, within what you say; its secret is shown this once.

    Takes a session in which you signed in not long ago.
    """
    text = mint_key(body.environment)
    minted = Minted.of(text, call.house.sealer)
    new, proved = body.new(), call.house.key_proved_seconds_max

    def command(tx: Tx) -> Key:
        # In the transaction: what ends a person ends their keys in another, before or after it.
        if call.house.revoked(call.who):
            raise NotAuthenticated(reason="revoked")
        return keys.create_key(tx, call.who, new, minted, proved)

    made = await call.change(command, Target(None, "key"))
    return SecretOut.with_secret(made, call.house.clock(), text.text)


@rest.operation(
    "GET", "/keys", accepts=KEYHOLDERS, action=Action.KEY_LIST, raises=(PermissionDenied,)
)
async def list_keys(
    call: CallDep,
    environment: Annotated[Environment | None, Query(description="Only of this one.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ListOut[KeyOut]:
    """List keys, newest first: yours, and an organization's for whoever administers it."""
    page = Page.of(limit, cursor, 2)
    found = await call.look(lambda tx: keys.list_keys(tx, call.who, environment, page))
    rows = [KeyOut.of(row, call.house.clock()) for row in found.rows]
    return ListOut(data=rows, next_cursor=found.next_cursor)


@rest.operation(
    "GET", "/keys/{key_id}", accepts=KEYHOLDERS, action=Action.KEY_READ, raises=_GUARDED
)
async def get_key(call: CallDep, key_id: KeyId) -> KeyOut:
    """Give one key."""
    found = await call.look(lambda tx: keys.get_key(tx, call.who, key_id), _key(key_id))
    return KeyOut.of(found, call.house.clock())


@rest.operation(
    "PATCH",
    "/keys/{key_id}",
    accepts=PEOPLE,
    action=Action.KEY_UPDATE,
    raises=(*_MADE, KeyNotFound, KeyEnded),
)
async def change_key(call: CallDep, key_id: KeyId, body: KeyChangeIn) -> KeyOut:
    """Rename a key, or set its bounds anew, from the next request on."""
    change, proved = body.change(), call.house.key_proved_seconds_max
    changed = await call.change(
        lambda tx: keys.change_key(tx, call.who, key_id, change, proved), _key(key_id)
    )
    return KeyOut.of(changed, call.house.clock())


@rest.operation(
    "POST",
    "/keys/{key_id}/rotate",
    accepts=KEYHOLDERS,
    action=Action.KEY_ROTATE,
    raises=(*_GUARDED, ReverificationNeeded, KeyEnded),
)
async def rotate_key(call: CallDep, key_id: KeyId, body: RotationIn | None = None) -> SecretOut:
    """Give a key a new secret, shown this once; the old one counts for the overlap still.

    A key may rotate itself; a person needs a session in which they signed in not long ago.
    """
    overlap, proved = (body or RotationIn()).overlap, call.house.key_proved_seconds_max
    text = mint_key(await _environment(call, key_id))
    minted = Minted.of(text, call.house.sealer)
    rotated = await call.change(
        lambda tx: keys.rotate_key(tx, call.who, key_id, minted, overlap, proved), _key(key_id)
    )
    return SecretOut.with_secret(rotated, call.house.clock(), text.text)


@rest.operation(
    "DELETE",
    "/keys/{key_id}",
    accepts=KEYHOLDERS,
    action=Action.KEY_REVOKE,
    raises=_GUARDED,
    status=204,
)
async def revoke_key(call: CallDep, key_id: KeyId) -> None:
    """Revoke a key: nothing is let in by it any more once this is answered, nor by what it bought.

    Links that it made and uploads that it began end with it.
    """
    await call.change(lambda tx: keys.revoke_key(tx, call.who, key_id), _key(key_id))


async def _environment(call: Call, key_id: str) -> str:
    """Give the environment that a key is of: a new secret is written like the old one."""
    found = await call.house.store.read(lambda tx: tx.keys.get(key_id))
    return found.environment if found else "live"


def _key(key_id: str) -> Target:
    return Target(None, "key", key_id)
