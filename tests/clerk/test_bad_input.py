"""Bad input gets a reason, never an exception: any bytes, wherever they can come in."""

import asyncio
import hmac
import json
import math
from base64 import b64decode, b64encode, urlsafe_b64encode

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import doorward
from doorward.asgi import ClerkAuth, ClerkMiddleware, ConfigurationError
from doorward.clerk.jwks import RemoteKeys
from doorward.webhooks import Event, WebhookVerificationError, verify
from support import NOON, Clock

BYTES_MAX = 16 * 1024
PARTY = "https://app.example.com"
SECRET = "whsec_" + "QUJD" * 8

anything = st.binary(max_size=BYTES_MAX)
json_value = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=10,
)


def segment(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


odd_json = json_value.map(lambda value: json.dumps(value).encode())
header_json = st.fixed_dictionaries(
    {"alg": st.just("RS256")},
    optional=dict.fromkeys(("typ", "cat", "kid", "crit", "x"), json_value),
).map(lambda value: json.dumps(value).encode())
token_like = st.builds(
    lambda header, payload, signature: b".".join(map(segment, (header, payload, signature))),
    header_json | odd_json | anything,
    odd_json | anything,
    st.binary(max_size=300),
)


@given(anything | token_like)
@example(b"")
@example(b"a" * BYTES_MAX)
@example(b"." * BYTES_MAX)
@example(b"eyJhbGciOiJSUzI1NiJ9.e30.")
@example(b"e30.e30.e30")
def test_any_bytes_as_a_token_get_a_reason(issuer, data):
    for token in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        with pytest.raises(doorward.TokenVerificationError) as refusal:
            doorward.verify_token(token, jwt_key=issuer.public_key_pem)

        assert refusal.value.reason
        assert str(refusal.value)


@given(st.text(max_size=4000))
def test_any_text_as_a_token_gets_a_reason(issuer, token):
    with pytest.raises(doorward.TokenVerificationError):
        doorward.verify_token(token, jwt_key=issuer.public_key_pem)


NAMES = st.sampled_from(
    [
        b"authorization",
        b"cookie",
        b"origin",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"sec-websocket-protocol",
    ]
)
SHAPES = (
    b"%s",
    b"Bearer %s",
    b"bearer %s",
    b"__session=%s; __client_uat=1790000000",
    b"__client_uat=%s",
    b"__session_QvfNY2dr=%s; __client_uat_QvfNY2dr=1",
    b"doorward.bearer, %s",
)
values = st.builds(lambda shape, data: shape % data, st.sampled_from(SHAPES), anything | token_like)


@pytest.fixture(scope="module")
def guard(issuer):
    auth = ClerkAuth(
        jwt_key=issuer.public_key_pem,
        publishable_key="pk_test_Y2xlcmsuY2xlcmsuZGV2JA",
        authorized_parties=[PARTY],
        now=Clock(),
    )

    async def nobody_comes_here(*_):
        raise AssertionError

    return ClerkMiddleware(nobody_comes_here, auth)


@given(
    st.sampled_from(["http", "websocket"]),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.tuples(NAMES, values), max_size=4),
)
@example("http", "GET", [(b"authorization", b"Bearer " + b"\xff" * BYTES_MAX)])
@example("http", "GET", [(b"cookie", b"__session=" + b"%" * 70_000)])
@example("http", "GET", [(b"cookie", b"=;" * 20_000)])
def test_any_header_and_cookie_gets_an_answer(guard, kind, method, headers):
    scope = {"type": kind, "method": method, "path": "/", "headers": headers}
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))

    assert sent[0].get("status") == 401 or sent[0].get("code") == 4401


@given(anything | odd_json, st.lists(st.tuples(anything, anything), max_size=4))
def test_any_webhook_that_nobody_signed_gets_a_reason(body, headers):
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    for given_headers in (headers, names):
        with pytest.raises(WebhookVerificationError) as refusal:
            verify(body, given_headers, SECRET, now=lambda: NOON)

        assert refusal.value.reason == "missing-headers"


@given(anything, anything, anything, anything | odd_json)
@example(b"msg_1", b"9" * 12, b"v1,", b"{}")
@example(b"msg_1", b"1790000000", b"v1," + b"A" * 44, b"{}")
@example(b"msg_1", b"1790000000", b"v1,\xff v1, ,,", b"{}")
def test_any_signature_that_is_none_gets_a_reason(message_id, timestamp, signature, body):
    headers = [
        (b"svix-id", message_id),
        (b"svix-timestamp", timestamp),
        (b"svix-signature", signature),
    ]
    with pytest.raises(WebhookVerificationError):
        verify(body, headers, SECRET, now=lambda: NOON)
    with pytest.raises(WebhookVerificationError):
        verify(
            body,
            [*headers[:1], (b"svix-timestamp", b"1790000000"), headers[2]],
            SECRET,
            now=lambda: NOON,
        )


