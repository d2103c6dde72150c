"""@clerk/backend, unmodified, over the stand-in's Backend API: what it asks is done and shown."""

import pytest

from standin.sdk.processes import SdkRefused


def test_a_session_is_read_and_revoked(backend, standin):
    session = standin.sign_in("alice")

    assert backend.call("sessions.getSession", session.id)["status"] == "active"
    assert backend.call("sessions.revokeSession", session.id)["status"] == "revoked"
    assert standin.session(session.id).status == "revoked"


def test_a_sessions_token_is_made_and_verified(backend, standin):
    session = standin.sign_in("alice", org="acme", role="admin")

    made = backend.call("sessions.getToken", session.id)
    claims = backend.ask(
        operation="verifyToken",
        token=made["jwt"],
        options={"jwtKey": standin.public_key_pem},
    )

    assert claims["sid"] == session.id


def test_a_session_that_is_not_there_is_not_found(backend):
    with pytest.raises(SdkRefused) as refused:
        backend.call("sessions.getSession", "sess_none")

    assert refused.value.status == 404
    assert refused.value.codes == ["resource_not_found"]
