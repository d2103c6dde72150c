"""Passwords of links: so many tries in a while, whoever makes them and in whichever process."""

from datetime import timedelta

from doorward.server.links.model import Link
from doorward.server.links.ports import LinkTx
from doorward.server.problems import LinkPasswordTries

TRIES_MAX = 10
TRIES_SECONDS = 600


def take_try(tx: LinkTx, link: Link) -> None:
    """Count a try before it is looked at, so that many at once are no way around the bound.

    Raises LinkPasswordTries.
    """
    since = tx.now - timedelta(seconds=TRIES_SECONDS)
    if not tx.links.take_try(link.id, tx.now, since, TRIES_MAX):
        raise LinkPasswordTries(headers={"Retry-After": str(TRIES_SECONDS)})


def forgive_try(tx: LinkTx, link: Link) -> None:
    """Take a try back that was right."""
    tx.links.forgive_try(link.id)
