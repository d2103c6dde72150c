"""``/metrics`` in the Prometheus text format: what the rows say, the same from every worker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

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
        reading = await self._store.read(_read)
        registry = CollectorRegistry()
        registry.register(_Figures(reading))
        headers = [("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")]
        await respond(send, 200, headers, generate_latest(registry))


class _Figures(Collector):
    def __init__(self, reading: _Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Give every figure, those that are zero too, so that a rate can be made of them."""
        alerts = CounterMetricFamily("doorward_alerts", "Alerts raised, by kind.", labels=["kind"])
        for kind in AlertKind:
            alerts.add_metric([kind.value], self._reading.alerts.get(kind.value, 0))
        yield alerts
        yield GaugeMetricFamily(
            "doorward_open_uploads", "Uploads under way.", self._reading.open_uploads
        )


def _read(tx: Tx) -> _Reading:
    return _Reading(tx.alerts.totals(), tx.uploads.count_open())
