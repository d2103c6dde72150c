"""Signed URLs are those that AWS's own library makes."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore import auth as aws
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.store.blobs.sigv4 import Signer

WHEN = datetime(2013, 5, 24, tzinfo=UTC)
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(autouse=True)
def at_that_time(monkeypatch):
    monkeypatch.setattr(aws, "get_current_datetime", lambda *_, **__: WHEN)


def theirs(method, address, query, headers, life, token=None):
    request = AWSRequest(method, address, headers=headers, params=query)
    aws.S3SigV4QueryAuth(Credentials(KEY, SECRET, token), "s3", "us-east-1", life).add_auth(request)
    return request.url


def parts(url):
    split = urlsplit(url)
    return split.netloc, split.path, sorted(split.query.split("&"))


def test_the_published_example_is_signed_as_published():
    address = "https://examplebucket.s3.amazonaws.com/test.txt"

    url = Signer("us-east-1", KEY, SECRET).presigned(
        "GET", address, {}, at=WHEN, life_seconds=86400
    )

    published = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    assert url.endswith(f"&X-Amz-Signature={published}")


names = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=9)


@given(
    query=st.dictionaries(
        names, st.text(max_size=9).map(lambda t: t.encode(errors="replace").decode()), max_size=4
    ),
    life=st.integers(1, 604_800),
    token=st.none() | names,
    checked=st.booleans(),
)
def test_any_request_is_signed_as_the_library_signs_it(query, life, token, checked):
    headers = {"x-amz-checksum-mode": "ENABLED"} if checked else {}
    address = "http://127.0.0.1:9000/bucket/some/20260921/blob_abc"

    url = Signer("us-east-1", KEY, SECRET, token).presigned(
        "PUT", address, query, at=WHEN, life_seconds=life, headers=headers
    )

    assert parts(url) == parts(theirs("PUT", address, query, headers, life, token))


def test_a_signer_does_not_show_its_key():
    assert SECRET not in repr(Signer("us-east-1", KEY, SECRET, "token"))
