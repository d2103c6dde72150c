"""A claim token as it is presented: who may look at what it offers, and whether it stands."""

from dataclasses import dataclass

from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    PermissionDenied,
    TransferEnded,
    TransferNotFound,
    TransferToSelf,
)
from doorward.server.transfers.model import PERSONAL, STAY, WITH_CLAIMER, State, Transfer
from doorward.server.transfers.ports import TransferTx
from doorward.server.transfers.tokens import matches
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import require_outside, role_in


@dataclass(frozen=True, slots=True)
class Presented:
    """A token by its digest; ``offerer_revoked`` tells that who offered was shut out since."""

    digest: str
    offerer_revoked: bool = False


def presented(
    tx: TransferTx, who: Caller, action: Action, token: Presented
) -> tuple[Transfer, Workspace]:
    """Give the offer that a token stands for, and the workspace, if this caller may take it up.

    Raises:
        TransferNotFound: no such token, or one for somebody else: the same answer for both.
        TransferEnded: the offer is over, or whoever made it may not give the workspace any more.
        TransferToSelf: the caller made the offer.
        PermissionDenied: a scope is missing, or the organization that it is offered to.
    """
    transfer = tx.transfers.by_digest(token.digest)
    if transfer is None or not matches(transfer.digest, token.digest):
        raise TransferNotFound(reason="unknown-token")
    if transfer.terms.to_user_id not in {None, who.user_id}:
        raise TransferNotFound(reason="another-person")
    workspace = tx.workspaces.get(transfer.workspace_id)
    bounds = who.workspaces
    if workspace is None or (bounds is not None and workspace.id not in bounds):
        raise TransferNotFound(reason="workspace-hidden")
    require_outside(tx, who, action)
    _require_standing(tx, transfer, workspace, token)
    if who.user_id == transfer.by.user_id:
        raise TransferToSelf
    _require_organization(who, transfer.terms.destination)
    return transfer, workspace


def _require_standing(
    tx: TransferTx, transfer: Transfer, workspace: Workspace, token: Presented
) -> None:
    """An offer acts for whoever made it, who is judged anew: nobody gives what they lost."""
    state = transfer.state_at(tx.now)
    if state is not State.OFFERED:
        raise TransferEnded(reason=state.value, transfer_state=state.value)
    if token.offerer_revoked:
        raise TransferEnded(reason="offerer-revoked")
    if role_in(tx, transfer.by, workspace) is not Role.OWNER:
        raise TransferEnded(reason="offerer-not-owner")


def _require_organization(who: Caller, destination: str) -> None:
    named = destination not in {STAY, WITH_CLAIMER, PERSONAL}
    if named and who.organization_id != destination:
        missing = f"organization {destination}"
        raise PermissionDenied(
            f"This takes a credential for the {missing}.",
            reason="organization-not-spoken-for",
            missing=missing,
        )
