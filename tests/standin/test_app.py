import httpx2
import pytest
from starlette.testclient import TestClient

from doorward.clerk.jwks import PemKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from doorward.standin import StandinRefused, ensure_loopback
from doorward.standin.app import BODY_BYTES_MAX, create_app
from support import NOON


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


@pytest.mark.parametrize("seconds", [0, -1, True, "60", 1e9, 1.5])
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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jwks"),
        ("GET", "/v1/sessions/{}"),
        ("POST", "/v1/sessions/{}/revoke"),
        ("POST", "/v1/sessions/{}/tokens"),
    ],
)
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer ", "{}", "Basic {}", "Bearer {}x", "Bearer  {}"]
)
def test_without_the_secret_nothing_is_told_or_done(client, issuer, method, path, authorization):
    session = issuer.sign_in("alice")
    given = {} if authorization is None else {"Authorization": authorization}
    headers = {name: value.format(issuer.secret_key) for name, value in given.items()}

    there, missing = (
        client.request(method, path.format(session_id), headers=headers)
        for session_id in (session.id, "sess_none")
    )

    assert (there.status_code, there.content) == (401, missing.content)
    assert issuer.session(session.id).status == "active"


def test_a_session_is_shown_as_clerk_shows_it(backend, issuer):
    session = issuer.sign_in("alice", org="acme")

    assert backend("GET", f"/v1/sessions/{session.id}").json() == {
        "object": "session",
        "id": session.id,
        "user_id": "user_alice",
        "client_id": f"client_{session.id.removeprefix('sess_')}",
        "actor": None,
        "status": "active",
        "last_active_organization_id": "org_acme",
        "last_active_at": NOON * 1000,
        "latest_activity": None,
        "expire_at": (NOON + 7 * 24 * 3600) * 1000,
        "abandon_at": (NOON + 30 * 24 * 3600) * 1000,
        "tasks": None,
        "created_at": NOON * 1000,
        "updated_at": NOON * 1000,
    }


def test_the_backend_api_gives_keys_and_tokens_in_clerks_form(backend, issuer):
    session = issuer.sign_in("alice")

    minted = backend("POST", f"/v1/sessions/{session.id}/tokens").json()

    assert backend("GET", "/v1/jwks").json() == issuer.jwks()
    assert minted.keys() == {"object", "jwt"}
    assert minted["object"] == "token"


def test_every_refusal_has_clerks_form_and_no_answer_is_kept_by_a_cache(client):
    for path in ("/v1/jwks", "/none"):
        answer = client.get(path)
        (error,) = answer.json()["errors"]
        assert error.keys() == {"message", "long_message", "code"}
        assert answer.headers["cache-control"] == "no-store"
    assert sign_in(client).headers["cache-control"] == "no-store"


def test_no_answer_shows_the_secret_or_the_private_key(client, backend, issuer):
    answers = [client.get("/"), client.get("/.well-known/jwks.json"), client.get("/v1/jwks")]
    answers += [sign_in(client), backend("GET", "/v1/jwks")]

    for answer in answers:
        assert issuer.secret_key not in answer.text
        assert "PRIVATE" not in answer.text
    assert not {"d", "p", "q"} & answers[-1].json()["keys"][0].keys()


@pytest.mark.parametrize("path", ["/dev/sessions", "/dev/sessions/{}/token"])
@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.1", {}),
        ("127.0.0.1", {"Host": "evil.example"}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"X-Forwarded-Host": "127.0.0.1:8041"}),
        ("127.0.0.1", {"Origin": "http://evil.example"}),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:3000"}),
    ],
)
def test_neither_a_sign_in_nor_a_fresh_token_is_given_elsewhere(issuer, path, peer, headers):
    session = issuer.sign_in("alice")
    client = TestClient(create_app(issuer), base_url="http://127.0.0.1:8041", client=(peer, 1))

    # The secret of the Backend API opens nothing here either.
    known = {"Authorization": f"Bearer {issuer.secret_key}"}
    answer = client.post(path.format(session.id), json={"user": "mallory"}, headers=headers | known)

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "not_local"
    assert "jwt" not in answer.text


def test_a_fresh_token_is_of_the_same_session(client, issuer):
    made = sign_in(client, org="acme").json()

    fresh = client.post(f"/dev/sessions/{made['session_id']}/token").json()

    verifier = Verifier(PemKey(issuer.public_key_pem), Rules(), lambda: NOON)
    for token in (made["jwt"], fresh["jwt"]):
        claims = verifier.verify_sync(token)
        assert (claims.user_id, claims.session_id) == ("user_alice", made["session_id"])
        assert claims.organization.id == "org_acme"


def test_a_house_serves_its_stand_in_to_this_machine_alone(house):
    here, away = (
        TestClient(house.client.app, base_url="http://127.0.0.1:8040", client=(peer, 1))
        for peer in ("127.0.0.1", "192.0.2.1")
    )

    made = here.post("/standin/dev/sessions", json={"user": "alice"})
    refused = away.post("/standin/dev/sessions", json={"user": "alice"})

    signed_in = {"Authorization": f"Bearer {made.json()['jwt']}"}
    assert here.get("/api/v1/me", headers=signed_in).json()["user_id"] == "user_alice"
    assert refused.status_code == 403
