import asyncio
import time

import pytest

import doorward
from doorward.clerk.auth import ClerkAuth
from doorward.clerk.refusals import NotAuthenticated
from doorward.standin import Standin


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """One whose time is now: ``verify_token`` has no other clock."""
    return Standin.open(tmp_path_factory.mktemp("now"), clock=time.time)


def test_one_token_is_verified_by_a_pasted_key(standin):
    claims = doorward.verify_token(standin.mint("alice"), jwt_key=standin.public_key_pem)

    assert claims.user_id == "user_alice"


def test_the_rules_are_taken_as_texts_or_lists(standin):
    token = standin.mint("alice", claims={"aud": "api"}, azp="https://app.example.com")

    claims = doorward.verify_token(
        token,
        jwt_key=standin.public_key_pem,
        authorized_parties=["https://app.example.com"],
        audience="api",
        issuer=[standin.issuer],
    )

    assert claims["aud"] == "api"


def test_a_refusal_carries_clerks_word(standin):
    with pytest.raises(doorward.TokenVerificationError) as refusal:
        doorward.verify_token(standin.mint("alice", ttl=-60), jwt_key=standin.public_key_pem)

    assert refusal.value.reason == "token-expired"


def test_without_a_key_the_environment_is_read(standin, monkeypatch):
    monkeypatch.setenv("CLERK_JWT_KEY", standin.public_key_pem)

    async def verify():
        return await doorward.verify_token_async(standin.mint("alice"))

    assert asyncio.run(verify()).user_id == "user_alice"


def test_the_parties_of_the_environment_count_where_its_key_does(standin, monkeypatch):
    monkeypatch.setenv("CLERK_JWT_KEY", standin.public_key_pem)
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", "https://app.example.com")
    ours, theirs = (
        standin.mint("alice", azp=f"https://{name}.example.com") for name in ("app", "other")
    )

    assert doorward.verify_token(ours).user_id == "user_alice"
    for given in ({}, {"authorized_parties": None}):
        with pytest.raises(doorward.TokenVerificationError) as refusal:
            doorward.verify_token(theirs, **given)
        assert refusal.value.reason == "token-invalid-authorized-parties"
        with pytest.raises(doorward.TokenVerificationError):
            asyncio.run(doorward.verify_token_async(theirs, **given))
    for given in ({"authorized_parties": []}, {"jwt_key": standin.public_key_pem}):
        assert doorward.verify_token(theirs, **given).user_id == "user_alice"


@pytest.mark.parametrize("token", [None, b"a.b.c", 5, ["a.b.c"]])
def test_what_is_no_text_is_no_token(standin, token):
    async def guarded():
        return await ClerkAuth(jwt_key=standin.public_key_pem).verify(token)

    with pytest.raises(doorward.TokenVerificationError) as refusal:
        doorward.verify_token(token, jwt_key=standin.public_key_pem)
    with pytest.raises(NotAuthenticated) as refused:
        asyncio.run(guarded())

    assert refusal.value.reason == refused.value.reason == "token-invalid"
