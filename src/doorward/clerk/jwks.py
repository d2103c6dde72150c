"""Where keys come from: pasted once, or fetched and kept fresh without being pushed around.

Whoever sends tokens chooses their ``kid``. So a flood of unknown ones costs one fetch per
cool-down, requests that need a fetch at once share it, and an outage leaves known keys good.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from doorward.clerk.errors import (
    SET_SECRET_KEY,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.http import Http, RequestFailed, secret_headers
from doorward.clerk.json_texts import NotAnObject, read_object
from doorward.clerk.keys import KeyUnreadable, PublicKey, read_jwk, read_pem

if TYPE_CHECKING:
    import httpx2

FRESH_SECONDS = 300.0
STALE_SECONDS = 24 * 3600.0
COOL_DOWN_SECONDS = 30.0
EMPTY_COOL_DOWN_SECONDS = 2.0  # nothing works without keys, so ask again sooner
_TIMEOUT_SECONDS = 5.0
_WAIT_SECONDS = 1.0
_KEYS_MAX = 100
_NEVER = float("-inf")
_UNAUTHORIZED = frozenset({401, 403})

Now = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long fetched keys are fresh, how long they outlive an outage, and how often to ask.

    All in seconds. Keys younger than ``stale`` serve while they can't be fetched anew; after a
    fetch the next one waits for ``cool_down``; one fetch may take ``timeout`` between two bytes,
    and two or three times that as a whole. Whoever has a key at hand waits for newer ones no
    longer than ``wait``.
    """

    fresh: float = FRESH_SECONDS
    stale: float = STALE_SECONDS
    cool_down: float = COOL_DOWN_SECONDS
    timeout: float = _TIMEOUT_SECONDS
    wait: float = _WAIT_SECONDS


_PATIENCE = Patience()


class KeySource(Protocol):
    """Gives the key that a token names."""

    def known(self, kid: str | None) -> PublicKey | None:
        """Give the key if it is at hand and fresh, without waiting."""

    async def get(self, kid: str | None) -> PublicKey:
        """Give the key; raises TokenVerificationError."""

    def get_sync(self, kid: str | None) -> PublicKey:
        """Give the key, blocking; raises TokenVerificationError."""

    async def warm_up(self) -> None:
        """Have the keys before they are needed; raises TokenVerificationError."""


class PemKey:
    """One pasted key, which verifies whatever the token says; never touches the network."""

    def __init__(self, pem: str) -> None:
        self._key = read_pem(pem)

    def known(self, kid: str | None) -> PublicKey | None:
        """Give the key."""
        del kid
        return self._key

    async def get(self, kid: str | None) -> PublicKey:
        """Give the key."""
        del kid
        return self._key

    def get_sync(self, kid: str | None) -> PublicKey:
        """Give the key."""
        del kid
        return self._key

    async def warm_up(self) -> None:
        """Nothing to fetch."""


