"""What goes by itself: offers whose time has passed, and what nobody asks about any more."""

from datetime import timedelta

from doorward.server.transfers.ports import TransferTx
from doorward.server.transfers.service import expire

KEPT_DAYS = 30


def sweep_expired(tx: TransferTx, limit: int) -> int:
    """End offers whose time has passed; gives how many, at most ``limit``."""
    expired = tx.transfers.expired(limit)
    expire(tx, expired)
    return len(expired)


def remove_over(tx: TransferTx, limit: int) -> int:
    """Remove hand-overs that ended, or can't be undone any more, long ago; the trail stays."""
    return tx.transfers.remove_over(tx.now - timedelta(days=KEPT_DAYS), limit)
