"""Events, in the order in which they came to be true."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from doorward.server.events.model import Event, EventType
from doorward.server.paging import Page
from doorward.server.store.sql.tables import events

_ADD = insert(events)
_SUPERSEDED = delete(events).where(
    events.c.subject_id == bindparam("subject"), events.c.type == bindparam("kind")
)
_OLD = (
    select(events.c.sequence)
    .where(events.c.time < bindparam("before"))
    .order_by(events.c.sequence)
    .limit(bindparam("most"))
)


class SqlEvents:
    """EventRows over the table ``events``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, event: Event) -> None:
        """Append an event."""
        self._connection.execute(
            _ADD,
            {
                "id": event.id,
                "workspace_id": event.workspace_id,
                "type": event.type.value,
                "subject_id": event.subject_id,
                "time": event.time,
                "data": event.data,
            },
        )

    def supersede(self, event: Event) -> None:
        """Append an event in the place of an earlier one."""
        earlier = {"subject": event.subject_id, "kind": event.type.value}
        self._connection.execute(_SUPERSEDED, earlier)
        self.add(event)

    def page(self, workspace_id: str, page: Page) -> list[Event]:
        """List a workspace's events after the page's last one."""
        query = select(events).where(events.c.workspace_id == workspace_id)
        after = page.after_number()
        if after is not None:
            query = query.where(events.c.sequence > after)
        query = query.order_by(events.c.sequence).limit(page.limit + 1)
        return [_event(row) for row in self._connection.execute(query)]

    def drop_before(self, time: datetime, limit: int) -> int:
        """Remove events older than that."""
        old = self._connection.execute(_OLD, {"before": time, "most": limit}).scalars().all()
        if old:
            self._connection.execute(delete(events).where(events.c.sequence.in_(old)))
        return len(old)


def _event(row: Row[Any]) -> Event:
    values = row._asdict()
    values["type"] = EventType(values["type"])
    return Event(**values)
