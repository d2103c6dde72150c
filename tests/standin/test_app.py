import httpx2
import pytest
from starlette.testclient import TestClient

from doorward.clerk.jwks import PemKey
from doorward.clerk.tokens import Rules
from doorward.clerk.verifier import Verifier
from doorward.standin import StandinRefused, ensure_loopback
from doorward.standin.app import BODY_BYTES_MAX, create_app
from support import NOON

LOCAL = {"host": "127.0.0.1:8041"}


@pytest.fixture
def client(issuer):
    with TestClient(
        create_app(issuer), base_url="http://127.0.0.1:8041", client=("127.0.0.1", 50000)
    ) as client:
        yield client


@pytest.fixture
def backend(issuer, client):
    def call(method, path, **more):
        headers = {"Authorization": f"Bearer {issuer.secret_key}"}
        return client.request(method, path, headers=headers, **more)

    return call


def sign_in(client, headers=None, **body):
    return client.post("/dev/sessions", json={"user": "alice"} | body, headers=headers or {})


def test_anybody_may_read_the_keys_and_what_this_is(client, issuer):
    assert client.get("/.well-known/jwks.json").json() == issuer.jwks()
    assert "Never expose it" in client.get("/").json()["warning"]


@pytest.mark.parametrize("path", ["/v1/jwks", "/v1/sessions/sess_1"])
@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer sk_test_other"}])
def test_the_backend_api_takes_the_secret_key_and_says_so_as_clerk_does(client, path, given):
    answer = client.get(path, headers=given)

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "clerk_key_invalid"


def test_a_session_is_read_minted_from_and_revoked(client, backend, issuer):
    made = sign_in(client, org="acme", role="org:admin", permissions=["org:a:b"]).json()
    session = f"/v1/sessions/{made['session_id']}"

    assert backend("GET", session).json() | {"user_id": "user_alice", "status": "active"} == (
        backend("GET", session).json()
    )
    assert backend("GET", session).json()["created_at"] == NOON * 1000
    minted = backend("POST", f"{session}/tokens", json={"expires_in_seconds": 30}).json()
    verifier = Verifier(PemKey(issuer.public_key_pem), Rules(), lambda: NOON)
    claims = verifier.verify_sync(minted["jwt"])
    assert claims.organization.permissions == ("org:a:b",)
    assert claims["exp"] == NOON + 30

    assert backend("POST", f"{session}/revoke").json()["status"] == "revoked"
    assert backend("POST", f"{session}/tokens").status_code == 404
    assert client.post(f"/dev/sessions/{made['session_id']}/token").status_code == 404


def test_what_is_not_there_is_not_found_in_clerks_form(backend):
    for path in ("/v1/sessions/sess_unknown", "/v1/nothing", "/v1/sessions/..%2fjwks"):
        answer = backend("GET", path)
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["code"] == "resource_not_found"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example:8041"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_a_page_a_rebound_name_and_a_proxy_do_not_sign_in(client, headers):
    assert sign_in(client, headers).status_code == 403


def test_another_machine_does_not_sign_in(issuer):
    away = TestClient(create_app(issuer), base_url="http://127.0.0.1", client=("192.0.2.1", 1))

    assert sign_in(away).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8041", "localhost:8041", "[::1]:8041", "127.0.0.1"])
def test_a_tool_on_this_machine_signs_in(client, host):
    assert sign_in(client, {"Host": host}).status_code == 201
    assert sign_in(client, {"Host": host, "Origin": f"http://{host}"}).status_code == 201


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 9999, 400),
        (b" " * (BODY_BYTES_MAX + 1), 413),
        (b"{}", 422),
        (b'{"user": 5}', 422),
        (b'{"user": "a b"}', 422),
        (b'{"user": "alice", "permissions": "x"}', 422),
        (b'{"user": "alice", "permissions": [1]}', 422),
    ],
)
def test_a_body_of_another_form_is_refused(client, content, status):
    assert client.post("/dev/sessions", content=content).status_code == status


@pytest.mark.parametrize("seconds", [0, -1, True, "60", 1e9, None])
def test_a_life_that_is_no_number_of_seconds_is_refused(client, backend, seconds):
    made = sign_in(client).json()

    path = f"/v1/sessions/{made['session_id']}/tokens"
    assert backend("POST", path, json={"expires_in_seconds": seconds}).status_code == 422


def test_it_never_listens_where_others_reach_it():
    for host in ("0.0.0.0", "192.0.2.1", "::", "no-such-host.invalid"):  # noqa: S104
        with pytest.raises(StandinRefused) as refusal:
            ensure_loopback(host)
        assert "stand-in" in str(refusal.value)
    for host in ("127.0.0.1", "localhost", "::1"):
        ensure_loopback(host)


def test_below_a_path_it_answers_the_same(issuer):
    below = TestClient(create_app(issuer, "/standin"), base_url="http://127.0.0.1")

    assert below.get("/standin/.well-known/jwks.json").json() == issuer.jwks()
    assert isinstance(below.get("/standin/"), httpx2.Response)
