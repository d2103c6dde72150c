"""Fetched keys: one fetch for any flood, and no failure for known keys in an outage."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.http import RESPONSE_BYTES_MAX
from doorward.clerk.jwks import Patience, PemKey, RemoteKeys, read_jwks
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from support import NOON, Clock

URL = "https://clerk.example.com/.well-known/jwks.json"


class Endpoint:
    """A JWKS address that counts how often it is asked; somebody else's, so it is played."""

    def __init__(self, *issuers):
        self.keys = [issuer.jwks()["keys"][0] for issuer in issuers]
        self.asked = 0
        self.fails = False
        self.status = 200
        self.body = None
        self.headers = None

    def answer(self, request):
        self.asked += 1
        self.headers = request.headers
        if self.fails:
            raise httpx2.ConnectError("no route")
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        return httpx2.Response(self.status, content=body)

    def source(self, clock, **more) -> RemoteKeys:
        async def answer(request):
            await asyncio.sleep(0)
            return self.answer(request)

        return RemoteKeys(
            URL,
            clock,
            transport=httpx2.MockTransport(answer),
            sync_transport=httpx2.MockTransport(self.answer),
            **more,
        )


class SilentEndpoint(Endpoint):
    """One that takes a request and says nothing, until ``answers`` is set."""

    def __init__(self, *issuers):
        super().__init__(*issuers)
        self.answers = asyncio.Event()
        self.answers.set()

    def source(self, clock, **more) -> RemoteKeys:
        async def answer(_):
            self.asked += 1
            await self.answers.wait()
            return httpx2.Response(200, json={"keys": self.keys})

        return RemoteKeys(URL, clock, transport=httpx2.MockTransport(answer), **more)


@pytest.fixture
def endpoint(issuer):
    return Endpoint(issuer)


@pytest.fixture(params=["async", "sync"])
def get(request):
    """Ask a source for a key both ways: they keep the same rules."""
    if request.param == "sync":
        return lambda source, kid: source.get_sync(kid)
    return lambda source, kid: asyncio.run(source.get(kid))


def reason_of(get, source, kid) -> str | None:
    try:
        get(source, kid)
    except TokenVerificationError as refusal:
        return refusal.reason.value
    return None


def test_a_key_is_fetched_once_and_kept(get, endpoint, issuer):
    source = endpoint.source(Clock())

    assert get(source, issuer.kid).fingerprint == get(source, issuer.kid).fingerprint
    assert endpoint.asked == 1
    assert source.known(issuer.kid) is not None


def test_a_flood_of_unknown_keys_costs_one_fetch(get, endpoint, issuer):
    source = endpoint.source(Clock())
    get(source, issuer.kid)

    for number in range(50):
        assert reason_of(get, source, f"ins_{number}") == "jwk-kid-mismatch"

    assert endpoint.asked == 1


def test_an_unknown_key_is_looked_for_again_after_the_cool_down(get, endpoint, issuer, stranger):
    clock = Clock()
    source = endpoint.source(clock)
    get(source, issuer.kid)
    endpoint.keys.append(stranger.jwks()["keys"][0])

    assert reason_of(get, source, stranger.kid) == "jwk-kid-mismatch"
    clock.advance(seconds=30)
    assert reason_of(get, source, stranger.kid) is None


def test_a_flood_of_bad_signatures_costs_one_fetch(endpoint, issuer, stranger):
    verifier = Verifier(endpoint.source(Clock()), Rules(), lambda: NOON)
    forged = stranger.sign({"sub": "user_1", "exp": NOON + 60}, {"kid": issuer.kid})

    async def flood():
        for _ in range(50):
            with pytest.raises(TokenVerificationError) as refusal:
                await verifier.verify(forged)
            assert refusal.value.reason == "token-invalid-signature"

    asyncio.run(flood())

    assert endpoint.asked == 1


