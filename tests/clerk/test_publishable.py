"""Publishable keys and their cookie suffixes: vectors seen with Clerk's own SDK."""

import pytest

from doorward.clerk.publishable import PublishableKey, PublishableKeyInvalid

LIVE = "pk_live_Y2xlcmsuaW5zcGlyZWQucHVtYS03NC5sY2wuZGV2JA"
TEST = "pk_test_ZXhhbXBsZS5hY2NvdW50cy5kZXYk"


@pytest.mark.parametrize(
    ("text", "frontend_api", "production"),
    [(LIVE, "clerk.inspired.puma-74.lcl.dev", True), (TEST, "example.accounts.dev", False)],
)
def test_a_key_names_its_frontend_api(text, frontend_api, production):
    key = PublishableKey.parse(text)

    assert (key.frontend_api, key.production) == (frontend_api, production)
    assert key.jwks_url == f"https://{frontend_api}/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "1Z8AzTQD"),
        ("pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "QvfNY2dr"),
        ("pk_test_ZW5vdWdoLWFscGFjYS04Mi5jbGVyay5hY2NvdW50cy5sY2xjbGVyay5jb20k", "jtYvyt_H"),
        (LIVE, "MqCvchyS"),
        (LIVE.replace("live", "test"), "vWCgMp3A"),
    ],
)
def test_the_cookie_suffix_is_clerks(text, suffix):
    assert PublishableKey.parse(text).cookie_suffix == suffix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk_test_Y2xlcmsuY2xlcmsuZGV2JA",
        "pk_test_",
        "pk_test_%%%",
        "pk_test_Y2xlcmsuY2xlcmsuZGV2",  # no dollar sign
        "pk_test_YSRiLmMk",  # two of them
        "pk_test_bG9jYWxob3N0JA",  # no dot
        "pk_test_/w==",
    ],
)
def test_what_is_no_publishable_key_is_refused(text):
    with pytest.raises(PublishableKeyInvalid):
        PublishableKey.parse(text)
