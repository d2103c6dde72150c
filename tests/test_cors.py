"""CORS that follows from the guard, asked as a browser asks."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette

from doorward.asgi import ClerkMiddleware
from doorward.cors import add_cors, cors
from doorward.fastapi import ClerkAuth, ConfigurationError, Principal
from support import NOON

PAGE = "https://app.example.com"
ELSEWHERE = "https://evil.example"
ALLOWED = "access-control-allow-origin"


def auth_of(issuer, **options) -> ClerkAuth:
    options = {"authorized_parties": [PAGE]} | options
    return ClerkAuth(jwt_key=issuer.public_key_pem, now=lambda: NOON, **options)


@pytest.fixture
def auth(issuer) -> ClerkAuth:
    return auth_of(issuer)


def application(auth, *, cors_first: bool) -> FastAPI:
    app = FastAPI()
    if cors_first:
        auth.add_cors(app)
    app.add_middleware(ClerkMiddleware, auth=auth, exclude=["/broken"])

    @app.get("/me")
    async def me(who: Annotated[Principal, Depends(auth.required)]):
        return who.user_id

    @app.get("/broken")
    async def broken():
        raise ZeroDivisionError

    if not cors_first:
        auth.add_cors(app)
    return app


@pytest.fixture(params=[True, False], ids=["before the guard", "after the guard"])
def client(request, auth):
    app = application(auth, cors_first=request.param)
    return TestClient(app, raise_server_exceptions=False)


def preflight(client, origin=PAGE, method="GET", headers="authorization"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return client.options("/me", headers={"Origin": origin} | asked)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_is_answered_without_a_credential(client, method):
    answer = preflight(client, method=method)

    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == PAGE
    assert method in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", f"{PAGE}.evil.example", "http://" + PAGE])
def test_another_sites_page_may_read_nothing(client, issuer, origin):
    token = issuer.mint("alice", azp=PAGE)
    headers = {"Origin": origin, "Authorization": f"Bearer {token}"}

    assert preflight(client, origin).status_code == 400
    for answer in (preflight(client, origin), client.get("/me", headers=headers)):
        assert ALLOWED not in answer.headers


def test_an_answer_can_be_read_by_the_page(client, issuer):
    token = issuer.mint("alice", azp=PAGE)
    answer = client.get("/me", headers={"Origin": PAGE, "Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()) == (200, "user_alice")
    assert answer.headers[ALLOWED] == PAGE
    assert "Origin" in answer.headers["vary"]


def test_a_refusal_can_be_read_by_the_page_with_its_reason(client):
    answer = client.get("/me", headers={"Origin": PAGE})
    readable = answer.headers["access-control-expose-headers"].lower().split(", ")

    assert answer.status_code == 401
    assert answer.headers[ALLOWED] == PAGE
    for name in ("www-authenticate", "x-clerk-auth-status", "x-clerk-auth-reason"):
        assert name in readable
        assert name in answer.headers
    assert "retry-after" in readable


def test_an_error_of_the_application_can_be_told_from_a_refusal_by_cors(client):
    answer = client.get("/broken", headers={"Origin": PAGE})

    assert answer.status_code == 500
    assert answer.headers[ALLOWED] == PAGE


def test_cookies_go_along_only_where_they_are_read(issuer):
    named = "access-control-allow-credentials"
    without = TestClient(application(auth_of(issuer, cookies=False), cors_first=True))

    reading = TestClient(application(auth_of(issuer), cors_first=True))

    assert preflight(reading).headers[named] == "true"
    assert named not in preflight(without).headers
    assert named not in without.get("/me", headers={"Origin": PAGE}).headers


def test_more_headers_are_let_through_by_name(auth):
    app = FastAPI()
    auth.add_cors(app, headers=["X-Request-ID"], expose=["X-Total"])
    client = TestClient(app)

    asked = preflight(client, headers="authorization, x-request-id")
    answered = client.get("/", headers={"Origin": PAGE})

    assert asked.status_code == 200
    assert "X-Total" in answered.headers["access-control-expose-headers"]
    assert preflight(client, headers="x-other").status_code == 400


@pytest.mark.parametrize("parties", [(), ["*"], ["com.example.app"]])
def test_without_an_origin_among_the_parties_nothing_is_opened(issuer, parties):
    auth = auth_of(issuer, authorized_parties=parties)

    with pytest.raises(ConfigurationError, match="CLERK_AUTHORIZED_PARTIES"):
        auth.add_cors(FastAPI())
    with pytest.raises(ConfigurationError):
        cors(FastAPI(), auth)


def test_a_star_among_origins_opens_nothing_to_everybody(issuer):
    app = FastAPI()
    auth_of(issuer, authorized_parties=["*", PAGE]).add_cors(app)

    assert ALLOWED not in preflight(TestClient(app), ELSEWHERE).headers


def test_it_can_not_be_added_too_late(auth):
    app = FastAPI()
    TestClient(app).get("/")

    with pytest.raises(RuntimeError, match="served a request"):
        auth.add_cors(app)


def test_starlette_and_a_bare_application_have_it_too(auth):
    app = Starlette()
    add_cors(app, auth)
    bare = cors(ClerkMiddleware(Starlette(), auth), auth)

    assert preflight(TestClient(app)).status_code == 200
    assert preflight(TestClient(bare)).status_code == 200
    assert TestClient(bare).get("/", headers={"Origin": PAGE}).headers[ALLOWED] == PAGE
