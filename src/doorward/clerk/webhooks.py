"""Clerk's webhooks: the signature over the raw bytes first, and only then what they say.

Source: Standard Webhooks and ``verifyWebhook`` of Clerk's JavaScript SDK.
"""

import re
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest, digest

from doorward.clerk.configuration import read_variable
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.events import Event, EventMalformed, read_event
from doorward.clerk.json_texts import NotAnObject, read_object
from doorward.clerk.state.record import State

TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 1 << 20
KEEP_SECONDS = 5 * 24 * 3600.0  # Clerk retries for 28 hours, and people redeliver by hand
_ID_CHARACTERS_MAX = 256
_SIGNATURES_BYTES_MAX = 4096
_KEY_BYTES_MIN = 16
_PREFIX = "whsec_"
_BLANKS = " \t"  # around a header's value (RFC 9110, section 5.5); Python's own are many more
_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)
_SVIX = ("svix-id", "svix-timestamp", "svix-signature")
_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")

_UNSET = (
    "There is no webhook secret: set CLERK_WEBHOOK_SIGNING_SECRET to the whsec_… of the endpoint "
    "(Clerk dashboard, Webhooks)."
)

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]


class WebhookVerificationError(Exception):
    """A webhook was refused; answer it with 400. ``reason`` is a word to count by.

    One of ``missing-headers``, ``timestamp-invalid``, ``timestamp-too-old``,
    ``timestamp-too-new``, ``signature-mismatch``, ``body-too-large``, ``body-invalid``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def verify(
    body: bytes,
    headers: Headers,
    secret: str | Iterable[str] | None = None,
    *,
    now: Callable[[], float] = time.time,
) -> Event:
    """Verify a webhook of Clerk's and give its event.

    ``body`` is the request's raw body: parsed and written anew it no longer fits its signature.
    ``headers`` is any mapping, whatever its case, or pairs, as ASGI and Flask have them.
    ``secret`` is ``whsec_…``, or several while one is being replaced; without it
    CLERK_WEBHOOK_SIGNING_SECRET is read. Raises WebhookVerificationError, and ConfigurationError
    for a secret that is none.
    """
    return Verifier(secret, now=now)(body, headers)


class Verifier:
    """Verifies the webhooks of one endpoint; its secret is read once, and judged at once."""

    def __init__(
        self,
        secret: str | Iterable[str] | None = None,
        *,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._keys = [_key(one) for one in _secrets(secret)]
        self._now = now or time.time

    def __call__(self, body: bytes, headers: Headers) -> Event:
        """Give the event of a signed webhook; raises WebhookVerificationError."""
        message_id, timestamp, signatures = _signed_headers(_lowered(headers))
        if len(body) > BODY_BYTES_MAX:
            raise WebhookVerificationError("body-too-large", "The body is larger than 1 MiB.")
        sent_at = _checked_time(timestamp, self._now())
        signed = b".".join((message_id.encode(errors="replace"), timestamp.encode(), body))
        if not _any_matches(self._keys, signed, signatures):
            raise WebhookVerificationError("signature-mismatch", "No matching signature found.")
        return _event(message_id, body, sent_at)


async def is_new(event: Event, state: State, *, now: Callable[[], float] = time.time) -> bool:
    """Say whether this event comes for the first time, and remember that it came.

    Deliveries are repeated, by retries and by hand, under one id. Raises StateUnavailable: then
    answer 503, and Clerk delivers again. Where the work that follows fails, ``forget`` the event.
    ``now`` is to be the clock that the state has.
    """
    return await state.add(_seen(event), now() + KEEP_SECONDS)


async def forget(event: Event, state: State) -> None:
    """Take the next delivery of this event as new, because the work on this one failed.

    Raises StateUnavailable.
    """
    await state.remove(_seen(event))


def _seen(event: Event) -> str:
    return f"webhook:{event.id}"


def _secrets(secret: str | Iterable[str] | None) -> list[str]:
    if secret is None:
        found = read_variable("CLERK_WEBHOOK_SIGNING_SECRET") or read_variable(
            "CLERK_WEBHOOK_SECRET"
        )
        secret = found or ()
    listed = [secret] if isinstance(secret, str) else list(secret)
    if not listed:
        raise ConfigurationError([_UNSET])
    return listed


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) < _KEY_BYTES_MIN:
        raise ConfigurationError(
            ["CLERK_WEBHOOK_SIGNING_SECRET is no webhook secret: it is whsec_ and base64."]
        )
    return key


def _lowered(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {_text(name).lower(): _text(value).strip(_BLANKS) for name, value in pairs}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _signed_headers(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Give id, timestamp and signatures, by Clerk's names or those of the standard."""
    for names in (_SVIX, _STANDARD):
        found = [headers.get(name, "") for name in names]
        if all(found):
            message_id, timestamp, signatures = found
            if len(message_id) > _ID_CHARACTERS_MAX:
                break
            return message_id, timestamp, signatures[:_SIGNATURES_BYTES_MAX]
    missing = ", ".join(name for name in _SVIX if not headers.get(name))
    raise WebhookVerificationError(
        "missing-headers", f"Missing required webhook headers: {missing or 'svix-id'}."
    )


def _checked_time(timestamp: str, now: float) -> int:
    if not _DIGITS.fullmatch(timestamp):
        raise WebhookVerificationError("timestamp-invalid", "The timestamp is not in seconds.")
    sent_at = int(timestamp)
    if now - sent_at > TOLERANCE_SECONDS:
        raise WebhookVerificationError("timestamp-too-old", "Message timestamp too old.")
    if sent_at - now > TOLERANCE_SECONDS:
        raise WebhookVerificationError("timestamp-too-new", "Message timestamp too new.")
    return sent_at


def _any_matches(keys: Iterable[bytes], signed: bytes, signatures: str) -> bool:
    """Compare every ``v1`` signature with every key's; other versions and noise are passed over."""
    expected = [digest(key, signed, sha256) for key in keys]
    matches = False
    for entry in signatures.split(" "):
        version, _, encoded = entry.partition(",")
        given = _signature(encoded) if version == "v1" else b""
        for one in expected:
            matches |= compare_digest(one, given)
    return matches


def _signature(encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        return b""


def _event(message_id: str, body: bytes, sent_at: float) -> Event:
    try:
        return read_event(message_id, read_object(body), sent_at)
    except (NotAnObject, EventMalformed) as exc:
        raise WebhookVerificationError("body-invalid", "The body is no event.") from exc
