"""What goes by itself: links that nobody asks about any more."""

from datetime import timedelta

from doorward.server.links.ports import LinkTx

KEPT_DAYS = 30


def remove_over(tx: LinkTx, limit: int) -> int:
    """Remove links that expired long ago; the trail keeps what they were used for."""
    return tx.links.remove_over(tx.now - timedelta(days=KEPT_DAYS), limit)
