"""What a type checker knows of the pytest plugin; read by mypy and pyright, never run."""

from collections.abc import Callable
from typing import assert_type

from fastapi import FastAPI
from fastapi.testclient import TestClient

from doorward.standin import Session, Standin
from doorward.testing import SignIn


def test_of_an_integrator(signed_in: Callable[..., SignIn], clerk_standin: Standin) -> None:
    client = TestClient(FastAPI())
    auth = signed_in(client, "alice", org="acme", role="org:admin")
    assert_type(auth, SignIn)
    assert_type(auth.user_id, str)
    assert_type(auth.token(ttl=5), str)
    assert_type(auth.session, Session)
    assert_type(clerk_standin.mint("bob", ttl=60, claims={"plan": "pro"}), str)
    assert_type(clerk_standin.sign_in("bob"), Session)
    assert_type(clerk_standin.revoke("sess_1"), bool)
