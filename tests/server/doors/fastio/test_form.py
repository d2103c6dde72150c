"""The file in a form comes out as it went in, however it is cut, and a form costs no memory."""

import asyncio
import random
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.server.doors.fastio.form import (
    FIELDS_MAX,
    HEADER_BYTES_MAX,
    OTHER_BYTES_MAX,
    FormFile,
)
from doorward.server.problems import RequestMalformed

BOUNDARY = b"b0undary"
DELIMITER = b"--" + BOUNDARY
SOME_BYTES = "y" * (HEADER_BYTES_MAX // 3)


def field(name: str, content: bytes, more: str = "", padding: bytes = b"") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return DELIMITER + padding + b"\r\n" + head.encode() + content + b"\r\n"


def form(*fields: bytes) -> bytes:
    return b"".join(fields) + DELIMITER + b"--\r\n"


def read(*parts: bytes) -> bytes:
    """Send a form in these parts, and give what comes of its file."""
    messages = iter(
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    )

    async def receive():
        return next(messages)

    async def all_of_it() -> bytes:
        file, found = FormFile(BOUNDARY, receive), b""
        while True:
            message = await file.receive()
            found += message["body"]
            if not message["more_body"]:
                return found

    return asyncio.run(all_of_it())


def cut(body: bytes, points) -> list[bytes]:
    points = sorted({0, len(body), *(point % (len(body) + 1) for point in points)})
    return [body[start:stop] for start, stop in pairwise(points)]


CONTENT = st.one_of(
    st.binary(max_size=200),
    # What looks like the end of the file, and is not.
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n--b0un", b"x"]),
        max_size=12,
    ).map(b"".join),
)


@settings(deadline=None)
@given(content=CONTENT, points=st.lists(st.integers(0, 999), max_size=8), more=st.booleans())
def test_the_file_is_what_was_sent_however_it_is_cut(content, points, more):
    before = [field("a", b"1")] if more else []
    after = [field("z", b"2", padding=b" \t")] if more else []
    body = form(*before, field("file", content, '; filename="a.txt"'), *after)

    assert read(*cut(body, points)) == content


def test_byte_by_byte_it_is_the_same():
    content = random.Random(1).randbytes(500)
    body = form(field("file", content))

    assert read(*(body[at : at + 1] for at in range(len(body)))) == content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        DELIMITER,
        DELIMITER + b"--",
        form(),
        form(field("other", b"1")),
        form(field("file", b"1"))[:-4],
        form(field("file", b"1"))[:-6],
        field("file", b"1"),
        b"no form at all",
        form(field("file", b"1"), field("file", b"2")),
        form(field("file", b"1", "\r\nContent-Transfer-Encoding: base64")),
        form(field("file", b"1", "\r\ncontent-transfer-encoding:QUOTED-printable")),
        form(field("other", b"1", '\r\nContent-Disposition: form-data; name="file"')),
        form(DELIMITER + b"\r\n\r\n1\r\n"),
        form(DELIMITER + b'\r\nContent-Disposition: attachment; name="file"\r\n\r\n1\r\n'),
        form(DELIMITER + b'x\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n'),
        form(DELIMITER + b" " * 100),
        form(field("a", b'1; name="file"', '; filename="x; name=\\"file\\""')),
    ],
)
def test_what_is_no_form_with_one_file_is_refused(body):
    with pytest.raises(RequestMalformed):
        read(body)
    if body:
        with pytest.raises(RequestMalformed):
            read(*(body[at : at + 1] for at in range(len(body))))


def test_a_last_boundary_needs_no_line_after_it():
    assert read(form(field("file", b"1"))[:-2]) == b"1"


@pytest.mark.parametrize(
    "body",
    [
        form(*(field("a", b"") for _ in range(FIELDS_MAX)), field("file", b"1")),
        form(field("a", b"x" * OTHER_BYTES_MAX), field("file", b"1")),
        form(field("file", b"1"), field("a", b"x" * OTHER_BYTES_MAX)),
        form(field("file", b"1")) + b"x" * (OTHER_BYTES_MAX + 1),
        b"\r\n" * (OTHER_BYTES_MAX // 2) + form(field("file", b"1")),
        form(field("a", b""), field("file", b"1", padding=b" " * OTHER_BYTES_MAX)),
        form(field("file", b"1", "; x=" + "y" * HEADER_BYTES_MAX)),
        form(field("file", b"1", f"\r\nA: {SOME_BYTES}\r\nB: {SOME_BYTES}\r\nC: {SOME_BYTES}")),
        form(field("file", b"1", "".join(f"\r\nX-{n}: 1" for n in range(8)))),
    ],
    ids=["fields", "before", "after", "epilogue", "preamble", "padding", "line", "head", "headers"],
)
def test_what_is_not_the_file_is_bounded(body):
    with pytest.raises(RequestMalformed):
        read(body)
    with pytest.raises(RequestMalformed):
        read(*cut(body, range(0, len(body), 1000)))


@pytest.mark.parametrize("encoding", ["binary", " 7BIT", "8bit \t", ""])
def test_an_encoding_that_leaves_the_bytes_as_they_are_is_none(encoding):
    more = f"\r\ncontent-transfer-encoding:{encoding}"

    assert read(form(field("file", b"1", more))) == b"1"


def test_all_that_is_not_the_file_may_come_up_to_the_bounds():
    head = "; x=" + "y" * (HEADER_BYTES_MAX - 100)
    others = [field("a", b"x" * 1000, head) for _ in range(6)]
    others += [field("a", b"") for _ in range(FIELDS_MAX - 7)]

    assert read(form(*others, field("file", b"1"))) == b"1"


def test_what_is_no_form_writes_nothing_into_the_log(caplog):
    """Whoever has a ticket could fill the disk with it."""
    with pytest.raises(RequestMalformed):
        read(DELIMITER + b"x")

    assert caplog.records == []


@pytest.mark.parametrize("endless", [b"x" * 1000, b"\r\n", b"-", DELIMITER + b"\r\n", b"A: b\r\n"])
@pytest.mark.parametrize("begun", [b"", DELIMITER, DELIMITER + b"\r\n", field("a", b"")[:-2]])
def test_a_form_without_end_is_refused_while_it_comes(begun, endless):
    sent = 0

    async def receive():
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": endless if sent > 1 else begun, "more_body": True}

    async def all_of_it():
        file = FormFile(BOUNDARY, receive)
        while True:
            await file.receive()

    with pytest.raises(RequestMalformed):
        asyncio.run(all_of_it())
    assert sent * len(endless) < 3 * OTHER_BYTES_MAX


def test_a_large_file_is_passed_on_and_not_kept():
    sent = 0

    async def receive():
        nonlocal sent
        sent += 1
        body = field("file", b"")[:-2] if sent == 1 else b"x" * 65_536
        return {"type": "http.request", "body": body, "more_body": True}

    async def some_of_it():
        file, found = FormFile(BOUNDARY, receive), 0
        for _ in range(100):
            found += len((await file.receive())["body"])
        return found

    tracemalloc.start()
    try:
        assert asyncio.run(some_of_it()) > 99 * 65_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
