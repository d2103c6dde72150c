import pytest

from doorward.clerk.configuration import (
    ClerkOptions,
    from_environment,
    parties_from_environment,
)
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.jwks import PemKey, RemoteKeys


def mistakes_of(**options) -> list[str]:
    with pytest.raises(ConfigurationError) as refusal:
        ClerkOptions(**options).key_source(lambda: 0.0)
    return refusal.value.mistakes


def test_a_pasted_key_wins_over_an_address_and_an_address_over_a_secret(issuer):
    secret, url = "sk_test_your_key_here", "https://clerk.example.com/jwks"

    def source(**options):
        return ClerkOptions(**options).key_source(lambda: 0.0)

    assert isinstance(
        source(jwt_key=issuer.public_key_pem, jwks_url=url, secret_key=secret), PemKey
    )
    assert source(jwks_url=url, secret_key=secret)._url == url
    by_secret = source(secret_key=secret)
    assert isinstance(by_secret, RemoteKeys)
    assert by_secret._url == "https://api.clerk.com/v1/jwks"
    here = source(secret_key=secret, api_url="http://127.0.0.1:8041/")
    assert here._url == "http://127.0.0.1:8041/v1/jwks"


def test_nothing_to_verify_with_says_what_to_set_and_where_it_is():
    (mistake,) = mistakes_of()

    for word in (
        "CLERK_JWT_KEY",
        "CLERK_SECRET_KEY",
        "CLERK_JWKS_URL",
        "dashboard",
        "doorward dev",
    ):
        assert word in mistake


def test_every_mistake_is_named_at_once():
    found = mistakes_of(
        secret_key="pk_test_swapped",
        jwt_key="garbage",
        jwks_url="clerk.example.com",
        api_url="ftp://x",
        publishable_key="sk_test_swapped",
        clock_skew=float("nan"),
        authorized_parties=["https://app.example.com/login"],
    )

    words = "secret_key jwks_url api_url publishable_key clock_skew authorized_parties jwt_key"
    assert [next(w for w in words.split() if w in mistake) for mistake in found] == words.split()
    assert "a publishable key" in found[0]
    assert "something else" in mistakes_of(secret_key="whsec_x")[0]


def test_a_mistake_never_shows_a_secret():
    secret = "sx_live_0123456789abcdef"

    with pytest.raises(ConfigurationError) as refusal:
        ClerkOptions(secret_key=secret, jwt_key=secret).key_source(lambda: 0.0)

    assert secret not in str(refusal.value)
    assert secret not in repr(ClerkOptions(secret_key=secret))


def test_names_are_taken_as_one_or_several():
    one = ClerkOptions(audience="api", issuer=["a", "b"], authorized_parties=None).rules()

    assert one.audience == {"api"}
    assert one.issuer == {"a", "b"}
    assert one.authorized_parties == frozenset()


def test_the_environment_is_read_and_each_value_may_come_from_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("sk_test_from_file\n")

    found = from_environment(
        {"CLERK_SECRET_KEY_FILE": str(file), "CLERK_JWKS_URL": " https://x.example ", "OTHER": "1"}
    )

    assert found == {"secret_key": "sk_test_from_file", "jwks_url": "https://x.example"}
    assert parties_from_environment({"CLERK_AUTHORIZED_PARTIES": "a, b,,"}) == ("a", "b")
    assert parties_from_environment({}) == ()


def test_a_value_that_is_set_twice_or_can_not_be_read_is_a_mistake(tmp_path):
    with pytest.raises(ConfigurationError) as refusal:
        from_environment(
            {
                "CLERK_SECRET_KEY": "sk_test_x",
                "CLERK_SECRET_KEY_FILE": "/x",
                "CLERK_JWT_KEY_FILE": str(tmp_path / "missing"),
            }
        )

    assert len(refusal.value.mistakes) == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("jwks_url", "http://["),
        ("api_url", "https://[x"),
        ("authorized_parties", ["http://[x"]),
    ],
)
def test_an_address_without_form_is_a_mistake_like_others(option, value):
    options = {"secret_key": "sk_test_x"} | {option: value}

    assert len(mistakes_of(**options)) == 1