def test_fifty_first_requests_at_once_share_one_fetch(endpoint, issuer):
    verifier = Verifier(endpoint.source(Clock()), Rules(), lambda: NOON)
    token = issuer.sign({"sub": "user_1", "exp": NOON + 60})

    async def first_requests():
        return await asyncio.gather(*[verifier.verify(token) for _ in range(50)])

    assert {found.user_id for found in asyncio.run(first_requests())} == {"user_1"}
    assert endpoint.asked == 1


def test_an_algorithm_that_is_refused_costs_no_fetch(endpoint, issuer):
    verifier = Verifier(endpoint.source(Clock()), Rules(), lambda: NOON)

    with pytest.raises(TokenVerificationError):
        verifier.verify_sync(issuer.sign({"sub": "user_1"}, {"alg": "none", "kid": "x"}))

    assert endpoint.asked == 0


def test_known_keys_outlive_ten_minutes_of_outage_and_few_fetches_are_tried(get, endpoint, issuer):
    clock = Clock()
    source = endpoint.source(clock)
    get(source, issuer.kid)
    endpoint.fails = True

    for _ in range(600):
        clock.advance(seconds=1)
        assert reason_of(get, source, issuer.kid) is None

    assert endpoint.asked <= 1 + 300 // 30 + 1


def test_known_keys_wait_only_a_moment_for_a_server_that_does_not_answer(issuer, stranger):
    clock, endpoint = Clock(), SilentEndpoint(issuer)
    source = endpoint.source(clock, patience=Patience(wait=0.01))

    async def outage():
        before = await source.get(issuer.kid)
        endpoint.answers.clear()
        clock.advance(seconds=300)
        async with asyncio.timeout(5):
            found = await asyncio.gather(*[source.get(issuer.kid) for _ in range(50)])
            clock.advance(seconds=1)
            found.append(await source.get(issuer.kid))
        assert {key.fingerprint for key in found} == {before.fingerprint}
        assert endpoint.asked == 2

        endpoint.keys = [stranger.jwks()["keys"][0]]
        endpoint.answers.set()
        return await source.get(stranger.kid)

    assert asyncio.run(outage()).fingerprint
    assert source.known(issuer.kid) is None


def test_of_threads_with_known_keys_only_one_waits_for_a_server_that_does_not_answer(issuer):
    clock, asked, answers = Clock(), threading.Event(), threading.Event()
    answers.set()

    def answer(_):
        asked.set()
        assert answers.wait(5)
        return httpx2.Response(200, json=issuer.jwks())

    source = RemoteKeys(
        URL,
        clock,
        patience=Patience(wait=0.01),
        sync_transport=httpx2.MockTransport(answer),
    )
    before = source.get_sync(issuer.kid)
    answers.clear()
    asked.clear()
    clock.advance(seconds=300)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(source.get_sync, issuer.kid)
        assert asked.wait(5)
        try:
            assert pool.submit(source.get_sync, issuer.kid).result(timeout=2) is before
        finally:
            answers.set()
    assert waiting.result() is before


def test_no_key_outlives_a_day_of_outage(get, endpoint, issuer):
    clock = Clock()
    source = endpoint.source(clock)
    get(source, issuer.kid)
    endpoint.fails = True

    clock.advance(seconds=24 * 3600)

    assert reason_of(get, source, issuer.kid) == "jwk-remote-failed-to-load"


def test_a_key_that_left_the_set_verifies_nothing_after_the_next_fetch(get, endpoint, issuer):
    clock = Clock()
    verifier = Verifier(endpoint.source(clock), Rules(), lambda: NOON)
    token = issuer.sign({"sub": "user_1", "exp": NOON + 60})
    assert verifier.verify_sync(token).user_id == "user_1"
    endpoint.keys = [endpoint.keys[0] | {"kid": "ins_new"}]

    clock.advance(seconds=300)

    assert reason_of(get, verifier.keys, issuer.kid) == "jwk-kid-mismatch"
    with pytest.raises(TokenVerificationError):
        verifier.verify_sync(token)


