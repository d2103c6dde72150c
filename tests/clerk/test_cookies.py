"""Clerk's cookies: read as browsers send them, chosen as Clerk's own SDK chooses."""

import json
from base64 import urlsafe_b64encode

import pytest

from doorward.clerk.cookies import SessionCookies, read_cookies, session_cookies
from doorward.clerk.publishable import PublishableKey
from support import NOON

DEVELOPMENT = PublishableKey.parse("pk_test_ZXhhbXBsZS5hY2NvdW50cy5kZXYk")
PRODUCTION = PublishableKey.parse("pk_live_ZXhhbXBsZS5hY2NvdW50cy5kZXYk")
OURS = f"https://{DEVELOPMENT.frontend_api}"


def token(**claims) -> str:
    """A token whose signature nobody looks at here."""
    parts = ({"alg": "RS256"}, {"iss": OURS, "iat": 100, "exp": NOON + 60} | claims)
    encoded = [urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*encoded, "AAAA"])


def chosen(key, plain=None, plain_uat=None, suffixed=None, suffixed_uat=None) -> str:
    given = {
        "__session": plain,
        "__client_uat": plain_uat,
        f"__session_{key.cookie_suffix}": suffixed,
        f"__client_uat_{key.cookie_suffix}": suffixed_uat,
    }
    cookies = {name: value for name, value in given.items() if value is not None}
    return session_cookies(cookies, key, NOON).token


PLAIN, SUFFIXED = token(sub="plain"), token(sub="suffixed")


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"plain": token(iss=None), "suffixed": SUFFIXED, "suffixed_uat": "5"}, "plain"),
        ({"plain": "garbage", "suffixed": SUFFIXED, "suffixed_uat": "5"}, "plain"),
        ({"plain": token(iss="https://b.example"), "suffixed": SUFFIXED}, "suffixed"),
        ({"plain": token(iss=7), "suffixed": SUFFIXED}, "suffixed"),
        ({"plain": PLAIN, "plain_uat": "5"}, "plain"),
        (
            {
                "plain": token(iat=200),
                "plain_uat": "5",
                "suffixed": SUFFIXED,
                "suffixed_uat": "5",
            },
            "plain",
        ),
        ({"plain": PLAIN, "plain_uat": "5", "suffixed_uat": "0", "suffixed": SUFFIXED}, "plain"),
        (
            {
                "plain": PLAIN,
                "plain_uat": "0",
                "suffixed": token(exp=NOON),
                "suffixed_uat": "5",
            },
            "plain",
        ),
        ({"plain": PLAIN, "plain_uat": "0", "suffixed": SUFFIXED, "suffixed_uat": "5"}, "suffixed"),
        ({"plain": PLAIN, "plain_uat": "0", "suffixed": SUFFIXED}, "plain"),
        ({"plain": PLAIN, "plain_uat": "5", "suffixed": SUFFIXED, "suffixed_uat": "5"}, "suffixed"),
        ({"suffixed": SUFFIXED, "suffixed_uat": "5"}, "suffixed"),
        ({"plain": token(iat="x"), "suffixed": SUFFIXED, "suffixed_uat": "5"}, "suffixed"),
    ],
)
def test_of_two_pairs_of_cookies_the_one_is_taken_that_clerk_takes(case, expected):
    assert chosen(DEVELOPMENT, **case) == case[expected]


def test_in_production_an_expired_suffixed_token_is_not_passed_over():
    expired = token(exp=NOON)

    found = chosen(PRODUCTION, PLAIN, "0", expired, "5")
    assert found == expired


def test_without_a_publishable_key_only_the_plain_cookies_count():
    cookies = {"__session": "a", "__client_uat": "7", "__session_x": "b"}

    assert session_cookies(cookies, None, NOON) == SessionCookies("a", 7)


def test_cookies_are_read_as_browsers_send_them():
    headers = [
        (b"cookie", b'a=1; __session="x%2Ey" ; a=2; a[b]=1; =no; alone; c={"d":1}'),
        (b"other", b"__session=z"),
        (b"cookie", b"__client_uat=5"),
    ]

    assert read_cookies(headers) == {
        "a": "1",
        "__session": "x.y",
        "a[b]": "1",
        "c": '{"d":1}',
        "__client_uat": "5",
    }


def test_an_encoded_semicolon_makes_no_cookie():
    assert read_cookies([(b"cookie", b"a=1%3B__session=x")]) == {"a": "1;__session=x"}


def test_of_many_escapes_only_the_first_are_decoded_since_no_token_has_any():
    cookies = read_cookies([(b"cookie", b"a=%41; b=" + b"%41" * 5000 + b"; c=%41; d=plain")])

    assert cookies == {"a": "A", "b": "%41" * 5000, "c": "%41", "d": "plain"}
