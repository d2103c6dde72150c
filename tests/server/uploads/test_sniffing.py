import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.uploads.sniffing import HEAD_BYTES, contradiction, sniffed

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
GIF = b"GIF89a\1\0\1\0"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
PDF = b"%PDF-1.7\n"
ZIP = b"PK\3\4\x14\0"
GZIP = b"\x1f\x8b\x08\0"
WINDOWS = b"MZ\x90\0\3\0\0\0"
ELF = b"\x7fELF\2\1\1\0"
SCRIPT = b"#!/bin/sh\necho\n"
PAGE = b"<!DOCTYPE html><p>"


@pytest.mark.parametrize(
    ("declared", "head"),
    [
        ("image/png", PNG),
        ("IMAGE/PNG; x=y", PNG),
        ("image/jpg", JPEG),
        ("image/gif", GIF),
        ("image/webp", WEBP),
        ("application/pdf", PDF),
        ("application/pdf", b"\n\n" + PDF),
        ("application/zip", ZIP),
        ("application/x-gzip", GZIP),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP),
        ("application/octet-stream", WINDOWS),
        ("application/x-msdownload", WINDOWS),
        ("text/x-shellscript", SCRIPT),
        ("text/html", PAGE),
        ("text/plain", PAGE),
        ("text/plain", b"MZ is how this text begins"),
        ("image/svg+xml", b"<?xml version='1.0'?><svg>"),
        ("video/mp4", b"\0\0\0\x18ftypmp42"),
        ("audio/mpeg", b"ID3\4"),
        ("image/png", b""),
        ("image/x-raw", b"anything"),
    ],
)
def test_what_may_be_what_was_declared_passes(declared, head):
    assert contradiction(declared, head) is None


@pytest.mark.parametrize("declared", ["image/png", "image/jpeg", "image/x-raw", "video/mp4"])
@pytest.mark.parametrize(
    "head",
    [
        WINDOWS,
        ELF,
        SCRIPT,
        PAGE,
        b"  \n<html>",
        b"\xef\xbb\xbf<HTML>",
        b"<!-- x --><script>",
        b"<!--><!-- y -->\t<body onload=1>",
        b"\xca\xfe\xba\xbe\0\0\0\2",
        ZIP,
    ],
)
def test_a_page_a_program_or_an_archive_is_no_picture_and_no_film(declared, head):
    assert contradiction(declared, head) is not None


@pytest.mark.parametrize(
    "declared", ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"]
)
def test_a_type_that_is_always_shown_must_be_shown(declared):
    assert contradiction(declared, b"not at all") is not None


@pytest.mark.parametrize("declared", ["text/plain", "text/html", "application/pdf"])
def test_a_program_is_no_text_and_no_document(declared):
    assert contradiction(declared, ELF) is not None


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_get_an_answer(head):
    sniffed(head)
    contradiction("image/png", head)


@pytest.mark.parametrize("unit", [b"<!--", b"<!---->", b" ", b"<"])
def test_no_bytes_make_the_look_slow(unit):
    head = (unit * HEAD_BYTES)[:HEAD_BYTES]
    began = time.perf_counter()
    for _ in range(100):
        sniffed(head)

    assert time.perf_counter() - began < 1
