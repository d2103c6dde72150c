"""Opaque credentials: API keys, and machines' and OAuth access tokens that are no JWT.

Only Clerk can judge them, over its Backend API. Its answer is believed only whole: the right kind
of object, not revoked, not expired. Source: ``verifyMachineAuthToken`` of Clerk's JavaScript SDK,
which leaves those flags unread.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from doorward.clerk.claims import actor_of, text, texts
from doorward.clerk.errors import (
    SET_SECRET_KEY,
    Reason,
    TokenVerificationError,
)
from doorward.clerk.http import Http, RequestFailed, secret_headers
from doorward.clerk.json_texts import NotAnObject, read_object
from doorward.clerk.rules import check_audience_strictly
from doorward.clerk.times import seconds_of
from doorward.identity.credentials import CredentialShape
from doorward.identity.principal import Principal

if TYPE_CHECKING:
    import httpx2

TIMEOUT_SECONDS = 3.0
UNKNOWN_SECONDS = 10.0
_UNKNOWN_MAX = 1000
_FAILURES_MAX = 5
_OPEN_SECONDS = 10.0
_SHAPE = re.compile(r"(?:ak|mt|oat)_[A-Za-z0-9_-]{1,512}", re.ASCII)
_Asked = tuple[bytes, asyncio.AbstractEventLoop]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of opaque token is asked about, and what a good answer is."""

    path: str
    member: str
    object: str
    subjects: tuple[str, ...]
    unknown: str


_KINDS = {
    CredentialShape.API_KEY: _Kind(
        "/api_keys/verify", "secret", "api_key", ("user_", "org_", "mch_"), "API key not found"
    ),
    CredentialShape.M2M: _Kind(
        "/m2m_tokens/verify",
        "token",
        "machine_to_machine_token",
        ("mch_",),
        "Machine token not found",
    ),
    CredentialShape.OAUTH: _Kind(
        "/oauth_applications/access_tokens/verify",
        "access_token",
        "clerk_idp_oauth_access_token",
        ("user_",),
        "OAuth token not found",
    ),
}


class OpaqueTokens:
    """Asks Clerk about opaque tokens: once at a time for each, and never of what can't be one.

    A good answer is not remembered, so that a revoked key is refused on its next use. That a
    token is unknown is remembered for some seconds, and after several failures in a row Clerk is
    left alone for a while. Where an ``audience`` is asked for, an OAuth token must name one of it.
    """

    def __init__(
        self,
        api_url: str,
        secret_key: str,
        now: Callable[[], float],
        *,
        machine_secret_key: str | None = None,
        audience: frozenset[str] = frozenset(),
        transport: "httpx2.AsyncBaseTransport | None" = None,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._now = now
        self._audience = audience
        self._http = _http(secret_key, transport)
        self._http_of_machine = _http(machine_secret_key or secret_key, transport)
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[_Asked, asyncio.Task[Principal]] = {}
        self._failures = 0
        self._closed_until = 0.0

    async def verify(self, token: str, kind: CredentialShape) -> Principal:
        """Verify an opaque token of a kind that its prefix names.

        Raises TokenVerificationError: ``token-invalid``, ``token-verification-failed``,
        ``secret-key-invalid``, ``unexpected-error``.
        """
        if not _SHAPE.fullmatch(token):
            raise _invalid(_KINDS[kind].unknown)
        digest = sha256(token.encode()).digest()
        if self._unknown.get(digest, 0) > self._now():
            raise _invalid(_KINDS[kind].unknown)
        asked = digest, asyncio.get_running_loop()  # no loop can wait for another's task
        asking = self._asking.get(asked)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(token, digest, kind))
            self._asking[asked] = asking
            asking.add_done_callback(lambda task: self._answered(asked, task))
        return await asyncio.shield(asking)

    async def aclose(self) -> None:
        """Close the connections to Clerk."""
        await self._http.aclose()
        await self._http_of_machine.aclose()

    def _answered(self, asked: _Asked, task: asyncio.Task[Principal]) -> None:
        del self._asking[asked]
        # Seen here too, in case everybody who waited for it has gone.
        _ = task.cancelled() or task.exception()

    async def _ask(self, token: str, digest: bytes, kind: CredentialShape) -> Principal:
        if self._now() < self._closed_until:
            raise _unexpected()
        about = _KINDS[kind]
        http = self._http_of_machine if kind is CredentialShape.M2M else self._http
        try:
            status, body = await http.send(
                "POST", self._api_url + about.path, {about.member: token}
            )
        except RequestFailed as exc:
            self._failed()
            raise _unexpected() from exc
        return self._read(status, body, digest, kind)

    def _read(self, status: int, body: bytes, digest: bytes, kind: CredentialShape) -> Principal:
        if status == 401:  # noqa: PLR2004 - the status itself
            raise TokenVerificationError(
                Reason.SECRET_KEY_INVALID, "Clerk refused the secret key.", SET_SECRET_KEY
            )
        if status == 404:  # noqa: PLR2004
            self._remember_unknown(digest)
            raise _invalid(_KINDS[kind].unknown)
        if status != 200:  # noqa: PLR2004
            self._failed()
            raise _unexpected()
        self._failures = 0
        found = _object(body)
        who = _principal(found, kind, self._now())
        if self._audience and kind is CredentialShape.OAUTH:
            check_audience_strictly(found, self._audience)
        return who

    def _remember_unknown(self, digest: bytes) -> None:
        self._failures = 0
        self._unknown[digest] = self._now() + UNKNOWN_SECONDS
        if len(self._unknown) > _UNKNOWN_MAX:
            self._unknown.popitem(last=False)

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= _FAILURES_MAX:
            self._closed_until = self._now() + _OPEN_SECONDS
            self._failures = 0


def _http(secret_key: str, transport: "httpx2.AsyncBaseTransport | None") -> Http:
    return Http(
        timeout_seconds=TIMEOUT_SECONDS,
        headers=secret_headers(secret_key),
        keep=True,
        transport=transport,
    )


def _principal(found: Mapping[str, Any], kind: CredentialShape, now: float) -> Principal:
    """Believe Clerk's answer about a token only when all of it says that the token is good."""
    about = _KINDS[kind]
    subject, expires_at = text(found.get("subject")) or "", _seconds(found.get("expiration"))
    named = subject.startswith(about.subjects)
    good = found.get("object") == about.object and named and found.get("active") is not False
    alive = found.get("revoked") is False and found.get("expired") is False
    if not (good and alive) or (expires_at is not None and expires_at <= now):
        raise _invalid(about.unknown)
    claims = found.get("claims")
    return Principal(
        user_id=subject if subject.startswith("user_") else None,
        org_id=subject if subject.startswith("org_") else None,
        token_type=kind.value,
        subject=subject,
        scopes=texts(found.get("scopes")),
        claims=claims if isinstance(claims, Mapping) else {},
        actor=actor_of(found),
        credential_id=text(found.get("id")),
        client_id=text(found.get("client_id")),
        issued_at=_seconds(found.get("created_at")),
        expires_at=expires_at,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except NotAnObject as exc:
        raise _unexpected() from exc


def _seconds(value: Any) -> float | None:
    """Read a time that Clerk gives in milliseconds, and for OAuth tokens in seconds.

    An odd one is long past.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None if value is None else 0.0
    return seconds_of(value) or 0.0


def _invalid(message: str) -> TokenVerificationError:
    return TokenVerificationError(Reason.INVALID, message)


def _unexpected() -> TokenVerificationError:
    return TokenVerificationError(Reason.UNEXPECTED, "Clerk could not be asked about the token.")
