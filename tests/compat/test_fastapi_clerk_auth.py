"""An application written for ``fastapi-clerk-auth``, with nothing changed but the import."""

import asyncio
import inspect
import json
import re
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from doorward.clerk.errors import TokenVerificationError
from doorward.compat.fastapi_clerk_auth import (
    ClerkConfig,
    ClerkHTTPBearer,
    HTTPAuthorizationCredentials,
)
from support import NOON, Clock

FORBIDDEN = (403, {"detail": "Forbidden"})
TEMPLATE = {"cat": "cl_B7d4PD222AAA"}
MACHINE = {"cat": "cl_B7d4PD333AAA"}
OAUTH = {"typ": "at+jwt"}
PARTY = "https://app.example.com"


class Jwks:
    """A JWKS address on this machine, somebody else's, that remembers what it was asked."""

    def __init__(self, *issuers):
        self.keys = [issuer.jwks()["keys"][0] for issuer in issuers]
        self.status = 200
        self.asked = []
        self.in_flight = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.waited_in_vain = False
        self.url = ""

    def answer(self, headers) -> bytes:
        self.asked.append(headers)
        self.in_flight.set()
        self.waited_in_vain |= not self.may_answer.wait(timeout=20)
        return json.dumps({"keys": self.keys}).encode()

    @contextmanager
    def served(self):
        jwks = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = jwks.answer(self.headers)
                with suppress(ConnectionError):  # whoever asked may have gone
                    self.send_response(jwks.status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield self
            server.shutdown()
            thread.join()


@pytest.fixture
def jwks(issuer):
    with Jwks(issuer).served() as served:
        yield served


@pytest.fixture
def guard(jwks, clock):
    """Make a guard as an application does; what ClerkConfig does not know goes to the guard."""

    def guard(**given) -> ClerkHTTPBearer:
        config = {name: given.pop(name) for name in list(given) if name in ClerkConfig.model_fields}
        return ClerkHTTPBearer(ClerkConfig(jwks_url=jwks.url, **config), now=clock, **given)

    return guard


def application(guard) -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(
        request: Request,
        who: Annotated[HTTPAuthorizationCredentials | None, Depends(guard)],
    ):
        held = getattr(request.state, "clerk_auth", None)
        return {"who": who and who.model_dump(), "in_state": held is not None and held is who}

    @app.get("/open")
    async def anybody():
        return {}

    @app.websocket("/socket")
    async def socket(
        websocket: WebSocket, who: Annotated[HTTPAuthorizationCredentials, Depends(guard)]
    ):
        await websocket.accept()
        await websocket.send_json(who.decoded["sub"])
        await websocket.close()

    return app


def ask(guard, token=None, *, header=None):
    header = header if header is not None else f"Bearer {token}" if token is not None else None
    headers = {"Authorization": header} if header is not None else {}
    return TestClient(application(guard)).get("/me", headers=headers)


def verdict(guard, token=None, *, header=None):
    """Give the status and the body, the decoded payload alone for a token that was taken."""
    answer = ask(guard, token, header=header)
    if answer.status_code != 200:
        return answer.status_code, answer.json()
    who = answer.json()["who"]
    return 200, who and who["decoded"]


def claims(**more) -> dict:
    body = {"sub": "user_1", "sid": "sess_1", "iat": int(NOON), "exp": int(NOON) + 60} | more
    return {name: value for name, value in body.items() if value is not ...}


def refusal_of(guard, token) -> str | None:
    """Give the reason that debug mode lets through, None for a token that was taken."""
    guard.debug_mode = True
    try:
        ask(guard, token)
    except TokenVerificationError as refusal:
        return refusal.reason.value
    return None


# What is there


def test_the_parameters_and_their_defaults_are_those_of_the_original():
    parameters = list(inspect.signature(ClerkHTTPBearer).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert [(p.name, p.default) for p in positional] == [
        ("config", inspect.Parameter.empty),
        ("bearerFormat", None),
        ("scheme_name", None),
        ("description", None),
        ("auto_error", True),
        ("add_state", False),
        ("debug_mode", False),
    ]
    extra = parameters[len(positional) :]
    assert {p.kind for p in extra} == {inspect.Parameter.KEYWORD_ONLY}
    assert inspect.Parameter.empty not in {p.default for p in extra}


def test_the_configuration_has_the_fields_and_defaults_of_the_original():
    assert ClerkConfig(jwks_url="https://a.example.com").model_dump() == {
        "jwks_url": "https://a.example.com",
        "audience": None,
        "issuer": None,
        "verify_exp": True,
        "verify_aud": False,
        "verify_iss": False,
        "verify_iat": True,
        "jwks_cache_keys": False,
        "jwks_max_cached_keys": 16,
        "jwks_cache_set": True,
        "jwks_lifespan": 300,
        "jwks_headers": None,
        "jwks_client_timeout": 30,
        "leeway": 0,
    }


def test_the_configuration_describes_itself_as_the_original_does():
    described = ClerkConfig.model_json_schema()["properties"]
    optional_text = [{"type": "string"}, {"type": "null"}]

    assert described["jwks_url"] == {"title": "Jwks Url", "type": "string"}
    assert described["audience"] == {
        "anyOf": optional_text,
        "default": None,
        "title": "Audience",
    }
    assert described["jwks_headers"] == {
        "anyOf": [{"additionalProperties": True, "type": "object"}, {"type": "null"}],
        "default": None,
        "title": "Jwks Headers",
    }
    assert described["jwks_lifespan"] == {
        "default": 300,
        "title": "Jwks Lifespan",
        "type": "integer",
    }
    assert described["leeway"] == {"default": 0, "title": "Leeway", "type": "number"}


def test_the_credentials_describe_themselves_as_the_originals_do():
    described = HTTPAuthorizationCredentials.model_json_schema()

    assert described["properties"] == {
        "scheme": {"title": "Scheme", "type": "string"},
        "credentials": {"title": "Credentials", "type": "string"},
        "decoded": {
            "anyOf": [{"additionalProperties": True, "type": "object"}, {"type": "null"}],
            "default": None,
            "title": "Decoded",
        },
    }
    assert described["required"] == ["scheme", "credentials"]
    assert described["title"] == "HTTPAuthorizationCredentials"


def test_the_attributes_of_the_original_are_kept():
    config = ClerkConfig(jwks_url="https://a.example.com", audience="a", issuer="i")
    guard = ClerkHTTPBearer(config, None, None, None, False, True, True)  # noqa: FBT003

    assert isinstance(guard, HTTPBearer)
    assert guard.config is config
    assert (guard.jwks_url, guard.audience, guard.issuer) == ("https://a.example.com", "a", "i")
    assert (guard.auto_error, guard.add_state, guard.debug_mode) == (False, True, True)
    assert guard.jwks_client is not None


def test_openapi_is_the_same_json_as_the_originals():
    config = ClerkConfig(jwks_url="https://a.example.com")
    app = FastAPI()
    described = {"bearerFormat": "JWT", "scheme_name": "Clerk", "description": "A session token."}

    @app.get("/a", dependencies=[Depends(ClerkHTTPBearer(config=config))])
    async def plain(): ...

    @app.get("/b", dependencies=[Depends(ClerkHTTPBearer(config=config, **described))])
    async def named(): ...

    ok = {
        "200": {
            "description": "Successful Response",
            "content": {"application/json": {"schema": {}}},
        }
    }
    assert app.openapi() == {
        "openapi": "3.1.0",
        "info": {"title": "FastAPI", "version": "0.1.0"},
        "paths": {
            "/a": {
                "get": {
                    "summary": "Plain",
                    "operationId": "plain_a_get",
                    "responses": ok,
                    "security": [{"ClerkHTTPBearer": []}],
                }
            },
            "/b": {
                "get": {
                    "summary": "Named",
                    "operationId": "named_b_get",
                    "responses": ok,
                    "security": [{"Clerk": []}],
                }
            },
        },
        "components": {
            "securitySchemes": {
                "ClerkHTTPBearer": {"type": "http", "scheme": "bearer"},
                "Clerk": {
                    "type": "http",
                    "description": "A session token.",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                },
            }
        },
    }


# Who gets in, and what everybody else is told


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "garbage", " x"])
def test_without_a_bearer_token_nobody_gets_in(guard, header):
    answer = ask(guard(), header=header)

    assert (answer.status_code, answer.json()) == FORBIDDEN
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "garbage", " x"])
def test_without_auto_error_the_result_is_none_where_no_bearer_token_came(guard, header):
    answer = ask(guard(auto_error=False, add_state=True), header=header)

    assert (answer.status_code, answer.json()) == (200, {"who": None, "in_state": False})