def test_a_key_that_is_fetched_anew_is_the_one_that_was_there(get, endpoint, issuer):
    clock = Clock()
    source = endpoint.source(clock)
    before = get(source, issuer.kid)

    clock.advance(seconds=301)

    assert get(source, issuer.kid) is before  # so what it verified need not be verified again
    assert endpoint.asked == 2


def test_another_key_under_the_same_id_ends_what_was_remembered(endpoint, issuer, stranger):
    clock = Clock()
    verifier = Verifier(endpoint.source(clock), Rules(), lambda: NOON)
    token = issuer.sign({"sub": "user_1", "exp": NOON + 60})
    verifier.verify_sync(token)
    endpoint.keys = [stranger.jwks()["keys"][0] | {"kid": issuer.kid}]

    clock.advance(seconds=300)

    with pytest.raises(TokenVerificationError) as refusal:
        verifier.verify_sync(token)
    assert refusal.value.reason == "token-invalid-signature"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "secret-key-invalid"),
        (403, "secret-key-invalid"),
        (404, "jwk-remote-failed-to-load"),
        (500, "jwk-remote-failed-to-load"),
        (302, "jwk-remote-failed-to-load"),
    ],
)
def test_an_answer_other_than_the_set_says_whose_fault_it_is(get, endpoint, status, expected):
    endpoint.status = status
    source = endpoint.source(Clock())

    assert reason_of(get, source, "ins_1") == expected
    assert endpoint.asked == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5, {}]}',
        b"[" * 99_999,
        b" " * (RESPONSE_BYTES_MAX + 1),
        b'{"keys": [{"kid": "a", "kty": "EC"}]}',
        b'{"keys": ["\xff"]}',
    ],
    ids=range(10),
)
def test_a_body_of_another_form_is_a_failed_load(get, endpoint, body):
    endpoint.body = body

    assert reason_of(get, endpoint.source(Clock()), "a") == "jwk-remote-failed-to-load"


def test_without_any_key_the_next_try_comes_soon_but_not_at_once(get, endpoint, issuer):
    clock = Clock()
    source = endpoint.source(clock)
    endpoint.fails = True
    for _ in range(20):
        assert reason_of(get, source, issuer.kid) == "jwk-remote-failed-to-load"
    assert endpoint.asked == 1

    endpoint.fails = False
    clock.advance(seconds=2)

    assert reason_of(get, source, issuer.kid) is None


def test_the_secret_goes_into_the_header_and_nowhere_else(get, endpoint, issuer):
    secret = "sk_test_your_clerk_secret_key_here"
    source = endpoint.source(Clock(), secret_key=secret)
    get(source, issuer.kid)

    assert endpoint.headers["authorization"] == f"Bearer {secret}"
    assert secret not in repr(source)


def test_without_a_secret_nobody_is_told_to_set_one(endpoint):
    endpoint.status = 403

    with pytest.raises(TokenVerificationError) as bare:
        endpoint.source(Clock()).get_sync("ins_1")
    with pytest.raises(TokenVerificationError) as with_secret:
        endpoint.source(Clock(), secret_key="sk_test_x").get_sync("ins_1")

    assert "CLERK_SECRET_KEY" not in str(bare.value)
    assert "CLERK_SECRET_KEY" in str(with_secret.value)


def test_headers_of_the_caller_go_over_those_of_the_same_name(get, endpoint, issuer):
    source = endpoint.source(Clock(), headers={"user-agent": "mine", "X-Api-Key": "k"})
    get(source, issuer.kid)

    assert endpoint.headers.get_list("user-agent") == ["mine"]
    assert endpoint.headers["x-api-key"] == "k"
    assert endpoint.headers["accept"] == "application/json"


def test_patience_says_how_long_keys_are_fresh_and_how_long_they_outlive_an_outage(
    get, endpoint, issuer
):
    clock = Clock()
    source = endpoint.source(clock, patience=Patience(fresh=10, stale=20, cool_down=5))
    get(source, issuer.kid)
    endpoint.fails = True

    for second in range(20):
        clock.now = NOON + second
        assert reason_of(get, source, issuer.kid) is None
    assert endpoint.asked == 3
    clock.now = NOON + 20

    assert reason_of(get, source, issuer.kid) == "jwk-remote-failed-to-load"


