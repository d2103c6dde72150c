"""What a call costs in credits: this table and nothing else.

Bytes that leave cost twice what those cost that come, as they do wherever bandwidth is paid for.
Whatever is not here is free: reading lists, changing names, deleting, asking how far one is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from doorward.server.limits.model import Bucket, bucket_of
from doorward.server.limits.plans import GIBIBYTE
from doorward.server.permission.actions import Action

MILLI = 1000


class Meter(StrEnum):
    """What is counted; the value is what rows and people read."""

    UPLOADED_BYTES = "uploaded_bytes"
    DOWNLOADED_BYTES = "downloaded_bytes"
    SEARCHES = "searches"
    TOKENS = "tokens"
    THUMBNAILS = "thumbnails"


@dataclass(frozen=True, slots=True)
class Price:
    """So many thousandths of a credit for every ``per``."""

    milli: int
    per: int = 1


PRICES: Mapping[Meter, Price] = {
    Meter.UPLOADED_BYTES: Price(10_000, GIBIBYTE),
    Meter.DOWNLOADED_BYTES: Price(20_000, GIBIBYTE),
    Meter.SEARCHES: Price(100),
    Meter.TOKENS: Price(10),
    Meter.THUMBNAILS: Price(10),
}

_BY_BUCKET = {Bucket.SEARCH: Meter.SEARCHES}
# Of what makes credentials this alone: nobody is to keep an old key because a new one costs.
_BY_ACTION = {
    Action.FILE_THUMBNAIL: Meter.THUMBNAILS,
    Action.TOKEN_EXCHANGE: Meter.TOKENS,
}
_MOVES_BYTES = {
    Action.UPLOAD_CREATE: Meter.UPLOADED_BYTES,
    Action.UPLOAD_IMPORT: Meter.UPLOADED_BYTES,
    Action.FILE_DOWNLOAD: Meter.DOWNLOADED_BYTES,
}


def cost_milli(amounts: Mapping[Meter, int]) -> int:
    """Give what amounts cost together, in thousandths of a credit, each rounded up."""
    return sum(-(-n * PRICES[meter].milli // PRICES[meter].per) for meter, n in amounts.items())


def counted_by(action: Action | None) -> Meter | None:
    """Say what a call of an action is counted as once, None where calls of it are free."""
    if action is None:
        return None
    bucket = bucket_of(action)
    return _BY_ACTION.get(action) or (None if bucket is None else _BY_BUCKET.get(bucket))


def takes_credits(action: Action | None) -> bool:
    """Say whether an action costs something, and so is refused once nothing is left."""
    return action in _MOVES_BYTES or counted_by(action) is not None