@pytest.mark.parametrize("auto_error", [True, False])
def test_a_good_token_gives_its_payload_and_the_header_as_it_was_sent(guard, issuer, auto_error):
    body = claims(email="a@example.com", o={"id": "org_1", "per": "read"}, fva=[0, -1], ratio=1.5)
    token = issuer.sign(body)

    answer = ask(guard(auto_error=auto_error), header=f"bearer {token}")

    assert answer.json()["who"] == {"scheme": "bearer", "credentials": token, "decoded": body}


@pytest.mark.parametrize(
    "bad", ["garbage", "a.b.c", "sk_test_your_clerk_secret_key_here", "é.b.c", "x" * 20_000]
)
def test_what_is_no_token_is_forbidden_and_costs_no_fetch(guard, jwks, bad):
    answer = ask(guard(), header=f"Bearer {bad}".encode("latin-1"))

    assert (answer.status_code, answer.json()) == FORBIDDEN
    assert "www-authenticate" not in answer.headers
    assert jwks.asked == []


def test_a_token_that_another_key_signed_is_forbidden(guard, issuer, stranger):
    assert verdict(guard(), stranger.sign(claims())) == FORBIDDEN
    assert verdict(guard(), stranger.sign(claims(), {"kid": issuer.kid})) == FORBIDDEN


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "RS512", "ES256", "PS256"])
def test_no_algorithm_but_rs256_is_taken(guard, issuer, algorithm):
    assert verdict(guard(), issuer.sign(claims(), {"alg": algorithm})) == FORBIDDEN


