"""The file in a form (RFC 7578), while the form comes: nothing of it is kept here.

All that is not the file is bounded together, so that no number of fields costs anything, and a form
whose last boundary is missing is no whole one.
"""

import logging
import re

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from doorward.server.doors.asgi import Message, Receive
from doorward.server.doors.transfer.exchange import Asked
from doorward.server.problems import MediaTypeUnsupported, RequestMalformed

FIELD = b"file"
MEDIA_TYPE = "multipart/form-data"
OTHER_BYTES_MAX = 64 << 10
HEADER_BYTES_MAX = 8 << 10
FIELDS_MAX = 16
# RFC 2046, section 5.1.1. The parser relies on it: no boundary has an end of a line inside.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_AS_THEY_ARE = {b"", b"binary", b"8bit", b"7bit"}

# It warns of every form that is none, and whoever has a ticket could fill the disk with that.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


def boundary_of(asked: Asked) -> bytes:
    """Give what stands between the fields; raises MediaTypeUnsupported, RequestMalformed."""
    kind, options = parse_options_header(asked.header("content-type"))
    if kind != MEDIA_TYPE.encode():
        raise MediaTypeUnsupported(f"Send the bytes by PUT, or as {MEDIA_TYPE}.")
    boundary = options.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestMalformed("The form has no boundary.")
    return boundary


class FormFile:
    """The bytes of the field ``file``, as a receiver takes them."""

    def __init__(self, boundary: bytes, receive: Receive) -> None:
        self._receive = receive
        self._head = _Head()
        self._is_file = self._had_file = self._is_whole = False
        self._fields = self._other_bytes = 0
        self._found: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_field,
                "on_header_field": self._head.take_name,
                "on_header_value": self._head.take_value,
                "on_header_end": self._head.end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._take,
                "on_end": self._end,
            },
            max_header_size=HEADER_BYTES_MAX,
        )

    async def receive(self) -> Message:
        """Give what has come of the file; raises RequestMalformed."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        more = message.get("more_body", False)
        found = self._read(message.get("body", b""))
        if not more:
            self._check_end()
        return {"type": "http.request", "body": found, "more_body": more}

    def _read(self, body: bytes) -> bytes:
        """Give what of these bytes is the file's; all others count, whatever they are."""
        try:
            self._parser.write(body)
        except MultipartParseError:
            raise RequestMalformed("The form is none.") from None
        found, self._found = b"".join(self._found), []
        self._other_bytes += len(body) - len(found)
        if self._other_bytes > OTHER_BYTES_MAX:
            raise RequestMalformed("The form holds too much beside the file.")
        return found

    def _begin_field(self) -> None:
        self._head.clear()
        self._fields += 1
        if self._fields > FIELDS_MAX:
            raise RequestMalformed("The form has too many fields.")

    def _begin_content(self) -> None:
        """See from its head whether a field is the file."""
        kind, options = parse_options_header(self._head.get(b"content-disposition"))
        if kind != b"form-data":
            raise RequestMalformed("A field of the form is none.")
        self._is_file = options.get(b"name") == FIELD
        if not self._is_file:
            return
        if self._had_file:
            raise RequestMalformed(f"The form has the field {FIELD.decode()} twice.")
        if self._head.get(b"content-transfer-encoding").lower() not in _AS_THEY_ARE:
            raise RequestMalformed("The file in the form is encoded; send it as it is.")
        self._had_file = True

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._found.append(data[start:end])

    def _end(self) -> None:
        self._is_whole = True

    def _check_end(self) -> None:
        if not self._is_whole:
            raise RequestMalformed("The form ends before its last boundary.")
        if not self._had_file:
            raise RequestMalformed(f"The form has no field {FIELD.decode()}.")


class _Head:
    """The headers of one field, which come in pieces; together they are bounded."""

    def __init__(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._size = 0

    def clear(self) -> None:
        """Begin that of another field."""
        self._headers.clear()
        self._size = 0

    def get(self, name: bytes) -> bytes:
        """Give a header's value, empty where it is missing; ``name`` in lower case."""
        return self._headers.get(name, b"")

    def take_name(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a name; raises RequestMalformed."""
        self._count(end - start)
        self._name += data[start:end]

    def take_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a value; raises RequestMalformed."""
        self._count(end - start)
        self._value += data[start:end]

    def end_header(self) -> None:
        """Keep one header; raises RequestMalformed where it is there twice and could be either."""
        name = self._name.lower()
        if name in self._headers:
            raise RequestMalformed("A field of the form has one header twice.")
        self._headers[name] = self._value.strip(b" \t")
        self._name = self._value = b""

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > HEADER_BYTES_MAX:
            raise RequestMalformed("A field of the form has too large a head.")
