"""The pytest plugin, as a stranger's test-suite uses it: in a pytest of its own."""

import pytest

pytest_plugins = ["pytester"]

APPLICATION = """
from typing import Annotated
from fastapi import Depends, FastAPI
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from doorward.fastapi import ClerkAuth, ClerkWebhook, Event, Principal

revocations = Revocations(MemoryState())
clerk = ClerkAuth(revocation=revocations)
app = FastAPI()

@app.post("/webhooks/clerk")
async def webhook(event: Annotated[Event, Depends(ClerkWebhook())]):
    await revocations.apply(event)

@app.get("/me")
async def me(who: Annotated[Principal, Depends(clerk.required)]):
    return {"user": who.user_id, "admin": who.has(role="org:admin"), "x": who.claims.get("x")}
"""

TESTS = """
import httpx2
import pytest
from fastapi.testclient import TestClient
from application import app

def test_somebody(signed_in):
    client = TestClient(app)
    assert client.get("/me").status_code == 401
    alice = signed_in(client, "alice", org="acme", role="org:admin", claims={"x": 1})
    assert alice.user_id == "user_alice"
    assert client.get("/me").json() == {"user": "user_alice", "admin": True, "x": 1}
    signed_in(client, "bob")
    assert client.get("/me").json() == {"user": "user_bob", "admin": False, "x": None}

kept = TestClient(app)

def test_signing_in(signed_in):
    signed_in(kept)
    assert kept.get("/me").status_code == 200

def test_does_not_outlive_its_test():
    assert kept.get("/me").status_code == 401

@pytest.mark.parametrize("ttl", [60, -60])
def test_tokens_for_anything_else(signed_in, ttl):
    token = signed_in(TestClient(app)).token(ttl=ttl)
    answer = kept.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == (200 if ttl > 0 else 401)

def test_webhooks_are_signed(signed_in, clerk_webhook):
    client = TestClient(app)
    dave = signed_in(client, "dave")
    assert client.get("/me").status_code == 200
    ended = clerk_webhook("session.ended", {"id": dave.session.id, "user_id": dave.user_id})
    assert client.post("/webhooks/clerk", **ended).status_code == 200
    assert client.get("/me").status_code == 401
    ended["content"] += b" "
    assert client.post("/webhooks/clerk", **ended).status_code == 400

def test_a_client_of_asyncio(signed_in):
    import asyncio

    async def ask():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            signed_in(client, "carol")
            return (await client.get("/me")).json()["user"]

    assert asyncio.run(ask()) == "user_carol"
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """A project whose developer has a real key in the environment, which must not be used."""
    monkeypatch.setenv("CLERK_SECRET_KEY", "sk_test_of_the_developer")
    pytester.makepyfile(application=APPLICATION, test_application=TESTS)
    return pytester


def test_people_are_signed_in_for_an_application_that_reads_its_settings_at_import(suite):
    suite.makeini("[pytest]\ndoorward_standin = true")

    suite.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=7)


def test_without_the_setting_the_stand_in_is_there_for_whoever_asks(suite):
    suite.makepyfile(
        test_application="""
        def test_settings(clerk_standin):
            import os
            assert "CLERK_SECRET_KEY" not in os.environ
            from doorward.fastapi import ClerkAuth
            assert ClerkAuth()
            assert clerk_standin.mint("alice").count(".") == 2
        """
    )

    suite.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
