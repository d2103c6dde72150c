from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from doorward.server.links.model import Direction
from doorward.server.links.urls import Presented, UrlSigner
from doorward.server.problems import (
    LinkExpired,
    LinkInvalid,
    UploadUrlExpired,
    UploadUrlInvalid,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIGNER = UrlSigner("https://files.example.com", b"s" * 32)


BEFORE = NOON - timedelta(hours=1)


def upload_at(url, **changed):
    parts = urlsplit(url)
    found = Presented.of_upload(parts.path.rpartition("/")[2], parts.query.encode())
    return replace(found, **changed)


def download_at(url, **changed):
    parts = urlsplit(url)
    found = Presented.of_download(parts.path.rpartition("/")[2], parts.query.encode())
    return replace(found, **changed)


UPLOAD = upload_at(SIGNER.upload_url("up_1", "link_1", NOON))
DOWNLOAD = download_at(SIGNER.download_url("link_1", NOON))


@pytest.mark.parametrize(("url", "expired"), [(UPLOAD, UploadUrlExpired), (DOWNLOAD, LinkExpired)])
def test_a_signed_url_is_good_until_the_second_it_expires(url, expired):
    SIGNER.check(url, now=NOON - timedelta(microseconds=1))
    with pytest.raises(expired):
        SIGNER.check(url, now=NOON)


@pytest.mark.parametrize(
    "changed",
    [
        {"resource_id": "up_2"},
        {"link_id": "link_2"},
        {"expires": str(int(NOON.timestamp()) + 1)},
        {"direction": Direction.DOWNLOAD},
    ],
)
def test_no_part_of_an_upload_url_can_be_changed(changed):
    with pytest.raises((UploadUrlInvalid, LinkInvalid)):
        SIGNER.check(replace(UPLOAD, **changed), now=BEFORE)


@pytest.mark.parametrize(
    "changed",
    [
        {"link_id": "link_2"},
        {"expires": str(int(NOON.timestamp()) + 1)},
        {"direction": Direction.UPLOAD},
    ],
)
def test_no_part_of_a_download_url_can_be_changed(changed):
    with pytest.raises((UploadUrlInvalid, LinkInvalid)):
        SIGNER.check(replace(DOWNLOAD, **changed), now=BEFORE)


@pytest.mark.parametrize("signature", ["", "x", "é", "A" * 43, "\ud800"])
def test_a_signature_of_any_other_form_is_refused(signature):
    with pytest.raises(LinkInvalid):
        SIGNER.check(replace(DOWNLOAD, signature=signature), now=BEFORE)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"expires=1",
        b"expires=1&signature=a&signature=b",
        b"expires=1&signature=a&" + b"&".join(b"x%d=1" % n for n in range(20)),
    ],
)
def test_a_query_of_any_other_form_is_refused(query):
    with pytest.raises(LinkInvalid):
        Presented.of_download("link_1", query)


def test_another_secret_signs_nothing_here():
    other = UrlSigner(SIGNER.base, b"t" * 32)

    with pytest.raises(LinkInvalid):
        SIGNER.check(download_at(other.download_url("link_1", NOON)), now=BEFORE)


def test_the_signer_does_not_show_its_secret():
    assert "sss" not in repr(SIGNER)
