"""@clerk/backend, unmodified, judges what the stand-in signs as it judges what Clerk signs."""

import httpx2
import pytest

from standin.sdk.processes import SdkRefused

ORIGIN = "http://127.0.0.1:3000"


def authenticate(backend, token, *, questions=(), **options):
    return backend.ask(
        operation="authenticateRequest",
        headers={"Authorization": f"Bearer {token}"},
        options=options,
        questions=list(questions),
    )


def test_a_session_token_is_verified_by_the_key_alone(backend, standin):
    token = standin.mint("alice")

    claims = backend.ask(
        operation="verifyToken", token=token, options={"jwtKey": standin.public_key_pem}
    )

    assert claims["sub"] == "user_alice"


def test_a_session_token_is_verified_by_the_secret_key_over_the_stand_ins_jwks(backend, standin):
    token = standin.mint("alice")

    claims = backend.ask(
        operation="verifyToken", token=token, options={"secretKey": standin.secret_key}
    )

    assert claims["sub"] == "user_alice"


def test_another_secret_key_gets_no_keys(backend, standin):
    options = {"secretKey": "sk_test_another", "skipJwksCache": True}

    with pytest.raises(SdkRefused) as refused:
        backend.ask(operation="verifyToken", token=standin.mint("alice"), options=options)

    assert refused.value.reason == "secret-key-invalid"


def test_another_stand_ins_token_is_none_of_ours(backend, standin, stranger):
    with pytest.raises(SdkRefused) as refused:
        backend.ask(
            operation="verifyToken",
            token=stranger.mint("alice", ttl=10**9),
            options={"jwtKey": standin.public_key_pem},
        )

    assert refused.value.reason == "token-invalid-signature"


@pytest.mark.parametrize("version", [1, 2])
def test_a_request_carries_user_organization_role_and_permissions(backend, standin, version):
    token = standin.mint(
        "alice",
        org="acme",
        role="org:admin",
        permissions=["org:files:share", "org:files:read", "org:billing:read"],
        version=version,
    )
    questions = [
        {"role": "org:admin"},
        {"role": "org:member"},
        {"permission": "org:files:share"},
        {"permission": "org:billing:share"},
    ]

    state = authenticate(backend, token, questions=questions)

    assert state["status"] == "signed-in"
    auth = state["auth"]
    assert (auth["userId"], auth["orgId"], auth["orgRole"]) == (
        "user_alice",
        "org_acme",
        "org:admin",
    )
    assert auth["orgSlug"] == "acme"
    assert auth["has"] == [True, False, True, False]


def test_a_request_of_another_party_is_signed_out(backend, standin):
    token = standin.mint("alice", azp="http://127.0.0.1:9999")

    state = authenticate(backend, token, authorizedParties=[ORIGIN])

    assert (state["status"], state["reason"]) == (
        "signed-out",
        "token-invalid-authorized-parties",
    )


def test_a_pending_session_is_signed_out(backend, standin):
    token = standin.mint("alice", claims={"sts": "pending"})

    state = authenticate(backend, token)

    assert state["auth"]["userId"] is None
    assert state["auth"]["sessionStatus"] == "pending"


def test_nobody_is_signed_out(backend):
    state = backend.ask(operation="authenticateRequest", headers={"Accept": "application/json"})

    assert (state["status"], state["isAuthenticated"]) == ("signed-out", False)


def by_cookies(backend, cookies, **headers):
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return backend.ask(operation="authenticateRequest", headers={"Cookie": text} | headers)


@pytest.fixture
def signed_in(dev):
    """The cookies of a browser in which Alice is signed in."""
    with httpx2.Client() as browser:
        browser.post(f"{dev.url}/sign-in", data={"user": "alice"})
        return dict(browser.cookies)


def test_a_request_by_cookies_is_signed_in(backend, signed_in):
    assert by_cookies(backend, signed_in)["auth"]["userId"] == "user_alice"


@pytest.mark.parametrize("suffixed", [True, False])
def test_either_pair_of_cookies_is_enough(backend, signed_in, suffixed):
    plain = {"__session", "__client_uat", "__clerk_db_jwt"}
    some = {name: value for name, value in signed_in.items() if (name not in plain) is suffixed}

    assert by_cookies(backend, some)["status"] == "signed-in"


def test_cookies_without_the_time_of_a_sign_in_are_signed_out(backend, signed_in):
    some = {name: value for name, value in signed_in.items() if "uat" not in name}

    state = by_cookies(backend, some)

    assert (state["status"], state["reason"]) == (
        "signed-out",
        "session-token-but-no-client-uat",
    )
