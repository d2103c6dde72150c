"""The pytest plugin, as a stranger's test-suite uses it: in a pytest of its own."""

import pytest

pytest_plugins = ["pytester"]

APPLICATION = """
from typing import Annotated
from fastapi import Depends, FastAPI
from doorward.fastapi import ClerkAuth, Principal

clerk = ClerkAuth()
app = FastAPI()

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

    suite.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=6)


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


HEARING = """
from typing import Annotated
from fastapi import Depends, FastAPI, HTTPException
from doorward.fastapi import ClerkAuth, ClerkWebhook, Principal
from doorward.webhooks import Event

clerk = ClerkAuth()
webhook = ClerkWebhook()
app = FastAPI()
heard = []

@app.post("/webhooks/clerk")
async def hear(event: Annotated[Event, Depends(webhook)]):
    heard.append(event.type)

def keyed():
    guarded, keys = FastAPI(), ClerkAuth(accepts=["api_key"])
    @guarded.get("/me")
    async def me(who: Annotated[Principal, Depends(keys.required)]):
        return {"user": who.user_id, "scopes": sorted(who.scopes)}
    return guarded
"""

HEARING_TESTS = """
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from doorward.fastapi import ClerkAuth
import hearing

def test_a_ban_is_heard_of(clerk_standin, clerk_webhooks):
    clerk_standin.sign_in("alice")
    deliver = clerk_webhooks(TestClient(hearing.app), "/webhooks/clerk")
    clerk_standin.ban("alice")
    assert [sent.status for sent in deliver()] == ["delivered", "delivered"]
    assert hearing.heard == ["session.revoked", "user.updated"]

def test_nothing_is_kept_for_the_next_test(clerk_standin, clerk_webhooks):
    assert clerk_standin.webhooks() == []
    clerk_webhooks(TestClient(hearing.app), "/none")
    clerk_standin.unban("alice")
    assert [sent.outcome for sent in clerk_standin.deliver(TestClient(hearing.app))] == ["404"]

def test_a_token_outlives_its_minute(signed_in, clerk_clock, clerk_standin):
    app = FastAPI()
    guard = ClerkAuth(now=lambda: clerk_standin.now)
    app.get("/", dependencies=[Depends(guard.required)])(lambda: "here")
    client = TestClient(app)
    headers = {"Authorization": f"Bearer {signed_in(client).token()}"}
    client.auth = None
    assert client.get("/", headers=headers).status_code == 200
    clerk_clock.advance(66)
    assert client.get("/", headers=headers).status_code == 401

def test_the_clock_is_back(clerk_clock, clerk_standin):
    assert clerk_standin.clock_offset == 0

def test_an_api_key_opens_until_it_is_revoked(clerk_standin, clerk_api):
    key = clerk_standin.create_api_key("alice", scopes=["files:read"])
    headers = {"Authorization": f"Bearer {key['secret']}"}
    with TestClient(hearing.keyed()) as client:
        answer = client.get("/me", headers=headers)
        assert answer.json() == {"user": "user_alice", "scopes": ["files:read"]}
        wrong = {"Authorization": headers["Authorization"][:-4] + "0000"}
        assert client.get("/me", headers=wrong).status_code == 401

def test_clerks_own_sdk_finds_the_api(clerk_standin, clerk_api):
    from clerk_backend_api import Clerk
    clerk_standin.sign_in("alice")
    with Clerk(bearer_auth=clerk_standin.secret_key, server_url=f"{clerk_api}/v1") as clerk:
        assert clerk.users.get(user_id="user_alice").first_name == "Alice"
"""


def test_webhooks_clock_and_api_are_there_for_a_test_and_gone_after_it(suite):
    suite.makeini("[pytest]\ndoorward_standin = true")
    suite.makepyfile(hearing=HEARING, test_application=HEARING_TESTS)

    result = suite.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=6)


def test_a_client_of_httpx_signs_in_like_one_of_httpx2(suite):
    suite.makeini("[pytest]\ndoorward_standin = true")
    suite.makepyfile(
        test_application="""
        import asyncio
        import httpx
        import pytest
        from application import app

        async def ask(signed_in):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                before = (await client.get("/me")).status_code
                signed_in(client, "carol")
                return before, (await client.get("/me")).json()["user"]

        def test_somebody(signed_in):
            assert asyncio.run(ask(signed_in)) == (401, "user_carol")
        """
    )

    suite.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
