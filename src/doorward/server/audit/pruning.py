"""Old rows go, oldest first, and a signed proof of what they were stays."""

from datetime import datetime, timedelta

from doorward.server.audit.chain import ChainCheck
from doorward.server.audit.model import ChainRow
from doorward.server.audit.ports import Transaction
from doorward.server.audit.signing import Signer


class ChainBroken(Exception):
    """Rows that were to go don't verify: they stay, as what is left of the evidence."""


def is_overdue(tx: Transaction, days: int) -> bool:
    """Say whether any row is older than so many days."""
    oldest = tx.audit.oldest()
    return oldest is not None and oldest[1] < tx.now - timedelta(days)


def prune_overdue(tx: Transaction, signer: Signer, days: int, limit: int) -> int:
    """Prune the chain of the oldest row, at most so many rows; gives how many.

    Raises ChainBroken.
    """
    oldest, before = tx.audit.oldest(), tx.now - timedelta(days)
    if oldest is None or oldest[1] >= before:
        return 0
    start = tx.audit.pruned_to(oldest[0])
    rows = _older(tx.audit.chained(start.chain, start.position, limit), before)
    check = ChainCheck(start.chain)
    check.start(start.position + 1, start.hash)
    for row in rows:
        check.row(row.content, row.hash)
    if check.findings or not rows:
        raise ChainBroken(f"{start.chain} after position {start.position}: {check.findings[:1]}")
    proof = signer.sign(
        "pruned",
        chain=start.chain,
        first=start.position + 1,
        last=check.last.position,
        count=len(rows),
        previous=start.hash,
        hash=check.last.hash,
        time=time_text(tx.now),
    )
    tx.audit.prune(proof)
    return len(rows)


def time_text(time: datetime) -> str:
    """Write a time as rows and statements have it."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _older(rows: list[ChainRow], before: datetime) -> list[ChainRow]:
    """Take rows up to the first that is young enough to stay, whatever a clock did after it."""
    kept = time_text(before)
    for number, row in enumerate(rows):
        if str(row.content["time"]) >= kept:
            return rows[:number]
    return rows
