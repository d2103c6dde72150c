"""Facts are published in the transaction that makes them true: none is lost, none invented."""

from doorward.server.events.model import Event, EventType
from doorward.server.events.ports import EventTx
from doorward.server.paging import Listed, Page, listed
from doorward.server.problems import Json

_COALESCED = frozenset({EventType.UPLOAD_PROGRESS})


def publish(
    tx: EventTx, type_: EventType, workspace_id: str, subject_id: str, **data: Json
) -> None:
    """Publish a fact about one thing of a workspace.

    Of facts that only the latest is worth reading, the one before it is taken out.
    """
    event = Event(tx.new_id("evt"), workspace_id, type_, subject_id, tx.now, data)
    if type_ in _COALESCED:
        tx.events.supersede(event)
    else:
        tx.events.add(event)


def list_events(tx: EventTx, workspace_id: str, page: Page) -> Listed[Event]:
    """List a workspace's events, oldest first; who may see them is the caller's to have decided."""
    rows = tx.events.page(workspace_id, page)
    return listed(rows, page, lambda event: (str(event.sequence),))