def test_a_bad_token_without_auto_error_gives_credentials_without_a_payload(guard, issuer):
    token = issuer.sign(claims(exp=int(NOON) - 1))

    answer = ask(guard(auto_error=False, add_state=True), token)

    assert answer.json() == {
        "who": {"scheme": "Bearer", "credentials": token, "decoded": None},
        "in_state": True,
    }


def test_the_result_is_in_the_requests_state_only_where_it_was_asked_for(guard, issuer):
    token = issuer.sign(claims())

    assert ask(guard(add_state=True), token).json()["in_state"] is True
    assert ask(guard(), token).json()["in_state"] is False


def test_a_change_of_the_payload_stays_with_its_request(guard, issuer):
    kept = guard()
    request = Request({"type": "http", "headers": _authorization(issuer.sign(claims(a=[1])))})

    async def twice():
        first = await kept(request)
        first.decoded["a"].append(2)
        return (await kept(request)).decoded["a"]

    assert asyncio.run(twice()) == [1]


def test_debug_mode_lets_the_reason_through_as_an_exception(guard, issuer):
    for auto_error in (True, False):
        debugged = guard(debug_mode=True, auto_error=auto_error)
        with pytest.raises(TokenVerificationError, match="token-expired"):
            ask(debugged, issuer.sign(claims(exp=int(NOON) - 1)))
        assert verdict(debugged)[0] == (403 if auto_error else 200)
        assert verdict(debugged, issuer.sign(claims())) == (200, claims())


def test_in_debug_mode_an_exception_is_answered_with_500(guard):
    client = TestClient(application(guard(debug_mode=True)), raise_server_exceptions=False)

    assert client.get("/me", headers={"Authorization": "Bearer x"}).status_code == 500


def test_the_reason_of_a_refusal_is_logged_and_the_token_is_not(guard, issuer, caplog):
    token = issuer.sign(claims(exp=int(NOON) - 1))

    with caplog.at_level("INFO"):
        verdict(guard(), token)

    logged = [r.getMessage() for r in caplog.records if r.name.startswith("doorward.")]
    assert logged == ["A token was refused: token-expired"]


def test_a_websocket_is_guarded_too(guard, issuer):
    client = TestClient(application(guard()))
    headers = {"Authorization": f"Bearer {issuer.sign(claims())}"}

    with client.websocket_connect("/socket", headers=headers) as socket:
        assert socket.receive_json() == "user_1"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/socket"):
        pass
    assert refused.value.status_code == 403


# Claims


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"verify_aud": True}, "Audience must be set in config because verify_aud is True"),
        (
            {"verify_aud": True, "audience": ""},
            "Audience must be set in config because verify_aud is True",
        ),
        ({"verify_iss": True}, "Issuer must be set in config because verify_iss is True"),
        (
            {"verify_iss": True, "issuer": ""},
            "Issuer must be set in config because verify_iss is True",
        ),
        ({"jwks_lifespan": 0}, "jwks_lifespan must be greater than 0"),
    ],
)
def test_a_configuration_that_can_not_work_fails_when_the_guard_is_made(guard, config, message):
    with pytest.raises(ValueError, match=message):
        guard(**config)


