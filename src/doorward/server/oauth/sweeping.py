"""What goes by itself: applications that nobody uses, and what was allowed and is long over."""

from datetime import timedelta

from doorward.server.oauth.ports import OAuthTx
from doorward.server.oauth.registration import IDLE

KEPT = timedelta(days=30)


def remove_idle(tx: OAuthTx, limit: int) -> int:
    """Remove rows that nobody asks about any more; the trail keeps what they were used for."""
    forgotten = tx.grants.forget(tx.now - KEPT, limit)
    return forgotten + tx.clients.forget_idle(tx.now - IDLE, limit)
