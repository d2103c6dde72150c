"""Workspaces handed over: offered by their owner, claimed by link, undone by either side."""

from collections.abc import Callable

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import Tx
from doorward.server.doors.rest.call import Call, CallDep
from doorward.server.doors.rest.operations import KEYHOLDERS, PEOPLE, Operations
from doorward.server.doors.rest.parameters import (
    LIMIT_DEFAULT,
    ClaimToken,
    Cursor,
    Limit,
    TransferId,
    WorkspaceId,
)
from doorward.server.doors.rest.schemas import ListOut
from doorward.server.doors.rest.transfer_schemas import (
    EXPIRES_IN_DEFAULT,
    ClaimIn,
    OfferedOut,
    OfferIn,
    PreviewOut,
    TransferOut,
)
from doorward.server.paging import Page
from doorward.server.permission.actions import Action
from doorward.server.problems import (
    HomeWorkspace,
    Json,
    PermissionDenied,
    PreviewChanged,
    RequestInvalid,
    TransferEnded,
    TransferNotFound,
    TransferPending,
    TransferSuperseded,
    TransferToSelf,
    WorkspaceNotFound,
)
from doorward.server.transfers import service as transfers
from doorward.server.transfers.model import State, Transfer
from doorward.server.transfers.presenting import Presented
from doorward.server.transfers.previewing import Preview, look_at, preview_for_owner
from doorward.server.transfers.service import NewOffer
from doorward.server.workspaces.model import Workspace

rest = Operations("transfers")
_GUARDED = (PermissionDenied, WorkspaceNotFound)
_BY_TOKEN = (PermissionDenied, TransferNotFound, TransferEnded, TransferToSelf)


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/transfers",
    accepts=KEYHOLDERS,
    action=Action.TRANSFER_OFFER,
    raises=(*_GUARDED, HomeWorkspace, TransferPending, TransferToSelf),
    status=201,
)
async def offer_workspace(
    call: CallDep, workspace_id: WorkspaceId, body: OfferIn | None = None
) -> OfferedOut:
    """Offer the ownership of a workspace, and get a claim link that is good for one claim."""
    asked, how = body or OfferIn(), call.house.handing_over
    seconds = asked.expires_in or min(EXPIRES_IN_DEFAULT, how.offer_seconds_max)
    if seconds > how.offer_seconds_max:
        raise RequestInvalid(f"An offer lives at most {how.offer_seconds_max} seconds here.")
    token = how.tokens.make()
    new = NewOffer(asked.terms(), seconds, how.tokens.digest(token))

    def command(tx: Tx) -> tuple[Transfer, Preview]:
        made = transfers.offer(tx, call.who, workspace_id, new)
        return made, preview_for_owner(tx, made, _there(tx, workspace_id))

    made, preview = await call.change(command, _workspace(workspace_id))
    return OfferedOut(
        id=made.id,
        token=token,
        url=f"{call.house.signer.base}/api/v1/transfers/{token}",
        expires_at=made.expires_at,
        preview=PreviewOut.of(preview),
    )


