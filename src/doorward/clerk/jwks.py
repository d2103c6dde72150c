"""Where keys come from: pasted once, or fetched and kept fresh without being pushed around.

Whoever sends tokens chooses their ``kid``. So a flood of unknown ones costs one fetch per
cool-down, requests that need a fetch at once share it, and an outage leaves known keys good.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from doorward.clerk.errors import (
    SET_SECRET_KEY,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.keys import KeyUnreadable, PublicKey, read_jwk, read_pem

if TYPE_CHECKING:
    import httpx2  # loaded when keys are fetched: a pasted key needs no network

FRESH_SECONDS = 300.0
STALE_SECONDS = 24 * 3600.0
COOL_DOWN_SECONDS = 30.0
EMPTY_COOL_DOWN_SECONDS = 2.0  # nothing works without keys, so ask again sooner
RESPONSE_BYTES_MAX = 1 << 20
_TIMEOUT_SECONDS = 5.0
_KEYS_MAX = 100
_NEVER = float("-inf")
_UNAUTHORIZED = frozenset({401, 403})

Now = Callable[[], float]


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


class RemoteKeys:
    """The keys of one JWKS address, fetched when needed and no more often."""

    def __init__(
        self,
        url: str,
        now: Now,
        *,
        secret_key: str | None = None,
        transport: "httpx2.AsyncBaseTransport | None" = None,
        sync_transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        self._url = url
        self._now = now
        self._headers = _headers(secret_key)
        self._transport = transport
        self._sync_transport = sync_transport
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at = _NEVER
        self._tried_at = _NEVER
        self._fetching: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RemoteKeys({self._url!r})"

    def known(self, kid: str | None) -> PublicKey | None:
        """Give the key while the set is fresh."""
        fresh = self._now() - self._fetched_at < FRESH_SECONDS
        return self._keys.get(kid or "") if fresh else None

    async def get(self, kid: str | None) -> PublicKey:
        """Give the key, after a fetch where one is due.

        Raises TokenVerificationError: ``jwk-kid-mismatch``, ``jwk-remote-failed-to-load``,
        ``secret-key-invalid``.
        """
        if self._due(kid):
            try:
                await self._fetch_once()
            except TokenVerificationError:
                if self._kept(kid) is None:
                    raise
        return self._found(kid)

    def get_sync(self, kid: str | None) -> PublicKey:
        """Give the key as ``get`` does, blocking this thread."""
        with self._lock:
            if self._due(kid):
                try:
                    self._fetch_blocking()
                except TokenVerificationError:
                    if self._kept(kid) is None:
                        raise
        return self._found(kid)

    async def warm_up(self) -> None:
        """Fetch the keys now."""
        await self._fetch_once()

    def _due(self, kid: str | None) -> bool:
        """Say whether to fetch: the set is stale or lacks the key, and the last try is not recent.

        A first token never waits for a cool-down: there are no keys before the first fetch.
        """
        now = self._now()
        if self.known(kid) is not None:
            return False
        cool_down = COOL_DOWN_SECONDS if self._keys else EMPTY_COOL_DOWN_SECONDS
        return now - self._tried_at >= cool_down or self._is_fetching()

    def _kept(self, kid: str | None) -> PublicKey | None:
        """Give a key that outlives an outage, for a day at most."""
        if self._now() - self._fetched_at >= STALE_SECONDS:
            return None
        return self._keys.get(kid or "")

    def _found(self, kid: str | None) -> PublicKey:
        key = self._kept(kid)
        if key is not None:
            return key
        if self._keys and self._now() - self._fetched_at < STALE_SECONDS:
            raise TokenVerificationError(
                Reason.JWK_KID_MISMATCH,
                "No key of this instance signed the token. Is it of another Clerk instance?",
            )
        raise _remote_failed("The signing keys could not be loaded.")

    async def _fetch_once(self) -> None:
        """Fetch, or wait for the fetch that is under way."""
        fetching = self._fetching
        if fetching is None or fetching.done():
            self._tried_at = self._now()
            self._fetching = fetching = asyncio.ensure_future(self._fetch())
            # Seen here too, in case everybody who waited for it has gone.
            fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(fetching)

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    async def _fetch(self) -> None:
        import httpx2

        try:
            async with (
                httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=self._transport) as client,
                client.stream("GET", self._url, headers=self._headers) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    _append(body, chunk)
        except httpx2.HTTPError as exc:
            raise _remote_failed("The signing keys could not be fetched.") from exc
        self._take(response.status_code, bytes(body))

    def _fetch_blocking(self) -> None:
        import httpx2

        self._tried_at = self._now()
        try:
            with (
                httpx2.Client(timeout=_TIMEOUT_SECONDS, transport=self._sync_transport) as client,
                client.stream("GET", self._url, headers=self._headers) as response,
            ):
                body = bytearray()
                for chunk in response.iter_bytes():
                    _append(body, chunk)
        except httpx2.HTTPError as exc:
            raise _remote_failed("The signing keys could not be fetched.") from exc
        self._take(response.status_code, bytes(body))

    def _take(self, status: int, body: bytes) -> None:
        """Replace the set whole, so that a key that left it verifies nothing any more."""
        if status in _UNAUTHORIZED:
            raise TokenVerificationError(
                Reason.SECRET_KEY_INVALID, "Clerk refused the secret key.", SET_SECRET_KEY
            )
        if status != 200:  # noqa: PLR2004 - the status itself
            raise _remote_failed(f"The signing keys were answered with status {status}.")
        keys = read_jwks(body)
        if not keys:
            raise _remote_failed("The JWKS address gives no key that can be used.")
        self._keys = keys
        self._fetched_at = self._now()


def read_jwks(body: bytes) -> dict[str, PublicKey]:
    """Read a JWK Set by ``kid``, leaving out what is no RSA signature key (RFC 7517, section 5).

    Raises TokenVerificationError.
    """
    try:
        listed = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    except (msgspec.MsgspecError, RecursionError) as exc:
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


def _append(body: bytearray, chunk: bytes) -> None:
    body += chunk
    if len(body) > RESPONSE_BYTES_MAX:
        raise _remote_failed("The JWKS address answered with too much.")


def _headers(secret_key: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "doorward"}
    if secret_key is not None:
        headers["Authorization"] = f"Bearer {secret_key}"
        headers["Clerk-API-Version"] = "2026-05-12"
    return headers


def _remote_failed(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.JWK_REMOTE_FAILED, message)