@pytest.mark.parametrize("url", ["", "clerk.example.com/jwks", "file:///etc/passwd"])
def test_an_address_that_is_not_http_fails_when_the_guard_is_made(url):
    with pytest.raises(ValueError, match="not an http"):
        ClerkHTTPBearer(ClerkConfig(jwks_url=url))


@pytest.mark.parametrize(
    ("held", "taken"),
    [
        ("api", True),
        (["other", "api"], True),
        ("other", False),
        (["other"], False),
        ("", False),
        ([], False),
        (["api", 5], False),
        ({"api": 1}, False),
        (None, False),
        (..., False),
    ],
)
def test_an_audience_that_is_verified_must_be_in_the_token(guard, issuer, held, taken):
    token = issuer.sign(claims(aud=held))

    assert (verdict(guard(audience="api", verify_aud=True), token)[0] == 200) is taken
    assert verdict(guard(audience="api"), token)[0] == 200


@pytest.mark.parametrize(
    ("held", "taken"), [("https://i", True), ("https://j", False), (5, False), (..., False)]
)
def test_an_issuer_that_is_verified_must_be_the_tokens(guard, issuer, held, taken):
    token = issuer.sign(claims(iss=held))

    assert (verdict(guard(issuer="https://i", verify_iss=True), token)[0] == 200) is taken
    assert verdict(guard(issuer="https://i"), token)[0] == 200


def test_an_end_is_asked_for_unless_it_is_not_verified(guard, issuer):
    for end in (int(NOON) - 1, ..., "soon"):
        token = issuer.sign(claims(exp=end))
        assert verdict(guard(), token) == FORBIDDEN
        assert verdict(guard(verify_exp=False), token)[0] == 200


def test_the_issue_may_be_absent_or_unverified_but_not_in_the_future(guard, issuer):
    assert verdict(guard(), issuer.sign(claims(iat=...)))[0] == 200
    for issued in (int(NOON) + 1, "today"):
        token = issuer.sign(claims(iat=issued))
        assert verdict(guard(), token) == FORBIDDEN
        assert verdict(guard(verify_iat=False), token)[0] == 200


@pytest.mark.parametrize(
    ("held", "leeway", "taken"),
    [
        ({"exp": NOON}, 0, False),
        ({"exp": NOON + 1}, 0, True),
        ({"exp": NOON - 5}, 5, False),
        ({"exp": NOON - 4}, 5, True),
        ({"exp": NOON - 5}, 5.5, True),
        ({"iat": NOON}, 0, True),
        ({"iat": NOON + 1}, 0, False),
        ({"iat": NOON + 5}, 5, True),
        ({"iat": NOON + 6}, 5, False),
        ({"iat": NOON + 6}, 5.9, False),
        ({"nbf": NOON}, 0, True),
        ({"nbf": NOON + 1}, 0, False),
        ({"nbf": NOON + 5}, 5, True),
        ({"nbf": NOON + 6}, 5, False),
        ({"iat": ...}, float("nan"), False),
    ],
)
def test_leeway_moves_every_edge_by_as_much_as_it_says(guard, issuer, held, leeway, taken):
    token = issuer.sign(claims(**held))

    assert (verdict(guard(leeway=leeway), token)[0] == 200) is taken


# Safer than the original


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (TEMPLATE, {}),
        (MACHINE, {"sub": "mch_1"}),
        ({}, {"sub": "mch_1"}),
        (OAUTH, {}),
        ({"cat": "cl_of_tomorrow"}, {}),
        ({}, {"sub": ...}),
    ],
)
def test_only_session_tokens_are_taken_unless_any_class_is_asked_for(guard, issuer, header, body):
    token = issuer.sign(claims(**body), header)

    assert verdict(guard(), token) == FORBIDDEN
    assert verdict(guard(any_token_class=True), token) == (200, claims(**body))


def test_any_class_of_token_is_still_verified_in_all_else(guard, issuer, stranger):
    lenient = guard(any_token_class=True)

    for token in (
        stranger.sign(claims(), {"kid": issuer.kid}),
        issuer.sign(claims(), {"crit": ["exp"]}),
        issuer.sign(claims(exp=int(NOON) - 1), TEMPLATE),
        issuer.sign(claims(sub=5), TEMPLATE),
        issuer.sign(claims(jti=5), TEMPLATE),
    ):
        assert verdict(lenient, token) == FORBIDDEN