class _Fetch:
    """One fetch under way; ``ended`` tells threads whose event loops are others."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self.task = task
        self.ended = threading.Event()
        task.add_done_callback(self._end)

    @property
    def under_way(self) -> bool:
        """Whether it will end: a loop that was stopped ends nothing."""
        return not self.task.done() and self.task.get_loop().is_running()

    @property
    def elsewhere(self) -> bool:
        """Whether it runs in another event loop than the caller."""
        return self.task.get_loop() is not asyncio.get_running_loop()

    def _end(self, task: "asyncio.Task[None]") -> None:
        # Seen here too, in case everybody who waited for it has gone.
        _ = task.cancelled() or task.exception()
        self.ended.set()


class RemoteKeys:
    """The keys of one JWKS address, fetched when needed and no more often.

    ``headers`` go with each fetch, over the usual ones of the same name.
    """

    def __init__(
        self,
        url: str,
        now: Now,
        *,
        secret_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        patience: Patience = _PATIENCE,
        transport: "httpx2.AsyncBaseTransport | None" = None,
        sync_transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        self._url = url
        self._now = now
        self._patience = patience
        self._has_secret = secret_key is not None
        self._http = Http(
            timeout_seconds=patience.timeout,
            headers=(secret_headers(secret_key) if secret_key else {}) | dict(headers or {}),
            transport=transport,
            sync_transport=sync_transport,
        )
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at = _NEVER
        self._tried_at = _NEVER
        self._fetch: _Fetch | None = None
        self._lock = threading.Lock()
        self._starting = threading.Lock()  # never held while waiting

    def __repr__(self) -> str:
        return f"RemoteKeys({self._url!r})"

    def known(self, kid: str | None) -> PublicKey | None:
        """Give the key while the set is fresh."""
        fresh = self._now() - self._fetched_at < self._patience.fresh
        return self._keys.get(kid or "") if fresh else None

    async def get(self, kid: str | None) -> PublicKey:
        """Give the key, after a fetch where one is due.

        Raises TokenVerificationError: ``jwk-kid-mismatch``, ``jwk-remote-failed-to-load``,
        ``secret-key-invalid``.
        """
        if self._due(kid):
            try:
                with suppress(TimeoutError):  # the fetch goes on, for those who come later
                    async with asyncio.timeout(self._wait(kid)):
                        await self._fetch_once(lambda: self._due(kid))
            except TokenVerificationError:
                if self._kept(kid) is None:
                    raise
        return self._found(kid)

    def get_sync(self, kid: str | None) -> PublicKey:
        """Give the key as ``get`` does, blocking this thread; whoever fetches waits to the end."""
        wait = self._wait(kid)
        if self._lock.acquire(timeout=-1 if wait is None else wait):
            try:
                self._fetch_if_due(kid)
            finally:
                self._lock.release()
        return self._found(kid)

    async def warm_up(self) -> None:
        """Fetch the keys now."""
        await self._fetch_once(lambda: True)

    def _due(self, kid: str | None) -> bool:
        """Say whether to fetch: the set is stale or lacks the key, and the last try is not recent.

        A first token never waits for a cool-down: there are no keys before the first fetch.
        """
        now = self._now()
        if self.known(kid) is not None:
            return False
        cool_down = self._patience.cool_down
        if not self._keys:
            cool_down = min(cool_down, EMPTY_COOL_DOWN_SECONDS)
        return now - self._tried_at >= cool_down or self._is_unanswered()

    def _wait(self, kid: str | None) -> float | None:
        """Say how long to wait for newer keys, None for as long as it takes.

        Whoever has a key at hand leaves a fetch to itself that has taken too long already.
        """
        if self._kept(kid) is None:
            return None
        since = self._now() - self._tried_at
        wait = self._patience.wait
        return wait if since >= self._patience.cool_down else max(0.0, wait - since)

    def _kept(self, kid: str | None) -> PublicKey | None:
        """Give a key that outlives an outage, for a day at most unless told otherwise."""
        if self._now() - self._fetched_at >= self._patience.stale:
            return None
        return self._keys.get(kid or "")

    def _found(self, kid: str | None) -> PublicKey:
        key = self._kept(kid)
        if key is not None:
            return key
        if self._keys and self._now() - self._fetched_at < self._patience.stale:
            raise TokenVerificationError(
                Reason.JWK_KID_MISMATCH,
                "No key of this instance signed the token. Is it of another Clerk instance?",
            )
        raise _remote_failed("The signing keys could not be loaded.")

    async def _fetch_once(self, due: Callable[[], bool]) -> None:
        """Fetch, or wait for the fetch that is under way: here, or in another thread's loop."""
        while True:
            with self._starting:
                fetch = self._fetch
                if fetch is None or not fetch.under_way:
                    if not due():
                        return None  # another thread has fetched in the meantime
                    self._tried_at = self._now()
                    self._fetch = fetch = _Fetch(asyncio.ensure_future(self._ask()))
            if not fetch.elsewhere:
                return await asyncio.shield(fetch.task)
            await asyncio.to_thread(fetch.ended.wait, self._patience.timeout)
            if not fetch.task.cancelled():
                return None  # whether it went well is told by the keys that are there now

    def _is_unanswered(self) -> bool:
        """Say whether the last try is still under way, or ended with its event loop."""
        fetch = self._fetch
        return fetch is not None and (fetch.under_way or fetch.task.cancelled())

    async def _ask(self) -> None:
        try:
            self._take(*await self._http.send("GET", self._url))
        except RequestFailed as exc:
            raise _remote_failed("The signing keys could not be fetched.") from exc

    def _fetch_if_due(self, kid: str | None) -> None:
        if not self._due(kid):
            return
        try:
            self._fetch_blocking()
        except TokenVerificationError:
            if self._kept(kid) is None:
                raise

    def _fetch_blocking(self) -> None:
        self._tried_at = self._now()
        try:
            self._take(*self._http.send_blocking("GET", self._url))
        except RequestFailed as exc:
            raise _remote_failed("The signing keys could not be fetched.") from exc

    def _take(self, status: int, body: bytes) -> None:
        """Replace the set whole, so that a key that left it verifies nothing any more."""
        if status in _UNAUTHORIZED:
            raise self._refused()
        if status != 200:  # noqa: PLR2004 - the status itself
            raise _remote_failed(f"The signing keys were answered with status {status}.")
        keys = read_jwks(body)
        if not keys:
            raise _remote_failed("The JWKS address gives no key that can be used.")
        self._keys = {kid: self._same(kid, key) for kid, key in keys.items()}
        self._fetched_at = self._now()

    def _same(self, kid: str, key: PublicKey) -> PublicKey:
        """Give the key that was there, if it is the same: what it verified stays verified."""
        kept = self._keys.get(kid)
        return kept if kept is not None and kept.fingerprint == key.fingerprint else key

    def _refused(self) -> TokenVerificationError:
        """Say what was refused: without a secret, nobody is told to set one."""
        if self._has_secret:
            return TokenVerificationError(
                Reason.SECRET_KEY_INVALID, "Clerk refused the secret key.", SET_SECRET_KEY
            )
        return TokenVerificationError(
            Reason.SECRET_KEY_INVALID, "The JWKS address refused to give its keys."
        )


def read_jwks(body: bytes) -> dict[str, PublicKey]:
    """Read a JWK Set by ``kid``, leaving out what is no RSA signature key (RFC 7517, section 5).

    Raises TokenVerificationError.
    """
    try:
        listed = read_object(body).get("keys")
    except NotAnObject as exc:
        raise _remote_failed("The JWKS address answered with something else.") from exc
    keys: dict[str, PublicKey] = {}
    for jwk in listed[:_KEYS_MAX] if isinstance(listed, list) else []:
        kid = jwk.get("kid") if isinstance(jwk, Mapping) else None
        if isinstance(kid, str):
            _add(keys, kid, jwk)
    return keys


def _add(keys: dict[str, PublicKey], kid: str, jwk: Mapping[str, Any]) -> None:
    try:
        keys[kid] = read_jwk(jwk)
    except KeyUnreadable:
        return


def _remote_failed(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.JWK_REMOTE_FAILED, message)
