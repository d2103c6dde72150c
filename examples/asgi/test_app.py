"""The application as a client meets it, over ASGI and without a server."""

import asyncio

import httpx2
import pytest

from app import app


@pytest.fixture
def get(signed_in):
    """Ask as somebody, or as nobody."""

    def get(path, user=None, **sign_in):
        async def ask():
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
                if user:
                    signed_in(client, user, **sign_in)
                return await client.get(path)

        return asyncio.run(ask())

    return get


def test_anybody_may_ask_whether_it_is_healthy(get):
    assert get("/healthz").json() == {"healthy": True}


def test_everything_else_is_for_people_who_are_signed_in(get):
    assert get("/me").status_code == 401
    assert get("/nowhere").status_code == 401
    assert get("/nowhere", "alice").status_code == 404
    assert get("/me", "alice", org="acme").json() == {
        "user": "user_alice",
        "organization": "org_acme",
    }


def test_only_admins_see_the_report(get):
    assert get("/report", "bob", org="acme").status_code == 403
    assert get("/report", "alice", org="acme", role="org:admin").json() == {"only": "admins"}
