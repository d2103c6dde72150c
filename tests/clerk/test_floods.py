"""Whoever sends tokens chooses what the guard looks for; Clerk is asked once all the same.

The keys come over real HTTP from loopback, and every fetch is counted there. Each sentence holds
for code that waits and for code on an event loop.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clerk.served import ServedKeys
from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.jwks import COOL_DOWN_SECONDS, FRESH_SECONDS, Patience, RemoteKeys
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from support import NOON

CLAIMS = {"sub": "user_1", "exp": NOON + 3600}
FLOOD = 50


@pytest.fixture
def served(issuer):
    with ServedKeys(issuer) as keys:
        yield keys


@pytest.fixture
def verifier(served, clock):
    return Verifier(RemoteKeys(served.url, clock), Rules(), clock)


@pytest.fixture(params=["one loop", "a loop per thread", "threads that wait"])
def at_once(request, verifier):
    """Verify many tokens at once, and give each one's user or the reason of its refusal."""

    async def one(token):
        try:
            return (await verifier.verify(token)).user_id
        except TokenVerificationError as refusal:
            return refusal.reason.value

    def one_waiting(token):
        try:
            return verifier.verify_sync(token).user_id
        except TokenVerificationError as refusal:
            return refusal.reason.value

    async def gather(tokens):
        return await asyncio.gather(*[one(token) for token in tokens])

    def in_threads(tokens):
        each = one_waiting if request.param == "threads that wait" else run_one
        with ThreadPoolExecutor(FLOOD) as pool:
            return list(pool.map(each, tokens))

    def run_one(token):
        return asyncio.run(one(token))

    if request.param == "one loop":
        return lambda tokens: asyncio.run(gather(tokens))
    return in_threads


def test_first_requests_at_once_share_one_fetch(at_once, served, issuer):
    assert set(at_once([issuer.sign(CLAIMS)] * FLOOD)) == {"user_1"}
    assert served.asked == 1


def test_unknown_keys_cost_one_fetch_between_them(at_once, served, issuer):
    unknown = [issuer.sign(CLAIMS, {"kid": f"ins_{number}"}) for number in range(FLOOD)]

    assert set(at_once(unknown)) == {"jwk-kid-mismatch"}
    assert set(at_once(unknown)) == {"jwk-kid-mismatch"}
    assert served.asked == 1


def test_unknown_keys_cost_one_more_fetch_after_the_cool_down(at_once, served, clock, issuer):
    unknown = [issuer.sign(CLAIMS, {"kid": f"ins_{number}"}) for number in range(FLOOD)]
    at_once(unknown)

    clock.advance(seconds=COOL_DOWN_SECONDS)
    at_once(unknown)
    at_once(unknown)

    assert served.asked == 2


def test_bad_signatures_cost_one_fetch_between_them(at_once, served, issuer, stranger):
    forged = [
        stranger.sign(CLAIMS | {"jti": str(number)}, {"kid": issuer.kid}) for number in range(FLOOD)
    ]

    assert set(at_once(forged)) == {"token-invalid-signature"}
    assert served.asked == 1


def test_tokens_of_a_wrong_algorithm_or_class_cost_none(at_once, served, issuer):
    wrong = [
        issuer.sign(CLAIMS, header)
        for header in (
            {"alg": "none"},
            {"alg": "HS256"},
            {"typ": "at+jwt"},
            {"cat": "cl_B7d4PD222AAA"},
            {"cat": "cl_B7d4PD333AAA"},
            {"crit": ["x"]},
            {"kid": 5},
        )
    ]

    assert "user_1" not in at_once(wrong * 7)
    assert served.asked == 0


def test_a_flood_does_not_keep_a_known_user_out(at_once, issuer):
    unknown = [issuer.sign(CLAIMS, {"kid": f"ins_{number}"}) for number in range(FLOOD)]
    at_once([issuer.sign(CLAIMS)])

    found = at_once([*unknown, issuer.sign(CLAIMS), *unknown])

    assert found.count("user_1") == 1
    assert found.count("jwk-kid-mismatch") == 2 * FLOOD


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 403])
def test_known_keys_outlive_ten_minutes_without_clerk(at_once, served, clock, issuer, status):
    token = issuer.sign(CLAIMS)
    assert at_once([token]) == ["user_1"]
    served.status = status

    for _ in range(60):
        clock.advance(seconds=10)
        assert set(at_once([token, issuer.sign(CLAIMS)])) == {"user_1"}

    assert served.asked <= 1 + (600 - FRESH_SECONDS) / COOL_DOWN_SECONDS + 1


@pytest.mark.parametrize("same_kid", [True, False])
def test_a_key_that_was_replaced_during_an_outage_ends_its_tokens_at_once(
    at_once, served, clock, issuer, stranger, same_kid
):
    token = issuer.sign(CLAIMS)
    assert at_once([token] * 2) == ["user_1"] * 2
    served.status = 500
    clock.advance(seconds=600)
    assert at_once([token]) == ["user_1"]

    served.status = 200
    kid = issuer.kid if same_kid else stranger.kid
    served.keys = [stranger.jwks()["keys"][0] | {"kid": kid}]
    clock.advance(seconds=COOL_DOWN_SECONDS)

    refused = "token-invalid-signature" if same_kid else "jwk-kid-mismatch"
    assert at_once([token] * 3) == [refused] * 3
    assert at_once([stranger.sign(CLAIMS, {"kid": kid})]) == ["user_1"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_secret_is_not_tried_again_within_the_cool_down(
    at_once, served, clock, issuer, status
):
    at_once([issuer.sign(CLAIMS)])
    served.status = status
    clock.advance(seconds=FRESH_SECONDS)

    for _ in range(3):
        unknown = [issuer.sign(CLAIMS, {"kid": f"ins_{number}"}) for number in range(FLOOD)]
        assert "user_1" not in at_once(unknown)
        clock.advance(seconds=COOL_DOWN_SECONDS / 4)

    assert served.asked == 2


def test_without_any_key_a_refused_secret_is_tried_again_only_after_two_seconds(
    at_once, served, clock, issuer
):
    served.status = 401
    first = at_once([issuer.sign(CLAIMS)] * FLOOD)
    assert set(first) <= {"secret-key-invalid", "jwk-remote-failed-to-load"}
    at_once([issuer.sign(CLAIMS)] * FLOOD)
    assert served.asked == 1

    served.status = 200
    clock.advance(seconds=2)
    assert set(at_once([issuer.sign(CLAIMS)] * FLOOD)) == {"user_1"}
    assert served.asked == 2


class Dripping(BaseHTTPRequestHandler):
    """Answers with one byte after the other, and never comes to an end by itself."""

    def do_GET(self):
        self.send_response(200)
        if self.path == "/headers":
            self.flush_headers()
            self.wfile.write(b"X-Endless:")
        else:
            self.end_headers()
        with suppress(OSError):
            while not self.server.stopped.wait(0.01):
                self.wfile.write(b" ")

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def dripping():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.stopped = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("part", ["headers", "body"])
@pytest.mark.parametrize("waits", [True, False])
def test_an_answer_that_never_ends_keeps_nobody_waiting(dripping, clock, waits, part):
    keys = RemoteKeys(f"{dripping.url}/{part}", clock, patience=Patience(timeout=0.5))

    def ask():
        return keys.get_sync("ins_1") if waits else asyncio.run(keys.get("ins_1"))

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            refused = asking.exception(timeout=5)
        finally:
            dripping.stopped.set()

    assert isinstance(refused, TokenVerificationError)
    assert refused.reason == "jwk-remote-failed-to-load"
