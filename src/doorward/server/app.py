"""The only file that names concrete classes: settings in, one ASGI application out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from doorward.clerk.publishable import PublishableKey
from doorward.clerk.revocation import KEEP_SECONDS, Revocations
from doorward.clerk.state.record import StateUnavailable
from doorward.clerk.state.sqlite import SqliteState
from doorward.fastapi import ClerkAuth
from doorward.server.alerts.model import AlertKind, Count, Thresholds
from doorward.server.alerts.service import raise_alert, tell
from doorward.server.attesting import Attesting
from doorward.server.audit.keeping import HeadsFile, Trail
from doorward.server.commands import Store
from doorward.server.doors.asgi import App, Message, Receive, Scope, Send, respond
from doorward.server.doors.clerk import WEBHOOKS_PATH, ClerkDoor
from doorward.server.doors.context import RequestContext
from doorward.server.doors.documents import create_documents
from doorward.server.doors.fastio.door import FastioDoor
from doorward.server.doors.fastio.envelope import send_error
from doorward.server.doors.fastio.paths import PREFIX as FASTIO
from doorward.server.doors.fastio.paths import UPLOADS as FASTIO_UPLOADS
from doorward.server.doors.fastio.putting import PutDoor
from doorward.server.doors.fastio.tickets import TicketDoor
from doorward.server.doors.house import HandingOver, House
from doorward.server.doors.identity import Identities
from doorward.server.doors.images.cache import ThumbnailCache
from doorward.server.doors.images.thumbnails import Thumbnails
from doorward.server.doors.knocks import Knocks
from doorward.server.doors.limits.gate import Gate
from doorward.server.doors.limits.limiting import Limiting
from doorward.server.doors.limits.metering import Metering
from doorward.server.doors.metrics import METRICS_PATH, MetricsDoor
from doorward.server.doors.oauth.desk import PREFIXES as OAUTH
from doorward.server.doors.oauth.desk import Desk, OAuthDoor, SignIn
from doorward.server.doors.oauth.metadata import OF_RESOURCE
from doorward.server.doors.passage import Passage
from doorward.server.doors.passwords import Passwords
from doorward.server.doors.problem_json import Render, send_problem
from doorward.server.doors.rest.app import PREFIX as REST
from doorward.server.doors.rest.app import create_rest, openapi_of
from doorward.server.doors.rest.entrance import Entrance
from doorward.server.doors.rest.schemas import FileOut
from doorward.server.doors.revoked import Revoked
from doorward.server.doors.transfer.creation import (
    WORKSPACES,
    CreationDoor,
    CreationEndpoint,
)
from doorward.server.doors.transfer.fetching import FetchBounds
from doorward.server.doors.transfer.importing import ImportBounds, Importer
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.doors.transfer.shared import LinkDoor
from doorward.server.doors.transfer.upload import UploadDoor
from doorward.server.doors.transfer.watching import Watch
from doorward.server.doors.uses import KeyUses
from doorward.server.files.model import Node
from doorward.server.folder import trail_signer
from doorward.server.keys.ports import KeyIndex
from doorward.server.keys.proving import KeyProver
from doorward.server.keys.sealing import Sealer
from doorward.server.limits.gcra import MICROSECONDS
from doorward.server.limits.memory import MemoryLimits
from doorward.server.limits.ports import Limiter
from doorward.server.links.urls import DOWNLOAD_PATH, UrlSigner
from doorward.server.links.urls import UPLOAD_PATH as TRANSFER
from doorward.server.oauth.model import BASELINE
from doorward.server.oauth.ports import GrantIndex
from doorward.server.oauth.proving import GrantProver
from doorward.server.oauth.rules import Rules
from doorward.server.outbound.sending import Outbound
from doorward.server.problems import Busy, Problem, RouteNotFound
from doorward.server.settings import Settings, is_loopback
from doorward.server.store.blobs.opening import Blobs, open_blobs, parts_of
from doorward.server.store.sql.grant_index import SqlGrantIndex
from doorward.server.store.sql.key_index import SqlKeyIndex
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.store import SqlStore
from doorward.server.sweeper import keep_looking, keep_sweeping
from doorward.server.tokens.delegation import DelegationProver
from doorward.server.tokens.proving import TokenProver
from doorward.server.tokens.signing import TokenSigner
from doorward.server.transfers.tokens import ClaimTokens
from doorward.server.uploads.model import Limits
from doorward.server.workspaces.policy import Policy
from doorward.standin import DEFAULT_PARTY, Standin
from doorward.standin.app import create_app as create_standin
from doorward.standin.deliveries import keep_delivering
from doorward.standin.revocations import StandinRevocations

log = logging.getLogger("doorward.server")

STANDIN = "/standin"
Clock = Callable[[], float]


def create_app(settings: Settings, clock: Clock | None = None) -> App:
    """Build the application over a data folder that ``prepare`` made ready.

    ``clock`` gives seconds since 1970; tests move it.
    """
    trail = Trail(trail_signer(settings), settings.data)
    standin = _standin(settings, clock)
    now = _clock(clock)
    engine = open_engine(settings.database, durable=settings.durable)
    store, index, grants = SqlStore(engine, now), SqlKeyIndex(engine), SqlGrantIndex(engine)
    blobs = open_blobs(settings)
    hearing = _Hearing(settings, standin, clock, index, grants)
    guard = _guard(settings, standin, hearing.revoked, clock)
    limiter = _limiter(settings, clock)
    limiting = Limiting(limiter, settings.limits, by_address=settings.knows_addresses)
    credentials = _Credentials(settings, guard, index, grants)
    house = _house(settings, store, blobs, hearing, now, credentials, limiting, trail)
    receiver = Receiver(house)
    outbound = Outbound(settings.outbound_allowed)
    attesting = Attesting(
        store,
        trail.signer,
        HeadsFile(settings.data),
        now,
        outbound,
        settings.audit_heads_url,
        settings.audit_days,
        broken=partial(_tell_broken, store, _thresholds(settings)),
    )
    importer = Importer(
        house,
        receiver,
        outbound,
        ImportBounds(FetchBounds(settings.import_seconds_max)),
    )
    rest = create_rest()
    creation = CreationDoor(house, receiver, _present)
    rest.state.importer = importer
    parties = _parties(settings, standin)

    def entered(door: App, render: Render = send_problem) -> App:
        return Entrance(door, house.identities, house, render)

    tickets = entered(TicketDoor(house), send_error)
    below: list[tuple[str, App]] = [
        (f"{REST}/", entered(rest)),
        (WORKSPACES, CreationEndpoint(house, entered(creation), parties)),
        (TRANSFER, UploadDoor(house, receiver, _present)),
        (DOWNLOAD_PATH, LinkDoor(house)),
        (FASTIO, FastioDoor(tickets, PutDoor(house, receiver), parties)),
    ]
    if _is_safe(settings.public_url):
        oauth = OAuthDoor(_desk(settings, standin, house, outbound, parties))
        below += [(prefix, oauth) for prefix in OAUTH]
    if standin is not None:
        below.append((f"{STANDIN}/", _settling(create_standin(standin, base_path=STANDIN), house)))
    documents = create_documents(lambda: openapi_of(rest))
    exact: dict[str, App] = {
        METRICS_PATH: MetricsDoor(store, settings.metrics_allowed, own=settings.knows_addresses)
    }
    if (webhooks := hearing.door(house)) is not None:
        exact[WEBHOOKS_PATH] = webhooks
    doors = _Doors(house, tuple(below), exact, documents)
    working: list[Callable[[], Coroutine[None, None, None]]] = [
        lambda: keep_sweeping(store, blobs, house.limits, trail.signer, settings.audit_days),
        lambda: keep_looking(store, _thresholds(settings)),
        lambda: attesting.keep_attesting(settings.audit_heads_seconds),
    ]
    if standin is not None:
        working.append(lambda: keep_delivering(standin))

    async def before_end() -> None:
        house.knocks.flush()
        house.uses.flush()
        house.metering.flush()
        await attesting.finish()
        await limiter.aclose()

    life = _Life(Gate(doors, house), guard, store, blobs, importer, working, attesting, before_end)
    streaming = (TRANSFER, FASTIO_UPLOADS)
    return RequestContext(life, streaming=streaming, proxies=settings.trusted_proxies)


@dataclass(frozen=True, slots=True)
class _Doors:
    """Sends each request to the door that its path names; what none takes is not there.

    ``below`` holds doors by what their paths begin with, of which the first that fits counts;
    those of ``exact`` have one path.
    """

    house: House
    below: tuple[tuple[str, App], ...]
    exact: Mapping[str, App]
    documents: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        door = next((door for prefix, door in self.below if path.startswith(prefix)), None)
        if door is not None:
            await door(scope, receive, send)
        elif path in self.exact:
            await self.exact[path](scope, receive, send)
        elif path in {"/openapi.json", "/docs"} or path.startswith("/docs/"):
            await self.documents(scope, receive, send)
        elif path in {"/healthz", "/readyz"}:
            await self._health(path, send)
        elif path == "/":
            await respond(send, 307, [("Location", "/docs")])
        else:
            raise RouteNotFound

    async def _health(self, path: str, send: Send) -> None:
        """Alive: the process answers. Ready: the database does too, and we are not stopping."""
        if path == "/readyz":
            await self.house.store.read(lambda tx: tx.workspaces.get(""))
        body = b'{"status":"ok"}'
        await respond(send, 200, [("Content-Type", "application/json")], body)


class _Life:
    """Starts and stops what the doors need, as the ASGI server's lifespan says."""

    def __init__(
        self,
        doors: App,
        guard: ClerkAuth,
        store: SqlStore,
        blobs: Blobs,
        importer: Importer,
        working: Iterable[Callable[[], Coroutine[None, None, None]]],
        attesting: Attesting,
        before_end: Callable[[], Awaitable[None]],
    ) -> None:
        self._attesting = attesting
        self._doors = doors
        self._guard = guard
        self._store = store
        self._blobs = blobs
        self._importer = importer
        self._working = working
        self._before_end = before_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._doors(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._warm_up()
        working = [asyncio.create_task(self._look_at_store())]
        working += [asyncio.create_task(work()) for work in self._working]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._importer.close()
        for task in working:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._blobs.leave()
        await self._before_end()
        await asyncio.to_thread(self._store.close)
        await asyncio.to_thread(self._blobs.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _look_at_store(self) -> None:
        """Say whether a remote store can be reached; without it the server runs all the same."""
        if not self._blobs.remote:
            return
        try:
            await self._blobs.check()
        except Problem:
            log.warning("the store of the bytes can't be reached: uploads and downloads fail")
        else:
            log.info("the store of the bytes can be reached")

    async def _warm_up(self) -> None:
        """Have the signing keys before the first request; without them it starts all the same."""
        try:
            await self._guard.warm_up()
        except Exception as exc:  # noqa: BLE001 - an outage must not stop a start
            log.warning("Clerk's signing keys could not be fetched yet: %s", exc)


class _Hearing:
    """What Clerk told any process of this folder, and the door by which it tells.

    What was told is asked about whether or not more may come: passes and links live for days.
    """

    def __init__(
        self,
        settings: Settings,
        standin: Standin | None,
        clock: Clock | None,
        keys: KeyIndex,
        grants: GrantIndex,
    ) -> None:
        self._secret = settings.clerk.webhook_secret
        self._roles = settings.organization_roles
        self._now = _time_of_tokens(standin, clock)
        self._state = SqliteState(settings.revocations, self._now, create=False)
        # As long as anything lives that may have been bought before.
        keep = max(KEEP_SECONDS, settings.link_seconds_max, settings.upload_life_seconds)
        self.told = Revocations(self._state, keep_seconds=keep, now=self._now)
        issuer = StandinRevocations(settings.data / "standin") if standin else None
        self.revoked = Revoked(self.told, issuer, keys, grants, _clock(clock))

    async def end_token(self, token_id: str) -> None:
        """End a token, and what it bought, which may live longer than it; raises Busy."""
        try:
            await self.told.revoke_credential(token_id)
        except StateUnavailable as exc:
            raise Busy from exc

    def door(self, house: House) -> ClerkDoor | None:
        """Give the door, None where no secret is set to verify by."""
        if self._secret is None:
            return None
        return ClerkDoor(house, self._secret, self.told, self._state, self._now, self._roles)


def _settling(door: App, house: House) -> App:
    """Have what ends there take effect on downloads under way before it is answered."""

    async def settling(scope: Scope, receive: Receive, send: Send) -> None:
        async def settled(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] not in {"GET", "HEAD"}:
                await house.passage.empty()
            await send(message)

        await door(scope, receive, settled)

    return settling


def _standin(settings: Settings, clock: Clock | None) -> Standin | None:
    if not settings.standin:
        return None
    return Standin.open(settings.data / "standin", clock=clock or time.time)


class _Credentials:
    """What judges credentials: the toolkit's guard, and what reads our own."""

    def __init__(
        self, settings: Settings, guard: ClerkAuth, index: KeyIndex, grants: GrantIndex
    ) -> None:
        secret = settings.secret.encode()
        self._settings = settings
        self._guard = guard
        self._index = index
        self._grants = grants
        self.sealer = Sealer(secret, "keys")
        self.tokens = TokenSigner(Sealer(secret, "tokens").key, settings.public_url)

    def identities(self, now: Callable[[], datetime], revoked: Revoked) -> Identities:
        """Give who finds out who asks."""
        provers = (
            KeyProver(self._index, self.sealer, self._settings.key_environments),
            TokenProver(self.tokens, (DelegationProver(self._index), GrantProver(self._grants))),
        )
        roles = self._settings.organization_roles
        return Identities(self._guard, provers, roles, now, revoked.since_proved)


def _desk(
    settings: Settings,
    standin: Standin | None,
    house: House,
    outbound: Outbound,
    parties: tuple[str, ...],
) -> Desk:
    secret = settings.secret.encode()
    origins = {_origin(settings.public_url)} | (set(parties) if standin else set())
    return Desk(
        house=house,
        rules=Rules(
            settings.public_url, Sealer(secret, "oauth"), house.tokens, settings.oauth_token_seconds
        ),
        outbound=outbound,
        tickets=TokenSigner(Sealer(secret, "consent").key, settings.public_url),
        sign_in=_sign_in(settings, standin),
        origins=frozenset(origins),
        registration=settings.oauth_registration,
    )


def _sign_in(settings: Settings, standin: Standin | None) -> SignIn:
    key = settings.clerk.publishable_key
    if standin is not None or key is None:
        return SignIn(standin=None if standin is None else STANDIN)
    return SignIn(publishable_key=key, frontend_api=PublishableKey.parse(key).frontend_api)


def _challenge(public_url: str) -> str:
    """Say where a client finds out who issues tokens, and what it asks for at first."""
    if not _is_safe(public_url):
        return ""
    where = f"{_origin(public_url)}{OF_RESOURCE}{urlsplit(public_url).path}"
    return f'resource_metadata="{where}", scope="{" ".join(sorted(BASELINE))}"'


def _is_safe(public_url: str) -> bool:
    """Say whether codes and tokens may travel to an address: over TLS, or within the machine."""
    parts = urlsplit(public_url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def _house(
    settings: Settings,
    store: SqlStore,
    blobs: Blobs,
    hearing: _Hearing,
    now: Callable[[], datetime],
    credentials: _Credentials,
    limiting: Limiting,
    trail: Trail,
) -> House:
    parts, revoked, passage = parts_of(blobs), hearing.revoked, Passage(settings.data)
    return House(
        store=store,
        blobs=blobs,
        signer=UrlSigner(settings.public_url, settings.secret.encode()),
        limits=_limits(settings, direct=parts is not None),
        quota_bytes=settings.workspace_quota_bytes,
        clock=now,
        revoked=revoked,
        knocks=Knocks(store),
        watch=Watch(store, revoked, passage),
        passage=passage,
        thumbnails=Thumbnails(blobs, ThumbnailCache(settings.data / "thumbnails")),
        passwords=Passwords(),
        uses=KeyUses(store, _thresholds(settings)),
        identities=credentials.identities(now, revoked),
        sealer=credentials.sealer,
        tokens=credentials.tokens,
        link_seconds_max=settings.link_seconds_max,
        key_proved_seconds_max=settings.key_proved_seconds_max,
        delegated_seconds=settings.delegated_seconds,
        end_token=hearing.end_token,
        limiting=limiting,
        metering=Metering(store, settings.plans, now),
        handing_over=HandingOver(
            ClaimTokens(settings.secret.encode()),
            settings.transfer_seconds_max,
            settings.transfer_undo_seconds,
        ),
        trail=trail,
        parts=parts,
        challenge=_challenge(settings.public_url),
    )


def _thresholds(settings: Settings) -> Thresholds:
    return Thresholds(settings.alert_refusals, settings.alert_upload_bytes, settings.alert_factor)


async def _tell_broken(store: Store, thresholds: Thresholds, chain: str, position: int) -> None:
    """Raise an alert, in the home of whose chain it is, that the trail was tampered with."""
    owner = chain.partition(":")[2] or None
    count = Count(AlertKind.TRAIL_BROKEN, chain, position, 0, owner)
    tell([await store.write(lambda tx: raise_alert(tx, count, thresholds))])


def _limits(settings: Settings, *, direct: bool) -> Limits:
    return Limits(
        settings.upload_bytes_max,
        settings.upload_url_seconds,
        settings.upload_life_seconds,
        blob_grace_seconds=settings.blob_grace_seconds,
        bin_days=settings.bin_days,
        upload_rows_days=settings.upload_rows_days,
        policy=Policy(
            max_files=settings.workspace_files_max,
            allowed_types=settings.allowed_types,
            denied_extensions=settings.denied_extensions,
        ),
        direct=direct,
        plans=settings.plans,
    )


def _limiter(settings: Settings, clock: Clock | None) -> Limiter:
    """Give what keeps buckets: the bus where one is named, else this process.

    Time that only goes on, since a clock that is set back would keep everybody waiting for it.
    """
    if clock is None:
        alone = MemoryLimits(lambda: time.monotonic_ns() // 1000)
    else:
        alone = MemoryLimits(lambda: int(clock() * MICROSECONDS))
    if settings.bus_url is None:
        return alone
    from doorward.server.store.bus.limits import RedisLimits

    return RedisLimits(settings.bus_url, alone)


def _guard(
    settings: Settings,
    standin: Standin | None,
    revoked: Revoked,
    clock: Clock | None,
) -> ClerkAuth:
    if standin is None:
        clerk = settings.clerk
        return ClerkAuth(
            secret_key=clerk.secret_key,
            jwt_key=clerk.jwt_key,
            jwks_url=clerk.jwks_url,
            publishable_key=clerk.publishable_key,
            api_url=clerk.api_url,
            authorized_parties=_parties(settings, standin) or None,
            revocation=revoked,
            cookies=False,
            bearer_exactly=True,
            now=_time_of_tokens(standin, clock),
        )
    return ClerkAuth(
        jwt_key=standin.public_key_pem,
        authorized_parties=_parties(settings, standin),
        revocation=revoked,
        cookies=False,
        bearer_exactly=True,
        now=_time_of_tokens(standin, clock),
    )


def _time_of_tokens(standin: Standin | None, clock: Clock | None) -> Clock:
    """Give the clock that tokens and webhooks are dated by; the stand-in's can be moved."""
    return clock or time.time if standin is None else lambda: standin.now


def _parties(settings: Settings, standin: Standin | None) -> tuple[str, ...]:
    """Give the origins whose pages may use a session here."""
    if standin is None:
        return settings.clerk.authorized_parties
    own = {_origin(settings.public_url), f"http://127.0.0.1:{settings.port}"}
    return (DEFAULT_PARTY, *sorted(own), f"http://localhost:{settings.port}")


def _origin(url: str) -> str:
    """Give what a browser calls the origin of an address: no path is part of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _present(node: Node) -> str:
    return FileOut.of(node).model_dump_json()


def _clock(clock: Clock | None) -> Callable[[], datetime]:
    if clock is None:
        return lambda: datetime.now(UTC)
    return lambda: datetime.fromtimestamp(clock(), UTC)
