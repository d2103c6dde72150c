"""The file in a form (RFC 7578), while the form comes: nothing of it is kept here.

All that is not the file is bounded together, so that no number of fields costs anything, and a form
whose last boundary is missing is no whole one.
"""

import re
from email.message import Message as Headers
from email.parser import BytesHeaderParser

from doorward.server.doors.asgi import Message, Receive
from doorward.server.doors.transfer.exchange import Asked
from doorward.server.problems import MediaTypeUnsupported, RequestMalformed

FIELD = "file"
MEDIA_TYPE = "multipart/form-data"
OTHER_BYTES_MAX = 64 << 10
HEADER_BYTES_MAX = 8 << 10
FIELDS_MAX = 16
_LINE = b"\r\n"
_PADDING_BYTES_MAX = 64
# RFC 2046, section 5.1.1.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_AS_THEY_ARE = {"", "binary", "8bit", "7bit"}


def boundary_of(asked: Asked) -> bytes:
    """Give what stands between the fields; raises MediaTypeUnsupported, RequestMalformed."""
    headers = Headers()
    headers["Content-Type"] = asked.header("content-type") or ""
    if headers.get_content_type() != MEDIA_TYPE:
        raise MediaTypeUnsupported(f"Send the bytes by PUT, or as {MEDIA_TYPE}.")
    boundary = headers.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise RequestMalformed("The form has no boundary.")
    return boundary.encode()


class FormFile:
    """The bytes of the field ``file``, as a receiver takes them."""

    def __init__(self, boundary: bytes, receive: Receive) -> None:
        self._receive = receive
        self._between = b"\r\n--" + boundary
        self._buffer = bytearray(_LINE)  # so that the first boundary looks like every other
        self._step = self._in_content
        self._is_file = self._had_file = False
        self._fields = self._other_bytes = 0
        self._found: list[bytes] = []

    async def receive(self) -> Message:
        """Give what has come of the file; raises RequestMalformed."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        more = message.get("more_body", False)
        self._buffer += message.get("body", b"")
        while self._step():
            pass
        if not more:
            self._check_end()
        found, self._found = b"".join(self._found), []
        return {"type": "http.request", "body": found, "more_body": more}

    def _in_content(self) -> bool:
        """Take content up to the next boundary, or as far as that can't have begun yet."""
        at = self._buffer.find(self._between)
        if at < 0:
            self._take(max(0, len(self._buffer) - len(self._between) + 1))
            return False
        self._take(at)
        self._is_file = False
        del self._buffer[: len(self._between)]
        self._step = self._after_boundary
        return True

    def _after_boundary(self) -> bool:
        """See whether that was the last boundary, or headers of a field follow."""
        if self._buffer.startswith(b"--"):
            self._step = self._after_last
            return True
        at = self._buffer.find(_LINE)
        if at < 0 and len(self._buffer) <= _PADDING_BYTES_MAX:
            return False
        if at < 0 or self._buffer[:at].strip(b" \t"):
            raise RequestMalformed("A boundary of the form is followed by something else.")
        self._take(at)
        self._step = self._in_headers
        return True

    def _in_headers(self) -> bool:
        """Read what a field is; the line's end that stands first closes the boundary's line."""
        at = self._buffer.find(_LINE + _LINE)
        if max(at, 0) > HEADER_BYTES_MAX or (at < 0 and len(self._buffer) > HEADER_BYTES_MAX):
            raise RequestMalformed("A field of the form has too large a head.")
        if at < 0:
            return False
        headers = bytes(self._buffer[len(_LINE) : at])
        self._take(at + len(_LINE) + len(_LINE))
        self._begin_field(headers)
        self._step = self._in_content
        return True

    def _after_last(self) -> bool:
        self._take(len(self._buffer))
        return False

    def _begin_field(self, raw: bytes) -> None:
        self._fields += 1
        if self._fields > FIELDS_MAX:
            raise RequestMalformed("The form has too many fields.")
        headers = BytesHeaderParser().parsebytes(raw)
        if headers.get_content_disposition() != "form-data":
            raise RequestMalformed("A field of the form is none.")
        self._is_file = headers.get_param("name", header="content-disposition") == FIELD
        if not self._is_file:
            return
        if self._had_file:
            raise RequestMalformed(f"The form has the field {FIELD} twice.")
        if str(headers.get("content-transfer-encoding", "")).strip().lower() not in _AS_THEY_ARE:
            raise RequestMalformed("The file in the form is encoded; send it as it is.")
        self._had_file = True

    def _take(self, size: int) -> None:
        """Pass over the first bytes, which are the file's or count with all that is not."""
        if self._is_file:
            self._found.append(bytes(self._buffer[:size]))
        else:
            self._other_bytes += size
            if self._other_bytes > OTHER_BYTES_MAX:
                raise RequestMalformed("The form holds too much beside the file.")
        del self._buffer[:size]

    def _check_end(self) -> None:
        if self._step != self._after_last:
            raise RequestMalformed("The form ends before its last boundary.")
        if not self._had_file:
            raise RequestMalformed(f"The form has no field {FIELD}.")
