"""What a download says about its bytes, and what a request may ask of them (RFC 9110)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from doorward.server.files.model import Content
from doorward.server.problems import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
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


def unchanged(headers: Mapping[str, str], tag: str) -> bool:
    """Say whether ``If-None-Match`` names these bytes (weak comparison, section 13.1.2)."""
    condition = headers.get("if-none-match")
    if condition is None:
        return False
    if condition.strip() == "*":
        return True
    return any(found.removeprefix("W/") == tag for found in _ETAG.findall(condition))


def asked_span(headers: Mapping[str, str], content: Content) -> Span | None:
    """Give the one range that is asked for, None for the whole.

    A header of another form, with several ranges, or bound by ``If-Range`` to other bytes, is
    ignored as section 14.2 allows. Raises RangeNotSatisfiable.
    """
    header = headers.get("range")
    bound_to = headers.get("if-range")
    if header is None or (bound_to is not None and bound_to != etag(content)):
        return None
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    return _span(match[1], match[2], content.size)


def _span(first: str, last: str, size: int) -> Span | None:
    if not first:
        start, stop = max(0, size - int(last)), size
    elif last and int(last) < int(first):
        return None
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    if start >= stop:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"}, size=size)
    return Span(start, stop)


def content_disposition(name: str) -> str:
    """Offer the bytes for saving under any Unicode name (RFC 6266, RFC 8187)."""
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    exact = quote(name, safe="!#$&+-.^_`|~")
    if plain == name:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
