from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from doorward.server.problems import UploadUrlExpired, UploadUrlInvalid
from doorward.server.uploads.urls import UrlSigner

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIGNER = UrlSigner("https://files.example.com", b"s" * 32)


def parts_of(url):
    query = parse_qs(urlsplit(url).query)
    return urlsplit(url).path.rpartition("/")[2], query["expires"][0], query["signature"][0]


def test_a_signed_url_is_good_until_the_second_it_expires():
    parts = parts_of(SIGNER.url("up_1", NOON))

    SIGNER.check(*parts, now=NOON - timedelta(microseconds=1))
    with pytest.raises(UploadUrlExpired):
        SIGNER.check(*parts, now=NOON)


def test_a_url_is_good_for_no_other_upload():
    _, expires, signature = parts_of(SIGNER.url("up_1", NOON))

    with pytest.raises(UploadUrlInvalid):
        SIGNER.check("up_2", expires, signature, now=NOON - timedelta(hours=1))


def test_the_expiry_can_not_be_moved():
    upload_id, expires, signature = parts_of(SIGNER.url("up_1", NOON))

    with pytest.raises(UploadUrlInvalid):
        SIGNER.check(upload_id, str(int(expires) + 1), signature, now=NOON - timedelta(hours=1))


@pytest.mark.parametrize("signature", ["", "x", "é", "A" * 43, "\ud800"])
def test_a_signature_of_any_other_form_is_refused(signature):
    with pytest.raises(UploadUrlInvalid):
        SIGNER.check("up_1", str(int(NOON.timestamp())), signature, now=NOON)


def test_another_secret_signs_nothing_here():
    other = UrlSigner(SIGNER.base, b"t" * 32)

    with pytest.raises(UploadUrlInvalid):
        SIGNER.check(*parts_of(other.url("up_1", NOON)), now=NOON - timedelta(hours=1))


def test_the_signer_does_not_show_its_secret():
    assert "sss" not in repr(SIGNER)