@rest.operation(
    "GET",
    "/workspaces/{workspace_id}/transfers",
    accepts=KEYHOLDERS,
    action=Action.TRANSFER_LIST,
    raises=_GUARDED,
)
async def list_transfers(
    call: CallDep, workspace_id: WorkspaceId, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> ListOut[TransferOut]:
    """List a workspace's hand-overs, newest first, an open offer with what it would change."""
    page = Page.of(limit, cursor, keys=1)

    def command(tx: Tx) -> ListOut[TransferOut]:
        found = transfers.list_transfers(tx, call.who, workspace_id, page)
        rows = [_shown(tx, row) for row in found.rows]
        return ListOut(data=rows, next_cursor=found.next_cursor)

    return await call.look(command, _workspace(workspace_id))


@rest.operation(
    "GET",
    "/workspaces/{workspace_id}/transfers/{transfer_id}",
    accepts=KEYHOLDERS,
    action=Action.TRANSFER_READ,
    raises=(*_GUARDED, TransferNotFound),
)
async def read_transfer(
    call: CallDep, workspace_id: WorkspaceId, transfer_id: TransferId
) -> TransferOut:
    """Read a hand-over; either side may, whatever role it has left there."""

    def command(tx: Tx) -> TransferOut:
        return _shown(tx, transfers.get_transfer(tx, call.who, workspace_id, transfer_id))

    return await call.look(command, _transfer(workspace_id, transfer_id))


@rest.operation(
    "DELETE",
    "/workspaces/{workspace_id}/transfers/{transfer_id}",
    accepts=KEYHOLDERS,
    action=Action.TRANSFER_CANCEL,
    raises=(*_GUARDED, TransferNotFound, TransferEnded),
    status=204,
)
async def cancel_transfer(
    call: CallDep, workspace_id: WorkspaceId, transfer_id: TransferId
) -> None:
    """Take an offer back, before it is claimed."""
    await call.change(
        lambda tx: transfers.cancel(tx, call.who, workspace_id, transfer_id),
        _transfer(workspace_id, transfer_id),
    )


@rest.operation(
    "POST",
    "/workspaces/{workspace_id}/transfers/{transfer_id}/undo",
    accepts=KEYHOLDERS,
    action=Action.TRANSFER_UNDO,
    raises=(*_GUARDED, TransferNotFound, TransferEnded, TransferSuperseded),
)
async def undo_transfer(
    call: CallDep, workspace_id: WorkspaceId, transfer_id: TransferId
) -> TransferOut:
    """Give back what was claimed, or take it back: roles become exactly what they were."""
    undone = await call.change(
        lambda tx: transfers.undo(tx, call.who, workspace_id, transfer_id),
        _transfer(workspace_id, transfer_id),
    )
    return TransferOut.of(undone, call.house.clock())


@rest.operation(
    "GET",
    "/transfers/{token}",
    accepts=PEOPLE,
    action=Action.TRANSFER_PREVIEW,
    raises=_BY_TOKEN,
)
async def read_offer(call: CallDep, token: ClaimToken) -> PreviewOut:
    """See what claiming would change, for you and everybody else."""
    shown, on = await _presented(call, token)
    return await call.look(lambda tx: PreviewOut.of(look_at(tx, call.who, shown)), on)


@rest.operation(
    "POST",
    "/transfers/{token}/claim",
    accepts=PEOPLE,
    action=Action.TRANSFER_CLAIM,
    raises=(*_BY_TOKEN, PreviewChanged),
)
async def claim_workspace(
    call: CallDep, token: ClaimToken, body: ClaimIn | None = None
) -> TransferOut:
    """Take the workspace over; with `preview_id`, only if that is still what would change."""
    shown, on = await _presented(call, token)
    asked, undo_seconds = body or ClaimIn(), call.house.handing_over.undo_seconds
    try:
        claimed = await call.change(
            lambda tx: transfers.claim(
                tx, call.who, shown, undo_seconds=undo_seconds, preview_id=asked.preview_id
            ),
            on,
        )
    except PreviewChanged as problem:
        problem.extra["preview"] = await call.house.store.read(_look(call, shown))
        raise
    return TransferOut.of(claimed, call.house.clock())


async def _presented(call: Call, token: str) -> tuple[Presented, Target]:
    """Find what a token stands for; raises TransferNotFound for none, counted as a knock is."""
    digest = call.house.handing_over.tokens.digest(token)
    found = await call.house.store.read(lambda tx: tx.transfers.by_digest(digest))
    if found is None:
        problem = TransferNotFound(reason="unknown-token")
        await call.house.knocks.record(Attempt(call.action, Target(), call.who), problem)
        raise problem
    revoked = call.house.revoked(found.by)
    return Presented(digest, offerer_revoked=revoked), _transfer(found.workspace_id, found.id)


def _look(call: Call, shown: Presented) -> Callable[[Tx], dict[str, Json]]:
    return lambda tx: PreviewOut.of(look_at(tx, call.who, shown)).model_dump(mode="json")


def _shown(tx: Tx, transfer: Transfer) -> TransferOut:
    preview = None
    if transfer.state_at(tx.now) is State.OFFERED:
        preview = preview_for_owner(tx, transfer, _there(tx, transfer.workspace_id))
    return TransferOut.of(transfer, tx.now, preview)


def _there(tx: Tx, workspace_id: str) -> Workspace:
    """Give a workspace that the same transaction has just entered."""
    workspace = tx.workspaces.get(workspace_id)
    assert workspace is not None  # noqa: S101
    return workspace


def _workspace(workspace_id: str) -> Target:
    return Target(workspace_id, "workspace", workspace_id)


def _transfer(workspace_id: str, transfer_id: str) -> Target:
    return Target(workspace_id, "transfer", transfer_id)
