import pytest

from doorward.identity.credentials import (
    AuthorizationMalformed,
    CredentialShape,
    bearer_token,
    shape_of,
)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_scheme_is_case_insensitive(scheme):
    assert bearer_token([(b"authorization", scheme + b" abc")]) == b"abc"


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Basic abc")], [(b"x", b"y")]])
def test_without_a_bearer_header_there_is_no_token(headers):
    assert bearer_token(headers) is None


@pytest.mark.parametrize(
    "value", [b"Bearer", b"Bearer ", b"Bearer  abc", b"Bearer a b", b"Bearer a\tb"]
)
def test_a_bearer_header_of_another_form_is_an_error_and_not_nobody(value):
    with pytest.raises(AuthorizationMalformed):
        bearer_token([(b"authorization", value)])


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"abc", b"abc"),
        (b"Bearer abc", b"abc"),
        (b"bearer abc", b"abc"),
        (b"Bearer abc junk", b"abc"),
        (b"Basic abc", None),
        (b"Bearer", b"Bearer"),
        (b"", None),
    ],
)
def test_a_token_may_lack_its_scheme_or_be_followed_by_something_where_clerk_takes_it(value, token):
    headers = [(b"authorization", value)]

    assert bearer_token(headers, exactly=False) == token
    if token not in {None, b"abc"} or value in {b"abc", b"Bearer abc junk"}:
        assert _exactly(headers) is None


def _exactly(headers):
    try:
        return bearer_token(headers)
    except AuthorizationMalformed:
        return None


def test_two_spaces_leave_no_token_however_it_is_read():
    for exactly in (True, False):
        with pytest.raises(AuthorizationMalformed):
            bearer_token([(b"authorization", b"Bearer  abc")], exactly=exactly)


def test_two_headers_are_an_error_since_parties_on_the_way_may_read_different_ones():
    with pytest.raises(AuthorizationMalformed):
        bearer_token([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        (b"eyJhbGciOi.e30.x", CredentialShape.SESSION),
        (b"mt_abc", CredentialShape.M2M),
        (b"oat_abc", CredentialShape.OAUTH),
        (b"ak_abc", CredentialShape.API_KEY),
        (b"AK_abc", CredentialShape.SESSION),
        (b"", CredentialShape.SESSION),
    ],
)
def test_the_shape_tells_the_kind(token, shape):
    assert shape_of(token) is shape