@pytest.mark.parametrize("parties", [PARTY, [PARTY, "https://b.example.com"]])
def test_authorized_parties_keep_tokens_of_other_sites_out(guard, issuer, parties):
    strict = guard(authorized_parties=parties)

    assert verdict(strict, issuer.sign(claims(azp=PARTY)))[0] == 200
    assert verdict(strict, issuer.sign(claims(azp="https://evil.example.com"))) == FORBIDDEN
    assert verdict(strict, issuer.sign(claims())) == FORBIDDEN
    assert verdict(guard(), issuer.sign(claims(azp="https://evil.example.com")))[0] == 200


def test_a_challenge_says_how_to_come_in_and_why_not(guard, issuer):
    nobody = ask(guard(challenge=True))
    expired = ask(guard(challenge=True), issuer.sign(claims(exp=int(NOON) - 1)))

    assert (nobody.status_code, nobody.json()) == (401, {"detail": "Not authenticated"})
    assert nobody.headers["www-authenticate"] == 'Bearer realm="clerk"'
    assert expired.status_code == 401
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert expired.headers["x-clerk-auth-reason"] == "token-expired"


def test_a_challenge_leaves_alone_whoever_does_not_ask_for_errors(guard):
    lenient = guard(challenge=True, auto_error=False)

    assert verdict(lenient) == (200, None)
    assert ask(lenient, "garbage").json()["who"]["decoded"] is None


# Keys


def test_keys_that_can_not_be_had_are_forbidden_or_the_servers_fault(guard, jwks, issuer):
    jwks.status = 500
    token = issuer.sign(claims())

    assert verdict(guard(), token) == FORBIDDEN
    assert ask(guard(auto_error=False), token).json()["who"]["decoded"] is None
    assert refusal_of(guard(), token) == "jwk-remote-failed-to-load"
    unavailable = ask(guard(challenge=True), token)
    assert unavailable.status_code == 503
    assert int(unavailable.headers["retry-after"]) > 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/jwks", "http://:8", "http://a\x00b/"])
def test_an_address_that_nobody_answers_at_is_forbidden_not_an_error(issuer, url):
    unreachable = ClerkHTTPBearer(ClerkConfig(jwks_url=url), now=lambda: NOON)

    assert verdict(unreachable, issuer.sign(claims())) == FORBIDDEN


def test_the_set_is_fetched_once_per_lifespan(guard, jwks, issuer, clock):
    kept = guard(jwks_lifespan=10)
    token = issuer.sign(claims())

    for second in range(21):
        clock.now = NOON + second
        assert verdict(kept, token)[0] == 200

    assert len(jwks.asked) == 3


def test_a_new_key_is_found_after_the_cool_down_and_an_old_one_ends(
    guard, jwks, issuer, stranger, clock
):
    kept = guard()
    old, new = (one.sign(claims(exp=int(NOON) + 9_000)) for one in (issuer, stranger))
    assert verdict(kept, old)[0] == 200

    jwks.keys = [stranger.jwks()["keys"][0]]
    assert verdict(kept, new) == FORBIDDEN
    clock.advance(seconds=30)

    assert verdict(kept, new)[0] == 200
    assert verdict(kept, old) == FORBIDDEN
    assert len(jwks.asked) == 2


def test_a_flood_of_unknown_keys_costs_one_fetch(guard, jwks, issuer):
    kept = guard()

    for number in range(20):
        assert verdict(kept, issuer.sign(claims(), {"kid": f"ins_{number}"})) == FORBIDDEN

    assert len(jwks.asked) == 1


@pytest.mark.parametrize("cached", [{}, {"jwks_cache_keys": True, "jwks_max_cached_keys": 1}])
def test_a_key_that_left_the_set_verifies_nothing_after_the_lifespan(
    guard, jwks, issuer, stranger, clock, cached
):
    kept = guard(**cached)
    token = issuer.sign(claims(exp=int(NOON) + 9_000))
    assert verdict(kept, token)[0] == 200
    jwks.keys = stranger.jwks()["keys"]

    clock.advance(seconds=300)

    assert verdict(kept, token) == FORBIDDEN


def test_known_keys_outlive_an_outage(guard, jwks, issuer, clock):
    kept = guard()
    token = issuer.sign(claims(exp=int(NOON) + 9_000))
    verdict(kept, token)
    jwks.status = 500

    clock.advance(seconds=600)

    assert verdict(kept, token)[0] == 200


