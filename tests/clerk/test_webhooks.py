"""Clerk's webhooks: what is signed gets in, once, and nothing else does."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as OracleWebhook
from werkzeug.datastructures import Headers as FlaskHeaders

from doorward import webhooks
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.state import MemoryState
from doorward.clerk.webhooks import BODY_BYTES_MAX

SECRET = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"
BODY = b'{"type":"user.created","data":{"id":"user_123"}}'
# Seen with Clerk's own SDK and the Standard Webhooks libraries.
VECTOR = {
    "svix-id": "msg_123",
    "svix-timestamp": "1700000000",
    "svix-signature": "v1,kLln/mW/qoI9eUisvvoz9O/1VqBkTyNgcAAorkVSisc=",
}


def verify(body=BODY, headers=VECTOR, secret=SECRET, *, now=1_700_000_000):
    return webhooks.verify(body, headers, secret, now=lambda: now)


def reason(*args, **kwargs):
    with pytest.raises(webhooks.WebhookVerificationError) as refused:
        verify(*args, **kwargs)
    return refused.value.reason


def signed(body: bytes, *, at: int = 1_700_000_000, secret: str = SECRET) -> dict[str, str]:
    """Signed by the standard's own library, which is not ours."""
    moment = datetime.fromtimestamp(at, UTC)
    signature = OracleWebhook(secret).sign("msg_123", moment, body.decode("latin-1"))
    return VECTOR | {"svix-timestamp": str(at), "svix-signature": signature}


def test_the_published_vector_is_verified():
    event = verify()

    assert isinstance(event, webhooks.UserCreated)
    assert (event.id, event.user.id, event.happened_at) == ("msg_123", "user_123", 1_700_000_000)


@pytest.mark.parametrize(
    "headers",
    [
        {name.replace("svix", "webhook"): value for name, value in VECTOR.items()},
        {name.title(): f" {value} " for name, value in VECTOR.items()},
        [(name.encode(), value.encode()) for name, value in VECTOR.items()],
        FlaskHeaders(VECTOR),
        VECTOR | {"svix-signature": "v1a,AAAA nonsense v1,% " + VECTOR["svix-signature"]},
    ],
)
def test_headers_are_taken_in_every_form_in_which_they_come(headers):
    assert verify(headers=headers).id == "msg_123"


@pytest.mark.parametrize(
    "secret", [SECRET.removeprefix("whsec_"), ["whsec_" + "A" * 32, SECRET], (SECRET,)]
)
def test_the_secret_may_lack_its_prefix_or_be_one_of_several(secret):
    assert verify(secret=secret).id == "msg_123"


@pytest.mark.parametrize("missing", list(VECTOR))
def test_a_missing_header_is_named(missing):
    headers = {name: value for name, value in VECTOR.items() if name != missing}

    assert reason(headers=headers) == "missing-headers"
    assert reason(headers=VECTOR | {missing: "  "}) == "missing-headers"


@pytest.mark.parametrize(
    ("now", "expected"),
    [(1_700_000_301, "timestamp-too-old"), (1_699_999_699, "timestamp-too-new")],
)
def test_a_replay_is_refused_after_five_minutes(now, expected):
    assert reason(now=now) == expected
    assert verify(now=now + (-1 if now > 1_700_000_000 else 1)).id == "msg_123"


@pytest.mark.parametrize("timestamp", ["1700000000.7", "123abc", "-5", "1e9", "٣", "9" * 20])
def test_a_timestamp_is_whole_seconds(timestamp):
    assert reason(headers=VECTOR | {"svix-timestamp": timestamp}) == "timestamp-invalid"