EVENTS = [
    "user.created",
    "user.updated",
    "user.deleted",
    "session.revoked",
    "organization.created",
    "organization.deleted",
    "organizationMembership.updated",
]
event_json = st.fixed_dictionaries(
    {
        "type": st.sampled_from(EVENTS) | json_value,
        "data": json_value
        | st.fixed_dictionaries(
            {
                "id": json_value,
                "user_id": json_value,
                "updated_at": json_value,
                "public_user_data": json_value,
                "organization": json_value,
            }
        ),
    },
    optional={"timestamp": json_value, "instance_id": json_value},
).map(lambda value: json.dumps(value).encode())


@given(anything | odd_json | event_json)
@example(b'{"type":"user.updated","data":{"id":"user_1","updated_at":1e308}}')
@example(b'{"type":"user.updated","data":{"id":"user_1","updated_at":' + b"9" * 400 + b"}}")
@example(b"[" * BYTES_MAX)
def test_any_body_that_clerk_signed_is_an_event_or_gets_a_reason(body):
    signed = b"msg_1.%d." % NOON + body
    mac = hmac.digest(b64decode(SECRET.removeprefix("whsec_")), signed, "sha256")
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": f"{NOON:.0f}",
        "svix-signature": f"v1,{b64encode(mac).decode()}",
    }
    try:
        event = verify(body, headers, SECRET, now=lambda: NOON)
    except WebhookVerificationError as refusal:
        reason = refusal.reason
    else:
        reason = None
        assert isinstance(event, Event)
        assert math.isfinite(event.happened_at)
    assert reason in {None, "body-invalid"}


jwk = st.fixed_dictionaries(
    {"kty": st.just("RSA") | json_value, "kid": st.just("a") | json_value},
    optional=dict.fromkeys(("n", "e", "use", "alg", "key_ops"), json_value),
)
jwks = st.fixed_dictionaries({"keys": st.lists(jwk, max_size=3) | json_value})


@given(anything | odd_json | jwks.map(lambda value: json.dumps(value).encode()))
@example(b'{"keys":[{"kty":"RSA","kid":"a","n":"' + b"_" * 9000 + b'","e":"AQAB"}]}')
@example(b'{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"' + b"_" * 9000 + b'"}]}')
@example(b'{"keys":[{"kty":"RSA","kid":"a","n":"","e":""}]}')
def test_any_answer_of_a_jwks_address_is_keys_or_a_failed_load(body):
    async def answer(_):
        return httpx2.Response(200, content=body)

    keys = RemoteKeys(
        "https://clerk.example.com/jwks", Clock(), transport=httpx2.MockTransport(answer)
    )
    with pytest.raises(doorward.TokenVerificationError) as refusal:
        asyncio.run(keys.get("a"))

    assert refusal.value.reason in {"jwk-remote-failed-to-load", "jwk-kid-mismatch"}


pem_like = st.builds(
    lambda head, body, tail: head + body + tail,
    st.sampled_from(
        ["", "-----BEGIN PUBLIC KEY-----", "'", '"', "-----BEGIN RSA PRIVATE KEY-----\\n"]
    ),
    st.text(max_size=500) | anything.map(lambda data: b64encode(data).decode()),
    st.sampled_from(["", "-----END PUBLIC KEY-----", "\\n", '"']),
)


@given(pem_like | anything.map(lambda data: data.decode("latin-1")))
@example("\ud800")
@example("-----BEGIN PUBLIC KEY-----")
@example(b64encode(b"-----BEGIN PUBLIC KEY-----" * 9).decode())
@example("QUJD" * 4000)
def test_any_text_as_a_key_is_a_mistake_of_the_settings(text):
    with pytest.raises(ConfigurationError) as refusal:
        ClerkAuth(jwt_key=text or " ")

    assert len(refusal.value.mistakes) == 1


@given(
    st.text(max_size=100)
    | st.builds(
        lambda prefix, data: prefix + b64encode(data).decode(),
        st.sampled_from(["pk_test_", "pk_live_", "pk_", "sk_test_"]),
        anything,
    )
)
@example("pk_test_")
@example("pk_test_" + b64encode(b"\xff.$").decode())
@example("pk_test_" + b64encode(b".$").decode())
@example("\ud800")
def test_any_text_as_a_publishable_key_is_one_or_a_mistake_of_the_settings(issuer, text):
    try:
        auth = ClerkAuth(jwt_key=issuer.public_key_pem, publishable_key=text)
    except ConfigurationError as mistake:
        mistakes = mistake.mistakes
    else:
        mistakes = []
        assert auth is not None
    assert len(mistakes) <= 1


@given(st.text(max_size=60), st.lists(st.text(max_size=30), max_size=2))
@example("http://[", [])
@example("https://a:99999999/", ["http://[x"])
@example("http://\ud800/", [])
def test_any_text_as_an_address_is_one_or_a_mistake_of_the_settings(url, parties):
    try:
        auth = ClerkAuth(jwks_url=url or "x", authorized_parties=parties)
    except ConfigurationError as mistake:
        mistakes = mistake.mistakes
    else:
        mistakes = []
        assert auth is not None
    assert len(mistakes) <= 2
