"""@clerk/backend, unmodified, makes and judges machine credentials over the stand-in."""

import pytest

from standin.sdk.processes import SdkRefused

CLASSES = ["api_key", "m2m_token", "m2m_token jwt", "oauth_token", "oauth_token jwt"]


def authenticate(backend, token, accepts="any"):
    return backend.ask(
        operation="authenticateRequest",
        headers={"Authorization": f"Bearer {token}"},
        options={"acceptsToken": accepts},
    )


def refusal(backend, method, *args):
    with pytest.raises(SdkRefused) as told:
        backend.call(method, *args)
    return told.value.status


@pytest.fixture
def machine(backend):
    return backend.call("machines.create", {"name": "worker"})


@pytest.fixture
def token_of(standin):
    """A credential of a class, and whom it stands for."""

    def make(kind):
        name, _, jwt = kind.partition(" ")
        form = {"token_format": "jwt"} if jwt else {}
        if name == "api_key":
            made = standin.create_api_key("alice", scopes=["notes:read"])
            return made["secret"], made["subject"]
        if name == "m2m_token":
            made = standin.create_machine_token(standin.create_machine("one")["id"], **form)
            return made["token"], made["subject"]
        made = standin.create_oauth_token("alice", scopes=["profile"], **form)
        return made["access_token"], "user_alice"

    return make


@pytest.mark.parametrize("kind", CLASSES)
def test_a_machine_credential_is_taken_as_what_it_is(backend, token_of, kind):
    token, subject = token_of(kind)

    for accepts in ("any", kind.split()[0]):
        state = authenticate(backend, token, accepts)
        assert state["isAuthenticated"], state
        assert state["tokenType"] == kind.split()[0]
        assert state["auth"]["subject"] == subject


@pytest.mark.parametrize("kind", CLASSES)
def test_a_machine_credential_is_no_session(backend, token_of, kind):
    token, _ = token_of(kind)

    state = authenticate(backend, token, "session_token")

    assert not state["isAuthenticated"]


def test_a_session_is_no_machine_credential(backend, standin):
    state = authenticate(backend, standin.mint("alice"), "api_key")

    assert (state["isAuthenticated"], state["reason"]) == (False, "token-type-mismatch")


@pytest.mark.parametrize("made_up", ["ak_made_up", "mt_made_up", "oat_made_up"])
def test_a_credential_that_nobody_made_is_refused(backend, made_up):
    state = authenticate(backend, made_up)

    assert not state["isAuthenticated"]
    assert "token-invalid" in state["message"]


def test_an_api_key_lives_from_create_to_revoke(backend, standin):
    user_id = standin.sign_in("grace").user_id
    made = backend.call(
        "apiKeys.create",
        {"name": "deploy", "subject": user_id, "scopes": ["notes:read"], "claims": {"team": "a"}},
    )
    auth = authenticate(backend, made["secret"])["auth"]
    assert (auth["userId"], auth["scopes"], auth["claims"]) == (
        user_id,
        ["notes:read"],
        {"team": "a"},
    )
    assert backend.call("apiKeys.getSecret", made["id"])["secret"] == made["secret"]
    (listed,) = backend.call("apiKeys.list", {"subject": user_id})["data"]
    assert listed["id"] == made["id"]
    changed = backend.call(
        "apiKeys.update", {"apiKeyId": made["id"], "subject": user_id, "description": "for CI"}
    )
    assert changed["description"] == "for CI"

    gone = backend.call("apiKeys.revoke", {"apiKeyId": made["id"], "revocationReason": "leaked"})

    assert (gone["revoked"], gone["revocationReason"]) == (True, "leaked")
    assert not authenticate(backend, made["secret"])["isAuthenticated"]
    assert backend.call("apiKeys.delete", made["id"])["deleted"]
    assert refusal(backend, "apiKeys.get", made["id"]) == 404


def test_a_machine_makes_its_own_tokens_with_its_own_secret(backend, machine):
    key = {"machineSecretKey": machine["secretKey"]}
    made = backend.call(
        "m2m.createToken", key | {"secondsUntilExpiration": 600, "claims": {"job": 7}}
    )

    found = backend.call("m2m.verify", {"token": made["token"]})
    assert (found["subject"], found["claims"]) == (machine["id"], {"job": 7})
    backend.call("m2m.revokeToken", {"m2mTokenId": made["id"]})

    assert refusal(backend, "m2m.verify", {"token": made["token"]}) == 404
    assert not authenticate(backend, made["token"])["isAuthenticated"]


def test_a_token_in_the_form_of_a_jwt_verifies_itself(backend, machine):
    key = {"machineSecretKey": machine["secretKey"]}

    made = backend.call("m2m.createToken", key | {"tokenFormat": "jwt"})

    assert backend.call("m2m.verify", {"token": made["token"]})["subject"] == machine["id"]


def test_a_secret_that_was_rotated_makes_no_more_tokens(backend, machine):
    rotated = backend.call(
        "machines.rotateSecretKey", {"machineId": machine["id"], "previousTokenTtl": 0}
    )

    assert refusal(backend, "m2m.createToken", {"machineSecretKey": machine["secretKey"]}) == 401
    made = backend.call("m2m.createToken", {"machineSecretKey": rotated["secret"]})
    assert made["subject"] == machine["id"]


def test_a_machine_verifies_only_the_tokens_that_are_meant_for_it(backend, machine):
    other = backend.call("machines.create", {"name": "other"})
    token = backend.call("m2m.createToken", {"machineSecretKey": machine["secretKey"]})["token"]
    asked = {"machineSecretKey": other["secretKey"], "token": token}
    assert refusal(backend, "m2m.verify", asked) == 404

    backend.call("machines.createScope", machine["id"], other["id"])
    later = backend.call("m2m.createToken", {"machineSecretKey": machine["secretKey"]})["token"]

    assert backend.call("m2m.verify", asked | {"token": later})["subject"] == machine["id"]


def test_an_oauth_token_says_whose_it_is_and_for_what(backend, standin):
    token = standin.create_oauth_token("alice", scopes=["profile", "email"])["access_token"]

    found = backend.call("idPOAuthAccessToken.verify", token)

    assert (found["subject"], found["scopes"]) == ("user_alice", ["profile", "email"])