@pytest.mark.parametrize(
    "headers",
    [
        VECTOR | {"svix-id": "msg_124"},
        VECTOR | {"svix-id": "msg_\ud800"},
        VECTOR | {"svix-timestamp": "1700000001"},
        VECTOR | {"svix-signature": "v1,AAAA"},
        VECTOR | {"svix-signature": "v1"},
        VECTOR | {"svix-signature": "v2," + VECTOR["svix-signature"][3:]},
    ],
)
def test_what_was_not_signed_does_not_match(headers):
    assert reason(headers=headers) == "signature-mismatch"
    assert reason(body=BODY + b" ") == "signature-mismatch"
    assert reason(secret="whsec_" + "A" * 32) == "signature-mismatch"


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'{"type":"x"}', b"[" * 9000])
def test_a_signed_body_that_is_no_event_is_refused(body):
    assert reason(body, signed(body)) == "body-invalid"


def test_a_body_and_an_id_are_bounded():
    assert reason(b"x" * (BODY_BYTES_MAX + 1)) == "body-too-large"
    assert reason(headers=VECTOR | {"svix-id": "m" * 300}) == "missing-headers"


@given(signature=st.text(max_size=300), body=st.binary(max_size=100))
def test_nothing_a_stranger_sends_is_more_than_refused(signature, body):
    with pytest.raises(webhooks.WebhookVerificationError):
        verify(body, VECTOR | {"svix-signature": signature or "x"}, "whsec_" + "B" * 32)


@given(name=st.text(max_size=20), at=st.integers(1, 9_000_000_000))
def test_whatever_the_standards_library_signs_is_verified(name, at):
    body = json.dumps({"type": "x", "data": {"name": name}}).encode()

    event = verify(body, signed(body, at=at), now=at)

    assert event.data["name"] == name


def test_the_secret_is_read_from_the_environment_by_both_its_names(monkeypatch):
    with pytest.raises(ConfigurationError, match="CLERK_WEBHOOK_SIGNING_SECRET"):
        verify(secret=None)
    monkeypatch.setenv("CLERK_WEBHOOK_SECRET", SECRET)
    assert verify(secret=None).id == "msg_123"
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_" + "C" * 32)
    assert reason(secret=None) == "signature-mismatch"


def test_a_secret_that_is_set_twice_is_a_mistake(monkeypatch, tmp_path):
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET_FILE", str(tmp_path))

    with pytest.raises(ConfigurationError, match="both set"):
        verify(secret=None)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "whsec_AAAA", "whsec_é"])
def test_what_is_no_secret_is_refused_as_a_mistake_of_the_settings(secret):
    with pytest.raises(ConfigurationError):
        verify(secret=secret)


def test_an_event_counts_once_however_often_it_comes(clock):
    state = MemoryState(clock)

    async def seen():
        return [await webhooks.is_new(verify(), state) for _ in range(3)]

    assert asyncio.run(seen()) == [True, False, False]


def test_an_event_counts_once_where_the_states_clock_was_moved(clock):
    """Else each is over before it is there, and what is delivered again counts again."""
    clock.advance(seconds=20 * 365 * 86400)
    state = MemoryState(clock)

    async def seen():
        return [await webhooks.is_new(verify(), state, now=clock) for _ in range(2)]

    assert asyncio.run(seen()) == [True, False]


def test_an_event_whose_work_failed_is_new_with_its_next_delivery(clock):
    """Else what Clerk delivers again is taken for done, and is lost."""
    state = MemoryState(clock)

    async def seen():
        first = await webhooks.is_new(verify(), state)
        await webhooks.forget(verify(), state)
        return first, await webhooks.is_new(verify(), state)

    assert asyncio.run(seen()) == (True, True)


@pytest.mark.parametrize("blank", ["\x0b", "\x1d", "\x85", "\xa0"])
@pytest.mark.parametrize("name", list(VECTOR))
def test_only_blanks_of_http_are_taken_off_a_header(blank, name):
    odd = VECTOR | {name: f"{blank}{VECTOR[name]}"}

    assert reason(headers=odd) in {"timestamp-invalid", "signature-mismatch"}
    assert reason(headers=[(n.encode(), v.encode("latin-1")) for n, v in odd.items()])
