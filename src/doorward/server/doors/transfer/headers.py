"""What a download says about its bytes, and what a request may ask of them (RFC 9110, RFC 9530)."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

from doorward.server.files.model import Content
from doorward.server.problems import PreconditionFailed, RangeNotSatisfiable

RANGES_MAX = 16
_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
_ETAG = re.compile(r'(?:W/)?"[^"]*"')
_UNSAFE_IN_QUOTES = re.compile(r"[^ !#-\[\]-~]")

# An uploaded page may not run, load, or frame anything, nor act as this origin.
SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}
# What is shown in place may show itself, in a frame of ours at most, and nothing else.
PREVIEW_HEADERS = SAFE_HEADERS | {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
        "frame-ancestors 'self'; sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
_PREVIEWED = frozenset(
    {
        *(f"image/{kind}" for kind in ("avif", "bmp", "gif", "jpeg", "png", "webp")),
        *(f"audio/{kind}" for kind in ("aac", "flac", "mp4", "mpeg", "ogg", "wav", "webm")),
        *(f"video/{kind}" for kind in ("mp4", "ogg", "quicktime", "webm")),
        "application/pdf",
        "text/plain",
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``stop``, exclusive."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes that is."""
        return self.stop - self.start


def etag(content: Content) -> str:
    """Give the strong entity tag: the digest names these bytes and no others."""
    return f'"{content.digest}"'


def http_date(time: datetime) -> str:
    """Give a time as headers write it, in whole seconds."""
    return format_datetime(time.replace(microsecond=0), usegmt=True)


def representation_digest(content: Content) -> str | None:
    """Give the digest of the whole content (RFC 9530), where one of a registered kind is known."""
    if content.sha256 is None:
        return None
    raw = bytes.fromhex(content.sha256.removeprefix("sha256:"))
    return f"sha-256=:{b64encode(raw).decode()}:"


def unchanged(headers: Mapping[str, str], tag: str, changed_at: datetime) -> bool:
    """Say whether the client has these bytes already (sections 13.1.1 to 13.1.4, in that order).

    Raises PreconditionFailed where it wants only others.
    """
    wanted, since = headers.get("if-match"), _date(headers, "if-unmodified-since")
    if wanted is not None:
        if not _names(wanted, tag, strong=True):
            raise PreconditionFailed
    elif since is not None and changed_at.replace(microsecond=0) > since:
        raise PreconditionFailed
    known, seen = headers.get("if-none-match"), _date(headers, "if-modified-since")
    if known is not None:
        return _names(known, tag, strong=False)
    return seen is not None and changed_at.replace(microsecond=0) <= seen


def asked_spans(
    headers: Mapping[str, str], content: Content, changed_at: datetime, now: datetime
) -> list[Span] | None:
    """Give the ranges that are asked for in their order, None for the whole.

    A header of another form, one bound by ``If-Range`` to other bytes, and one with more ranges or
    bytes than the content is worth, is ignored as section 14.2 allows. Raises RangeNotSatisfiable.
    """
    header = headers.get("range")
    if header is None or not _is_bound(headers.get("if-range"), content, changed_at, now):
        return None
    unit, _, ranges = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    spans = _spans([part.strip(" \t") for part in ranges.split(",")], content.size)
    if spans == []:
        size = content.size
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"}, size=size)
    if spans is None or sum(span.size for span in spans) > content.size:
        return None
    return spans


def content_disposition(name: str, *, inline: bool = False) -> str:
    """Offer the bytes under any Unicode name (RFC 6266, RFC 8187), for saving or showing."""
    how = "inline" if inline else "attachment"
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    exact = quote(name, safe="!#$&+-.^_`|~")
    if plain == name:
        return f'{how}; filename="{plain}"'
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def is_previewed(content_type: str) -> bool:
    """Say whether a browser may show this in place: no kind on the list can carry a script."""
    return content_type.partition(";")[0].strip().lower() in _PREVIEWED


def _spans(parts: list[str], size: int) -> list[Span] | None:
    """Give the ranges that lie in the content, None for a form that is none or too many."""
    parts = [part for part in parts if part]
    if not parts or len(parts) > RANGES_MAX:
        return None
    spans = []
    for part in parts:
        match = _RANGE.fullmatch(part)
        if match is None or match[0] == "-" or _is_backwards(match[1], match[2]):
            return None
        spans.append(_span(match[1], match[2], size))
    return [span for span in spans if span.size > 0]


def _is_backwards(first: str, last: str) -> bool:
    return bool(first and last) and int(last) < int(first)


def _span(first: str, last: str, size: int) -> Span:
    if not first:
        return Span(max(0, size - int(last)), size)
    start = min(int(first), size)
    return Span(start, min(int(last) + 1 if last else size, size))


def _is_bound(bound_to: str | None, content: Content, changed_at: datetime, now: datetime) -> bool:
    """Say whether ``If-Range`` names these bytes: by their tag, or by a date that tells enough.

    A date is a strong validator only once a second has passed since (section 8.8.2.2).
    """
    if bound_to is None or bound_to == etag(content):
        return True
    date = _read_date(bound_to)
    settled = (now - changed_at).total_seconds() >= 1
    return date is not None and date == changed_at.replace(microsecond=0) and settled


def _names(condition: str, tag: str, *, strong: bool) -> bool:
    if condition.strip() == "*":
        return True
    found = _ETAG.findall(condition)
    return tag in found if strong else any(one.removeprefix("W/") == tag for one in found)


def _date(headers: Mapping[str, str], name: str) -> datetime | None:
    value = headers.get(name)
    return None if value is None else _read_date(value)


def _read_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
