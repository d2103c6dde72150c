"""Keys are found in any bytes, whatever stands around them, and nothing else is taken for one.

What has a key's shape is one where its checksum is right: of strings of that shape which chance
makes, one in 2^32. They are read as UTF-8 (or another superset of ASCII) and as UTF-16, at any
offset. What is compressed, encrypted, in base64 or broken by line ends is not seen through.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from doorward.server.keys.format import CHARACTERS_MAX, PATTERN, PREFIX, read_key

STARTS_CHARACTERS = 7
"""How much of a key is told: where it is found is enough to find it."""

# Only the prefix is consumed, so that a key which begins within another candidate is found too.
_REST = PATTERN.pattern.removeprefix(PREFIX)
_NARROW = re.compile(rf"{PREFIX}(?=({_REST}))".encode())
# With a NUL between its characters it is UTF-16, of either order.
_CHARACTER = re.compile(r"\[[^]]+\]|_")
_REST_WIDE = _CHARACTER.sub(lambda one: rf"(?:\x00{one[0]})", _REST)
_WIDE = re.compile(rf"d\x00w\x00_(?=({_REST_WIDE}))".encode())
_KEPT_BYTES = 2 * CHARACTERS_MAX
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_CONTINUING = bytes(range(0x80, 0xC0))  # the bytes of a character in UTF-8 but its first


@dataclass(frozen=True, slots=True)
class Found:
    """Where a key stands, counted from 1, and what may be told of it.

    Columns are characters; bytes where the encoding is not known.
    """

    line: int
    column: int
    environment: str
    starts: str


@dataclass(frozen=True, slots=True)
class _Place:
    """How many lines, and characters of the last one, lie behind."""

    lines: int = 0
    characters: int = 0
    encoding: str | None = None

    @classmethod
    def first(cls, data: bytes) -> "_Place":
        """Begin, with a byte order mark before the first character or without."""
        encoding = _UTF_16_MARKS.get(data[:2])
        marked = encoding is not None or data.startswith(_UTF_8_MARK)
        return cls(characters=-1 if marked else 0, encoding=encoding)

    def after(self, data: bytes) -> "_Place":
        """Go on behind these bytes."""
        if self.encoding is not None:
            text = data.decode(self.encoding, "replace")
            last, count, size = text.rfind("\n"), text.count("\n"), len(text)
        else:
            last, count = data.rfind(b"\n"), data.count(b"\n")
            line = data[last + 1 :]
            size = last + 1 + len(line if line.isascii() else line.translate(None, _CONTINUING))
        before = 0 if count else self.characters
        return replace(self, lines=self.lines + count, characters=before + size - last - 1)


class Scanner:
    """Takes a stream piece by piece, however it is cut, and tells each key once.

    It holds one piece, and as many bytes of those before it as a key has.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._place: _Place | None = None

    def feed(self, piece: bytes) -> list[Found]:
        """Give the keys that end in this piece."""
        data = self._kept + piece
        place = _Place.first(data) if self._place is None else self._place
        found = self._found(data, place)
        # UTF-16 is cut between its units.
        behind = max(0, len(data) - _KEPT_BYTES) & ~1
        if behind:
            self._place = place.after(data[:behind])
        self._kept = data[behind:]
        return found

    def _found(self, data: bytes, place: _Place) -> list[Found]:
        found, at = [], 0
        for start, text in sorted(_keys(data, len(self._kept))):
            # In UTF-16 with the high byte first a unit begins before its ASCII character does.
            unit = start & ~1 if place.encoding else start
            place, at = place.after(data[at:unit]), unit
            environment = text.split("_", 2)[1]
            starts = text[:STARTS_CHARACTERS]
            found.append(Found(place.lines + 1, place.characters + 1, environment, starts))
        return found


def scan(pieces: Iterable[bytes]) -> Iterator[Found]:
    """Give the keys in a stream."""
    scanner = Scanner()
    for piece in pieces:
        yield from scanner.feed(piece)


def _keys(data: bytes, known: int) -> Iterator[tuple[int, str]]:
    """Give each key that ends behind the first ``known`` bytes, and where it begins."""
    patterns = (_NARROW, _WIDE) if b"\0" in data else (_NARROW,)
    for pattern in patterns:
        for match in pattern.finditer(data):
            text = PREFIX + match[1].replace(b"\0", b"").decode()
            if match.end(1) > known and read_key(text) is not None:
                yield match.start(), text