def test_a_set_that_is_not_cached_is_fetched_for_every_request(guard, jwks, issuer, stranger):
    uncached = guard(jwks_cache_set=False, jwks_lifespan=0)
    token = issuer.sign(claims())
    assert [verdict(uncached, token)[0] for _ in range(3)] == [200, 200, 200]
    assert len(jwks.asked) == 3

    jwks.keys = stranger.jwks()["keys"]

    assert verdict(uncached, token) == FORBIDDEN
    assert verdict(uncached, stranger.sign(claims()))[0] == 200


def test_a_set_that_is_not_cached_does_not_outlive_an_outage(guard, jwks, issuer, clock):
    uncached = guard(jwks_cache_set=False)
    verdict(uncached, issuer.sign(claims()))
    jwks.status = 500

    clock.advance(seconds=5)

    assert verdict(uncached, issuer.sign(claims())) == FORBIDDEN


def test_headers_for_the_keys_are_sent_over_ours(guard, jwks, issuer):
    sent = {"X-Api-Key": "k", "user-agent": "mine", "X-Number": 5, "X-Bytes": b"b"}
    verdict(guard(jwks_headers=sent), issuer.sign(claims()))

    (headers,) = jwks.asked
    assert headers.get_all("User-Agent") == ["mine"]
    assert [headers[name] for name in ("X-Api-Key", "X-Number", "X-Bytes")] == ["k", "5", "b"]


def test_headers_that_can_not_be_sent_are_forbidden_not_an_error(guard, issuer):
    for value in ("é\u2026", "a\r\nb"):
        assert verdict(guard(jwks_headers={"X-Key": value}), issuer.sign(claims())) == FORBIDDEN


def test_a_fetch_ends_when_its_time_is_over(guard, jwks, issuer):
    jwks.may_answer.clear()
    hurried = guard(jwks_client_timeout=1)
    assert hurried.jwks_client._patience.timeout == 1

    try:
        assert verdict(hurried, issuer.sign(claims())) == FORBIDDEN
    finally:
        jwks.may_answer.set()


def test_a_slow_key_server_holds_up_nobody_else(guard, jwks, issuer):
    """The keys are answered only once another request was: a blocked loop would never get there."""
    jwks.may_answer.clear()
    transport = httpx2.ASGITransport(application(guard()))
    headers = {"Authorization": f"Bearer {issuer.sign(claims())}"}

    async def two_at_once():
        async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
            guarded = asyncio.ensure_future(client.get("/me", headers=headers))
            await asyncio.to_thread(jwks.in_flight.wait, 20)
            other = await client.get("/open")
            assert not guarded.done()
            jwks.may_answer.set()
            return other.status_code, (await guarded).status_code

    assert asyncio.run(two_at_once()) == (200, 200)
    assert not jwks.waited_in_vain


def test_requests_that_need_keys_at_once_share_one_fetch(guard, jwks, issuer):
    kept = guard()
    request = Request({"type": "http", "headers": _authorization(issuer.sign(claims()))})

    async def many():
        return await asyncio.gather(*[kept(request) for _ in range(20)])

    assert {found.decoded["sub"] for found in asyncio.run(many())} == {"user_1"}
    assert len(jwks.asked) == 1


def test_two_guards_have_keys_of_their_own(issuer, stranger):
    with Jwks(issuer).served() as first, Jwks(stranger).served() as second:
        guards = [
            ClerkHTTPBearer(ClerkConfig(jwks_url=jwks.url), now=Clock()) for jwks in (first, second)
        ]
        tokens = [one.sign(claims()) for one in (issuer, stranger)]
        taken = [[verdict(guard, token)[0] for token in tokens] for guard in guards]

    assert taken == [[200, 403], [403, 200]]


def test_the_code_of_the_how_to_runs_as_it_is_printed(issuer, monkeypatch):
    page = Path(__file__).parents[2] / "docs/how-to/from-fastapi-clerk-auth.md"
    monkeypatch.setenv("CLERK_JWT_KEY", issuer.public_key_pem)
    names: dict[str, object] = {}

    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    for code in blocks:
        exec(code, names)  # noqa: S102 - the page's own code

    client = TestClient(names["app"])
    assert len(blocks) == 3
    assert (client.get("/old").status_code, client.get("/new").status_code) == (403, 401)


def _authorization(token) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]


def test_a_templates_token_can_be_asked_for_without_any_machines(guard, issuer):
    lenient = guard(template_tokens=True)

    assert verdict(lenient, issuer.sign(claims(), TEMPLATE)) == (200, claims())
    assert verdict(lenient, issuer.sign(claims(), MACHINE)) == FORBIDDEN
    assert verdict(lenient, issuer.sign(claims(), OAUTH)) == FORBIDDEN
