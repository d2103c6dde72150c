"""Storage over all workspaces of an account, and what was used of it and of the credits."""

from doorward.server.limits.plans import Plans
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import QuotaExceeded
from doorward.server.usage.model import Account, Usage, end_of_month, month_of
from doorward.server.usage.ports import UsageTx
from doorward.server.workspaces.model import Workspace
from doorward.server.workspaces.service import require_outside


def read_usage(tx: UsageTx, who: Caller, plans: Plans) -> Usage:
    """Give where the caller's organization stands, or the caller alone; raises PermissionDenied."""
    require_outside(tx, who, Action.USAGE_READ)
    account = Account.of(who)
    return Usage(
        account,
        plans.of(account.id),
        tx.usage.stored(account),
        end_of_month(tx.now),
        tx.usage.amounts(account.id, month_of(tx.now)),
    )


def left_of_storage(
    tx: UsageTx, workspace: Workspace, plans: Plans, *, promised: int = 0
) -> int | None:
    """Give how much more the account that owns a workspace may store, None for any amount.

    ``promised`` bytes of it were promised to what is asked for, and are not in its way. Exact where
    it is asked in the transaction that takes what is left, as every promise of quota is.
    """
    account = Account.owning(workspace)
    limit = plans.of(account.id).storage_bytes
    if limit is None:
        return None
    stored = tx.usage.stored(account)
    return limit - stored.used_bytes - stored.reserved_bytes + promised


def refuse_over_storage(
    tx: UsageTx, workspace: Workspace, plans: Plans, size: int, *, promised: int = 0
) -> None:
    """Make sure that the account that owns a workspace may store so much more.

    Raises QuotaExceeded, which says nothing of what other workspaces hold: not everybody here may
    see those.
    """
    left = left_of_storage(tx, workspace, plans, promised=promised)
    if left is not None and size > left:
        owner = "organization" if workspace.organization_id is not None else "owner"
        raise QuotaExceeded(
            f"The storage of this workspace's {owner} does not hold {size} bytes more.",
            reason="account-quota",
            asked_bytes=size,
        )
