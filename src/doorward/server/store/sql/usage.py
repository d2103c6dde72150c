"""What was used: sums by account and month, and what workspaces hold."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from doorward.server.store.sql.tables import usage, workspaces
from doorward.server.usage.costs import Meter
from doorward.server.usage.model import Account, Stored

_ADD = insert(usage)


class SqlUsage:
    """UsageRows over the tables ``usage`` and ``workspaces``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, account_id: str, month: str, meter: Meter, amount: int) -> None:
        """Count an amount."""
        key = {"account_id": account_id, "month": month, "meter": meter.value}
        here = and_(*(usage.c[name] == value for name, value in key.items()))
        more = update(usage).where(here).values(amount=usage.c.amount + amount)
        if self._connection.execute(more).rowcount == 0:
            self._connection.execute(_ADD, {**key, "amount": amount})

    def amounts(self, account_id: str, month: str) -> Mapping[Meter, int]:
        """Give the sums of a month; of meters that a newer version has, nothing."""
        query = select(usage.c.meter, usage.c.amount).where(
            usage.c.account_id == account_id, usage.c.month == month
        )
        known = set(Meter)
        found = self._connection.execute(query)
        return {Meter(row.meter): row.amount for row in found if row.meter in known}

    def stored(self, account: Account) -> Stored:
        """Sum up the workspaces of an account, deleted ones too until their files are gone."""
        used, reserved = workspaces.c.used_bytes, workspaces.c.reserved_bytes
        query = select(func.coalesce(func.sum(used), 0), func.coalesce(func.sum(reserved), 0))
        row = self._connection.execute(query.where(_owned(account))).one()
        return Stored(int(row[0]), int(row[1]))


def _owned(account: Account) -> ColumnElement[Any]:
    if account.kind == "organization":
        return workspaces.c.organization_id == account.id
    return and_(workspaces.c.organization_id.is_(None), workspaces.c.created_by == account.id)
