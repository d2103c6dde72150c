"""Thumbnails: small pictures of images, and nothing at all of what only says to be one."""

import io
import os
import struct
import sys
import zlib

import pytest
from PIL import Image

from doorward.server.doors.images.cache import ThumbnailCache
from support import problem


def picture(kind="PNG", size=(400, 200), mode="RGB", **options):
    made = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(made, kind, **options)
    return made.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side):
    """A PNG of a few kilobytes that says to be ``side`` by ``side`` pixels of nothing."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    line = bytes(side + 1)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def thumbnail_of(alice, content, kind="image/png", **query):
    file = alice.upload(alice.home(), "picture", content, content_type=kind)
    return alice.get(f"files/{file['id']}/thumbnail", params=query)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_an_image_comes_small_and_in_its_shape(alice, kind):
    answer = thumbnail_of(alice, picture(kind), f"image/{kind.lower()}", size=64)

    small = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "image/webp"
    assert (small.format, small.size) == ("WEBP", (64, 32))
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_photo_stands_upright(alice):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter

    answer = thumbnail_of(alice, picture("JPEG", exif=exif), "image/jpeg", size=64)

    assert Image.open(io.BytesIO(answer.content)).size == (32, 64)


def test_what_is_clear_stays_clear(alice):
    clear = io.BytesIO()
    Image.new("RGBA", (90, 90), (255, 0, 0, 0)).save(clear, "PNG")

    small = Image.open(io.BytesIO(thumbnail_of(alice, clear.getvalue()).content))

    assert small.mode == "RGBA"
    assert small.getpixel((1, 1))[3] == 0


def test_a_known_thumbnail_is_not_sent_again(alice):
    file = alice.upload(alice.home(), "a.png", picture(), content_type="image/png")
    path = f"files/{file['id']}/thumbnail"
    tag = alice.get(path).headers["etag"]

    assert alice.call("GET", path, headers={"If-None-Match": tag}).status_code == 304


def test_a_thumbnail_is_made_once(alice, house):
    file = alice.upload(alice.home(), "a.png", picture(), content_type="image/png")
    path = f"files/{file['id']}/thumbnail"
    first = alice.get(path)
    for stored in house.stored_files():
        stored.unlink()

    assert alice.get(path).content == first.content


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "image/svg+xml"),
        (b"%PDF-1.7", "application/pdf"),
        (picture("BMP"), "image/bmp"),
        (picture("TIFF"), "image/tiff"),
        (b"", "image/png"),
    ],
)
def test_what_no_decoder_here_takes_is_unsupported(alice, content, kind):
    assert problem(thumbnail_of(alice, content, kind)) == (415, "image_unsupported")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture("TIFF"), "image/png"),
        (b"GIF", "image/gif"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png"),
    ],
)
def test_what_only_says_that_it_is_an_image_comes_to_no_decoder(alice, house, content, kind):
    declared = alice.declare(alice.home(), "a", len(content), content_type=kind).json()

    assert problem(house.send(declared["url"], content)) == (415, "media_type_refused")


EMPTY = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def png_that_says(width, height):
    """A PNG without a pixel of those it announces."""
    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    )


@pytest.mark.parametrize(
    "content",
    [picture()[:-200], png_that_says(9, 9) + EMPTY, bomb(7000), png_that_says(1 << 30, 9) + EMPTY],
    ids=["cut", "empty", "bomb", "vast"],
)
def test_a_hostile_image_is_refused_and_nothing_else_happens(alice, content):
    assert problem(thumbnail_of(alice, content)) == (422, "image_invalid")
    assert thumbnail_of(alice, picture()).status_code == 200


def test_an_image_that_never_ends_is_given_up(alice, monkeypatch, tmp_path):
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    program = (sys.executable, "-I", str(slow))
    monkeypatch.setattr("doorward.server.doors.images.thumbnails._PROGRAM", program)
    monkeypatch.setattr("doorward.server.doors.images.thumbnails._SECONDS_MAX", 0.3)

    assert problem(thumbnail_of(alice, picture())) == (422, "image_invalid")


def test_an_image_that_was_found_bad_is_not_read_again(alice, monkeypatch, tmp_path):
    readings = tmp_path / "readings"
    program = (sys.executable, "-I", "-c", f"open({str(readings)!r}, 'a').write('one ')")
    monkeypatch.setattr("doorward.server.doors.images.thumbnails._PROGRAM", program)
    file = alice.upload(alice.home(), "picture", picture(), content_type="image/png")

    for _ in range(3):
        answer = alice.get(f"files/{file['id']}/thumbnail")
        assert problem(answer) == (422, "image_invalid")

    assert readings.read_text() == "one "


def test_a_crowd_that_asks_for_thumbnails_is_told_to_come_again(alice, monkeypatch):
    file = alice.upload(alice.home(), "picture", picture(), content_type="image/png")
    monkeypatch.setattr("doorward.server.doors.images.thumbnails._ASKED_AT_ONCE_MAX", 0)

    crowded = alice.get(f"files/{file['id']}/thumbnail")

    assert problem(crowded) == (429, "too_many_requests")
    assert crowded.headers["retry-after"] == "5"


def test_the_reader_of_images_can_take_no_more_memory_than_it_may(alice, monkeypatch):
    monkeypatch.setattr("doorward.server.doors.images.thumbnails.PIXELS_MAX", 1 << 40)

    assert problem(thumbnail_of(alice, bomb(30_000))) == (422, "image_invalid")


def test_another_workspace_does_not_see_a_thumbnail(alice, bob):
    file = alice.upload(alice.home(), "a.png", picture(), content_type="image/png")
    bob.home()

    assert problem(bob.get(f"files/{file['id']}/thumbnail")) == (404, "file_not_found")


def test_the_folder_of_thumbnails_keeps_to_its_bound(tmp_path):
    cache = ThumbnailCache(tmp_path / "kept", bytes_max=250)
    for number, key in enumerate("abc"):
        cache.put(key, bytes(100))
        os.utime(tmp_path / "kept" / key, (number, number))
    cache.get("a")

    cache.trim()

    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
