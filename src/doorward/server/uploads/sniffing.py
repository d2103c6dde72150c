"""What the first bytes of a file give away, and whether that contradicts what was declared.

A guess is only ever used to refuse. Nothing is served by it.
"""

from collections.abc import Callable

HEAD_BYTES = 1024
HTML = "text/html"
PROGRAM = "application/x-executable"
SCRIPT = "text/x-script"
ZIP = "application/zip"

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x7fELF", PROGRAM),
    (b"\xfe\xed\xfa\xce", PROGRAM),  # Mach-O, either order, either width
    (b"\xfe\xed\xfa\xcf", PROGRAM),
    (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),  # Mach-O for several machines, or a Java class
    (b"\x00asm", PROGRAM),
    (b"#!", SCRIPT),
)
# Tags that make a browser take bytes for a page (WHATWG MIME Sniffing, section 7.1).
_PAGE = (
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<iframe",
    b"<style",
    b"<title",
    b"<table",
    b"<div",
    b"<h1",
    b"<a",
    b"<p",
    b"<b",
    b"<br",
    b"<font",
)
_AFTER_TAG = b" >\t\r\n\x0c"
_BLANKS = b"\xef\xbb\xbf \t\r\n\x0c"

EXACT = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Types that their first bytes always show, and that stand for nothing else."""
_SHOWN = EXACT | {ZIP, "application/gzip"}
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "application/x-zip-compressed": ZIP,
    "application/x-gzip": "application/gzip",
    "application/x-pdf": "application/pdf",
}
_MEDIA = frozenset({"image", "audio", "video", "font"})


def sniffed(head: bytes) -> str | None:
    """Give the type that the first bytes show, None where they show none."""
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is not None:
        return found
    looks: tuple[tuple[Callable[[bytes], bool], str], ...] = (
        (_is_webp, "image/webp"),
        (_is_windows_program, PROGRAM),
        (_is_page, HTML),
        (lambda data: b"%PDF-" in data, "application/pdf"),
    )
    return next((kind for look, kind in looks if look(head)), None)


def contradiction(declared: str, head: bytes) -> str | None:
    """Say what the bytes are where they can't be what was declared, else None."""
    kind, found = plain_type(declared), sniffed(head)
    if not head or found == kind:
        return None
    if kind in _SHOWN:
        return found or "something else"
    if found in {PROGRAM, SCRIPT}:
        return None if _may_run(kind, found) else found
    if found is not None and kind.partition("/")[0] in _MEDIA:
        return None if found.partition("/")[0] in _MEDIA else found
    return None


def plain_type(declared: str) -> str:
    """Give the media type in lower case, without parameters, under its usual name."""
    kind = declared.partition(";")[0].strip().lower()
    return _ALIASES.get(kind, kind)


def _may_run(kind: str, found: str) -> bool:
    major = kind.partition("/")[0]
    if found == SCRIPT and major == "text":
        return True
    return major == "application" and kind not in _SHOWN


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_windows_program(head: bytes) -> bool:
    return head[:2] == b"MZ" and b"\0" in head[:64]  # text may begin with these letters too


def _is_page(head: bytes) -> bool:
    text = head.lstrip(_BLANKS)
    while text.startswith(b"<!--"):  # each turn takes at least what it found away
        text = text[4:].partition(b"-->")[2].lstrip(_BLANKS)
    low = text[:32].lower()
    return any(low.startswith(tag) and low[len(tag) : len(tag) + 1] in _AFTER for tag in _PAGE)


_AFTER = frozenset(bytes([one]) for one in _AFTER_TAG)
