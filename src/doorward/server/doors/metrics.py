"""``/metrics`` in the Prometheus text format: what the rows say, the same from every worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from doorward.server.alerts.model import AlertKind
from doorward.server.commands import Store, Tx
from doorward.server.doors.asgi import Receive, Scope, Send, respond
from doorward.server.doors.context import origin_of
from doorward.server.networks import comes_from
from doorward.server.outbound.addresses import Network
from doorward.server.problems import MethodNotAllowed, RouteNotFound

METRICS_PATH = "/metrics"
_OWN = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class _Reading:
    alerts: dict[str, int]
    open_uploads: int


class MetricsDoor:
    """Shows the figures to this machine, and to networks that the operator names.

    To others the address is as unknown as any. ``own`` says that whoever comes from this machine
    is of it: behind a proxy that nobody named, everybody would be.
    """

    def __init__(self, store: Store, allowed: Sequence[Network], *, own: bool) -> None:
        self._store = store
        self._allowed = (*(_OWN if own else ()), *map(str, allowed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request; raises RouteNotFound, MethodNotAllowed."""
        del receive
        if not comes_from(origin_of(scope).address, self._allowed):
            raise RouteNotFound
        if scope["method"] != "GET":
            raise MethodNotAllowed(headers={"Allow": "GET"})
        type_, text = _written(await self._store.read(_read))
        await respond(send, 200, [("Content-Type", type_), ("Cache-Control", "no-store")], text)


def _written(reading: _Reading) -> tuple[str, bytes]:
    """Give every figure, those that are zero too, so that a rate can be made of them."""
    # At the first question: a start is not to wait for the library.
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        disable_created_metrics,
        generate_latest,
    )

    # When the counters of this answer were made says nothing.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    alerts = Counter("doorward_alerts", "Alerts raised, by kind.", ["kind"], registry=registry)
    for kind in AlertKind:
        alerts.labels(kind.value).inc(reading.alerts.get(kind.value, 0))
    uploads = Gauge("doorward_open_uploads", "Uploads under way.", registry=registry)
    uploads.set(reading.open_uploads)
    return CONTENT_TYPE_LATEST, generate_latest(registry)


def _read(tx: Tx) -> _Reading:
    return _Reading(tx.alerts.totals(), tx.uploads.count_open())
