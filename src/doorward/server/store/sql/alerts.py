"""Alerts, and the trail as they are found in it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from doorward.server.alerts.model import Alert, AlertKind, Count
from doorward.server.paging import Page
from doorward.server.store.sql.tables import alerts, audit, key_networks

_LIMITED = or_(
    audit.c.reason == "too_many_requests",
    audit.c.reason.like("limit-%"),
    audit.c.reason.like("budget-%"),
)
_REFUSED = or_(and_(audit.c.outcome == "denied", not_(audit.c.reason.like("%not_found"))), _LIMITED)
_KIND: ColumnElement[str] = case(
    (_LIMITED, AlertKind.LIMITED.value),
    (audit.c.action == "door:enter", AlertKind.UNAUTHENTICATED.value),
    else_=AlertKind.FORBIDDEN.value,
)
_CREDENTIAL = audit.c.credential_type + ":" + audit.c.credential_id
_ADDRESS = literal("address:") + audit.c.address
_TIMES = func.sum(func.coalesce(func.json_extract(audit.c.details, "$.repeated"), 1))
_BYTES = func.sum(func.coalesce(func.json_extract(audit.c.details, "$.size"), 0))
_UPLOADED = and_(audit.c.action == "upload:finish", audit.c.outcome == "allowed")
_SUBJECTS_MAX = 1000


class SqlAlerts:
    """AlertRows over the tables ``alerts``, ``key_networks`` and ``audit``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def refusals(self, since: datetime, least: int) -> list[Count]:
        """Count refusals since a time, by address and by credential, where at least so many."""
        found = []
        for subject in (_ADDRESS, _CREDENTIAL):
            query = (
                select(_KIND, subject, _TIMES, func.max(audit.c.actor_id))
                .where(audit.c.time >= since, _REFUSED, subject.is_not(None))
                .group_by(_KIND, subject)
                .having(least <= _TIMES)
                .order_by(_TIMES.desc())
                .limit(_SUBJECTS_MAX)
            )
            found += [
                Count(AlertKind(kind), text, times, 0, None if subject is _ADDRESS else user)
                for kind, text, times, user in self._connection.execute(query)
            ]
        return found

    def uploaded(self, since: datetime, least: int) -> list[Count]:
        """Sum the bytes of uploads that ended since a time, by credential."""
        query = (
            select(_CREDENTIAL, _BYTES, func.max(audit.c.actor_id))
            .where(audit.c.time >= since, _UPLOADED, _CREDENTIAL.is_not(None))
            .group_by(_CREDENTIAL)
            .having(least <= _BYTES)
            .limit(_SUBJECTS_MAX)
        )
        return [
            Count(AlertKind.UPLOAD_VOLUME, text, size, 0, user)
            for text, size, user in self._connection.execute(query)
        ]

    def before(self, count: Count, since: datetime, until: datetime) -> int:
        """Give how much of the same the same subject did in an earlier time."""
        subject = _ADDRESS if count.subject.startswith("address:") else _CREDENTIAL
        is_volume = count.kind is AlertKind.UPLOAD_VOLUME
        what = _UPLOADED if is_volume else and_(_REFUSED, literal(count.kind.value) == _KIND)
        query = select(_BYTES if is_volume else _TIMES).where(
            audit.c.time >= since, audit.c.time < until, what, subject == count.subject
        )
        return self._connection.execute(query).scalar_one() or 0

    def latest(self, kind: AlertKind, subject: str) -> Alert | None:
        """Give the newest alert of a subject."""
        query = select(alerts).where(alerts.c.kind == kind.value, alerts.c.subject == subject)
        found = self._connection.execute(query.order_by(alerts.c.first_at.desc()).limit(1))
        row = found.one_or_none()
        return None if row is None else _alert(row)

    def add(self, alert: Alert) -> None:
        """Insert an alert."""
        self._connection.execute(insert(alerts), _row(alert))

    def change(self, alert: Alert) -> None:
        """Store that an alert lasts."""
        self._connection.execute(
            update(alerts)
            .where(alerts.c.id == alert.id)
            .values(last_at=alert.last_at, amount=alert.amount, times=alert.times)
        )

    def page(self, workspace_id: str, page: Page) -> list[Alert]:
        """List a workspace's alerts, newest first."""
        query = select(alerts).where(alerts.c.workspace_id == workspace_id)
        order, after = tuple_(alerts.c.first_at, alerts.c.id), page.after_time()
        if after is not None:
            query = query.where(order < after)
        query = query.order_by(alerts.c.first_at.desc(), alerts.c.id.desc())
        return [_alert(row) for row in self._connection.execute(query.limit(page.limit + 1))]

    def totals(self) -> dict[str, int]:
        """Count all alerts there ever were, by kind."""
        query = select(alerts.c.kind, func.count().label("total")).group_by(alerts.c.kind)
        return {row.kind: row.total for row in self._connection.execute(query)}

    def knows_network(self, key_id: str, network: str, now: datetime) -> bool | None:
        """Note a network that a key is used from; says whether it was known, None for the first."""
        query = select(key_networks.c.network).where(key_networks.c.key_id == key_id)
        known = set(self._connection.execute(query).scalars())
        if network in known:
            return True
        self._connection.execute(
            insert(key_networks), {"key_id": key_id, "network": network, "first_at": now}
        )
        return False if known else None


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "workspace_id": alert.workspace_id,
        "first_at": alert.first_at,
        "last_at": alert.last_at,
        "amount": alert.amount,
        "usual": alert.usual,
        "times": alert.times,
    }


def _alert(row: Row[Any]) -> Alert:
    return Alert(**row._asdict() | {"kind": AlertKind(row.kind)})
