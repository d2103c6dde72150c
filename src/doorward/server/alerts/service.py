"""Alerts are raised here: one for each thing that lasts, however often it is seen."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import groupby

from doorward.server.alerts.model import Alert, AlertKind, Count, Thresholds, is_unusual
from doorward.server.alerts.ports import AlertTx
from doorward.server.events.model import EventType
from doorward.server.events.service import publish
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.workspaces.service import enter

log = logging.getLogger("doorward.alerts")

_DAY = timedelta(days=1)
_NETWORK_BITS = {4: 24, 6: 48}
MANY = "many"


def look(tx: AlertTx, thresholds: Thresholds) -> list[Alert]:
    """Look at the latest window of the trail, and give the alerts that are new.

    Where more subjects than ``subjects_max`` do the same at once, it is one alert about many.
    """
    since = tx.now - thresholds.window
    least = max(1, thresholds.refusals_min)
    counts = tx.alerts.refusals(since, least) if thresholds.refusals_min else []
    if thresholds.upload_bytes_min:
        counts += tx.alerts.uploaded(since, thresholds.upload_bytes_min)
    unusual = [one for one in map(_usual(tx, thresholds), counts) if is_unusual(one, thresholds)]
    raised = [raise_alert(tx, one, thresholds) for one in _gathered(unusual, thresholds)]
    return [alert for alert in raised if alert is not None]


def look_at_network(tx: AlertTx, who: Caller, thresholds: Thresholds) -> Alert | None:
    """Note from where a key is used, and raise an alert for a network that is new to it.

    Networks are told apart by 24 bits of IPv4 and 48 of IPv6; the first one is nothing new.
    """
    network = network_of(who.origin.address)
    key_id = who.credential.id or ""
    if network is None or tx.alerts.knows_network(key_id, network, tx.now) is not False:
        return None
    subject = f"{who.credential.kind}:{key_id} {network}"
    count = Count(AlertKind.NEW_NETWORK, subject, 1, 0, who.user_id)
    return raise_alert(tx, count, thresholds)


def raise_alert(tx: AlertTx, count: Count, thresholds: Thresholds) -> Alert | None:
    """Raise an alert and publish it; None where one about the same lasts, which is counted."""
    latest = tx.alerts.latest(count.kind, count.subject)
    if latest is not None and tx.now - latest.last_at < thresholds.quiet:
        most = max(latest.amount, count.amount)
        lasting = replace(latest, last_at=tx.now, amount=most, times=latest.times + 1)
        tx.alerts.change(lasting)
        return None
    home = tx.workspaces.home(count.user_id) if count.user_id else None
    alert = Alert(
        id=tx.new_id("alert"),
        kind=count.kind,
        subject=count.subject,
        workspace_id=None if home is None else home.id,
        first_at=tx.now,
        last_at=tx.now,
        amount=count.amount,
        usual=count.usual,
    )
    tx.alerts.add(alert)
    if alert.workspace_id is not None:
        said = {"kind": alert.kind.value, "subject": alert.subject, "amount": alert.amount}
        publish(tx, EventType.ALERT_RAISED, alert.workspace_id, alert.id, **dict(said))
    return alert


def tell(raised: Iterable[Alert | None]) -> None:
    """Put new alerts in the log, for operators who watch nothing else."""
    for alert in raised:
        if alert is not None:
            log.warning("alert %s: %s, %d", alert.kind.value, alert.subject, alert.amount)


def list_alerts(tx: AlertTx, who: Caller, workspace_id: str, page: Page) -> Listed[Alert]:
    """List a workspace's alerts, newest first; raises WorkspaceNotFound, PermissionDenied."""
    enter(tx, who, Action.ALERT_LIST, workspace_id)
    rows = tx.alerts.page(workspace_id, page)
    return listed(rows, page, lambda alert: (alert.first_at.isoformat(), alert.id))


def network_of(address: str | None) -> str | None:
    """Give the network that an address counts for; None where there is none."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return None
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ip_network((ip, _NETWORK_BITS[ip.version]), strict=False))


def _usual(tx: AlertTx, thresholds: Thresholds) -> Callable[[Count], Count]:
    since = tx.now - thresholds.window
    windows = _DAY / thresholds.window

    def with_usual(count: Count) -> Count:
        earlier = tx.alerts.before(count, since - _DAY, since)
        return replace(count, usual=earlier / windows)

    return with_usual


def _gathered(counts: Iterable[Count], thresholds: Thresholds) -> list[Count]:
    """Make one of many subjects that do the same, so that a storm is one thing."""
    gathered: list[Count] = []
    for kind, of_kind in groupby(sorted(counts, key=lambda c: c.kind), key=lambda c: c.kind):
        same = list(of_kind)
        if len(same) > thresholds.subjects_max:
            same = [Count(kind, MANY, sum(c.amount for c in same), sum(c.usual for c in same))]
        gathered += same
    return gathered