def test_an_address_that_is_none_is_a_failed_load(get, issuer):
    source = RemoteKeys("http://a\x00b/", Clock())

    assert reason_of(get, source, issuer.kid) == "jwk-remote-failed-to-load"


def test_a_warm_source_answers_its_first_request_without_a_fetch(endpoint, issuer):
    source = endpoint.source(Clock())
    asyncio.run(source.warm_up())

    assert source.known(issuer.kid) is not None
    assert source.known(None) is None
    assert endpoint.asked == 1


def test_a_cancelled_request_does_not_cancel_the_fetch_of_the_others(endpoint, issuer):
    source = endpoint.source(Clock())

    async def two():
        first = asyncio.ensure_future(source.get(issuer.kid))
        second = asyncio.ensure_future(source.get(issuer.kid))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(two()).fingerprint


class SlowEndpoint(Endpoint):
    """One whose first answer comes only when the test says so, or never."""

    def __init__(self, *issuers, never=False):
        super().__init__(*issuers)
        self.never = never
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_leave = threading.Event()

    def source(self, clock, **more) -> RemoteKeys:
        async def answer(request):
            first, response = self.asked == 0, self.answer(request)
            self.was_asked.set()
            if first and self.never:
                await asyncio.Event().wait()
            if first:
                await asyncio.to_thread(self.may_answer.wait, 5)
            return response

        return RemoteKeys(URL, clock, transport=httpx2.MockTransport(answer), **more)


def test_threads_with_event_loops_of_their_own_share_one_fetch(issuer):
    endpoint = SlowEndpoint(issuer)
    source = endpoint.source(Clock())

    def ask(_):
        return asyncio.run(source.get(issuer.kid)).fingerprint

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(ask, 0)
        assert endpoint.was_asked.wait(5)
        others = [pool.submit(ask, number) for number in range(8)]
        endpoint.may_answer.set()
        answers = {one.result(5) for one in [first, *others]}

    assert len(answers) == 1
    assert endpoint.asked == 1


def test_a_thread_that_comes_late_to_fetch_finds_what_another_has_fetched(endpoint, issuer):
    source = endpoint.source(Clock())
    now, others = source._now, [lambda: source.get_sync(issuer.kid)]

    def interrupted():
        # Between the question whether to fetch and the fetch, another thread does it all.
        if source._fetched_at < 0 and source._starting.locked() and others:
            others.pop()()
        return now()

    source._now = interrupted
    assert asyncio.run(source.get(issuer.kid)).fingerprint
    assert endpoint.asked == 1


def test_a_fetch_that_ends_with_another_threads_event_loop_is_made_anew(issuer):
    endpoint = SlowEndpoint(issuer, never=True)
    source = endpoint.source(Clock())

    async def leave_early():
        asking = asyncio.ensure_future(source.get(issuer.kid))
        await asyncio.to_thread(endpoint.may_leave.wait, 5)
        asking.cancel()

    async def stay():
        asking = asyncio.ensure_future(source.get(issuer.kid))
        await asyncio.sleep(0)  # now it waits for the other's fetch
        endpoint.may_leave.set()
        return await asking

    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(lambda: asyncio.run(leave_early()))
        assert endpoint.was_asked.wait(5)
        stayed = pool.submit(lambda: asyncio.run(stay()))
        left.result(5)
        assert stayed.result(10).fingerprint

    assert endpoint.asked == 2


def test_a_pasted_key_is_always_at_hand(issuer):
    key = PemKey(issuer.public_key_pem)

    async def ask():
        await key.warm_up()
        return await key.get("anything")

    assert asyncio.run(ask()) is key.get_sync(None) is key.known("other")


def test_a_set_of_many_keys_is_bounded(issuer):
    jwk = issuer.jwks()["keys"][0]
    many = json.dumps({"keys": [jwk | {"kid": str(number)} for number in range(300)]})

    assert len(read_jwks(many.encode())) == 100
