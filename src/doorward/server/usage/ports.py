"""What the usage subject asks of a store."""

from collections.abc import Mapping
from typing import Protocol

from doorward.server.audit.ports import Transaction
from doorward.server.usage.costs import Meter
from doorward.server.usage.model import Account, Stored


class UsageRows(Protocol):
    """Sums by account, month and meter, and what workspaces of an account hold together."""

    def add(self, account_id: str, month: str, meter: Meter, amount: int) -> None:
        """Count an amount."""

    def amounts(self, account_id: str, month: str) -> Mapping[Meter, int]:
        """Give the sums of a month."""

    def stored(self, account: Account) -> Stored:
        """Sum up the workspaces of an account, deleted ones too until their files are gone."""


class UsageTx(Transaction, Protocol):
    """A transaction over usage."""

    @property
    def usage(self) -> UsageRows:
        """The usage."""
