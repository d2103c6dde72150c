"""Requests with every credential that Clerk issues, from every place it may stand in."""

import asyncio
import json
import threading
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from clerk.served import ServedKeys
from doorward.clerk.auth import ClerkAuth, check_question
from doorward.clerk.errors import ConfigurationError
from doorward.clerk.jwks import RemoteKeys
from doorward.clerk.machine import OpaqueTokens
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.refusals import NotAuthenticated, Refusal, Unavailable
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import MemoryState
from support import NOON, Clock

PARTY = "http://127.0.0.1:8040"
EVERY_KIND = ("session_token", "m2m_token", "api_key", "oauth_token")
M2M = {"cat": "cl_B7d4PD333AAA"}
TEMPLATE = {"cat": "cl_B7d4PD222AAA"}
PK = PublishableKey.parse("pk_test_ZXhhbXBsZS5hY2NvdW50cy5kZXYk")


def claims(**more) -> dict:
    body = {"sub": "user_1", "sid": "sess_1", "iat": int(NOON), "exp": int(NOON) + 60} | more
    return {name: value for name, value in body.items() if value is not ...}


def signed(header, body, by) -> str:
    """A token whose header holds nothing of Clerk's."""
    segments = [
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body)
    ]
    signature = by._key.sign(b".".join(segments), PKCS1v15(), SHA256())
    return b".".join([*segments, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def request(method="GET", kind="http", **headers: str) -> dict:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": kind, "method": method, "path": "/", "headers": raw}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def auth_with(issuer, clock):
    def make(**options):
        return ClerkAuth(jwt_key=issuer.public_key_pem, now=clock, **options)

    return make


def seen(auth, scope):
    """The principal, or the reason of a refusal."""
    try:
        return asyncio.run(auth.authenticate(scope))
    except Refusal as refusal:
        return refusal.reason


def bearer(token: str, **more) -> dict:
    return request(authorization=f"Bearer {token}", **more)


class TestMachinesInJwtForm:
    def test_a_machines_token_gives_its_machine_and_scopes(self, auth_with, issuer):
        token = issuer.sign(
            claims(sub="mch_1", sid=..., jti="mt_1", scopes="mch_2 mch_3", team="a"), M2M
        )

        who = seen(auth_with(accepts=EVERY_KIND, secret_key="sk_test_x"), bearer(token))

        assert (who.user_id, who.machine_id, who.token_type) == (None, "mch_1", "m2m_token")
        assert who.scopes == {"mch_2", "mch_3"}
        assert dict(who.claims) == {"scopes": "mch_2 mch_3", "team": "a"}
        assert who.credential_id == "mt_1"
        assert not who.has(role="org:admin")

    def test_a_machines_audience_stands_for_its_scopes_where_it_has_none(self, auth_with, issuer):
        token = issuer.sign(claims(sub="mch_1", aud=["mch_9"]), M2M)

        assert seen(auth_with(accepts=["m2m_token"]), bearer(token)).scopes == {"mch_9"}

    def test_an_oauth_token_gives_its_user_client_and_scopes(self, auth_with, issuer):
        body = claims(client_id="client_1", scope="files:read profile", act={"sub": "agent_1"})
        token = issuer.sign(body, {"typ": "at+jwt"})

        who = seen(auth_with(accepts=["oauth_token"]), bearer(token))

        assert (who.user_id, who.client_id) == ("user_1", "client_1")
        assert who.has(scope="files:read")
        assert who.actor == {"sub": "agent_1"}

    def test_an_oauth_tokens_scopes_may_be_a_list(self, auth_with, issuer):
        token = issuer.sign(claims(scp=["a", 7]), {"typ": "application/at+jwt"})

        assert seen(auth_with(accepts=["oauth_token"]), bearer(token)).scopes == {"a"}

    def test_an_oauth_token_must_name_the_audience_that_is_asked_for(self, auth_with, issuer):
        auth = auth_with(accepts=["oauth_token"], audience="api")

        without = issuer.sign(claims(scope=7), {"typ": "at+jwt"})
        assert seen(auth, bearer(without)) == "token-verification-failed"
        with_it = issuer.sign(claims(aud=["api"]), {"typ": "at+jwt"})
        assert seen(auth, bearer(with_it)).user_id == "user_1"
        nameless = issuer.sign(claims(aud=["api", ""]), {"typ": "at+jwt"})
        assert seen(auth, bearer(nameless)) == "token-verification-failed"

    def test_authorized_parties_are_no_matter_of_machines(self, auth_with, issuer):
        token = issuer.sign(claims(sub="mch_1"), M2M)

        auth = auth_with(accepts=["m2m_token"], authorized_parties=[PARTY])
        assert seen(auth, bearer(token)).machine_id == "mch_1"

    @pytest.mark.parametrize(
        ("header", "body"),
        [(M2M, {"sub": "mch_1"}), ({"typ": "at+jwt"}, {}), ({}, {"sub": "mch_1"}), (TEMPLATE, {})],
    )
    def test_no_other_class_counts_as_a_session(self, auth_with, issuer, header, body):
        token = issuer.sign(claims(**body), header)

        assert seen(auth_with(), bearer(token)) == "token-type-mismatch"

    def test_a_session_is_no_machine(self, auth_with, issuer):
        assert seen(auth_with(accepts=["m2m_token"]), bearer(issuer.sign(claims()))) == (
            "token-type-mismatch"
        )

    def test_a_machine_of_another_category_is_invalid(self, auth_with, issuer):
        token = issuer.sign(claims(sub="mch_1"), {"cat": "cl_B7d4PD111AAA"})

        assert seen(auth_with(accepts=["m2m_token"]), bearer(token)) == "token-invalid"

    def test_one_token_can_be_judged_as_no_two_classes(self, auth_with, issuer):
        from doorward.clerk.errors import TokenVerificationError
        from doorward.identity.credentials import CredentialShape

        verifier = auth_with().authenticator.verifier
        token = issuer.sign(claims())
        assert verifier.verify_sync(token).user_id == "user_1"

        for kind in (CredentialShape.M2M, CredentialShape.OAUTH):
            with pytest.raises(TokenVerificationError):
                verifier.verify_sync(token, kind)

    def test_template_tokens_count_as_sessions_only_where_asked_for(self, auth_with, issuer):
        token = issuer.sign(claims(sid=...), TEMPLATE)

        assert seen(auth_with(template_tokens=True), bearer(token)).user_id == "user_1"


class TestCookies:
    def cookies(self, token, uat=int(NOON), suffix="", **more) -> dict:
        return request(
            cookie=f"a=1; __session{suffix}={token}; __client_uat{suffix}={uat}; b", **more
        )

    @pytest.fixture
    def auth(self, auth_with):
        return auth_with(authorized_parties=[PARTY])

    def test_a_session_cookie_is_as_good_as_a_header(self, auth, issuer):
        token = issuer.sign(claims(azp=PARTY))

        assert seen(auth, self.cookies(token)).user_id == "user_1"

    def test_a_cookie_may_lack_its_party_and_never_name_another(self, auth, issuer):
        assert seen(auth, self.cookies(issuer.sign(claims()))).user_id == "user_1"
        for _ in range(2):  # judged anew the second time
            other = issuer.sign(claims(azp="https://evil.example"))
            assert seen(auth, self.cookies(other)) == "token-invalid-authorized-parties"

    def test_the_same_token_lacks_its_party_in_a_header(self, auth, issuer):
        token = issuer.sign(claims())

        assert seen(auth, self.cookies(token)).user_id == "user_1"
        assert seen(auth, bearer(token)) == "token-invalid-authorized-parties"

    def test_a_token_that_was_good_as_a_cookie_is_not_thereby_good_in_a_header(self, auth, issuer):
        token = issuer.sign(claims())

        for _ in range(2):  # remembered from the first time
            assert seen(auth, self.cookies(token)).user_id == "user_1"
            assert seen(auth, bearer(token)) == "token-invalid-authorized-parties"

    def test_cookies_are_not_read_where_no_party_is_named(self, auth_with, issuer):
        token = issuer.sign(claims())

        assert seen(auth_with(), self.cookies(token)) == "session-token-and-uat-missing"
        with pytest.raises(ConfigurationError, match="authorized_parties"):
            auth_with(cookies=True)

    def test_a_bad_header_is_not_rescued_by_a_good_cookie(self, auth, issuer):
        scope = self.cookies(issuer.sign(claims()), authorization="Bearer garbage")

        assert seen(auth, scope) == "token-invalid"

    @pytest.mark.parametrize("uat", ["0", "x", "-5", ""])
    def test_a_token_whose_browser_has_signed_out_is_refused(self, auth, issuer, uat):
        scope = self.cookies(issuer.sign(claims()), uat=uat)

        assert seen(auth, scope) == "session-token-but-no-client-uat"

    def test_the_time_of_the_last_sign_in_can_be_left_out_where_that_was_said(
        self, auth_with, issuer
    ):
        auth = auth_with(authorized_parties=[PARTY], client_uat_required=False)

        assert seen(auth, request(cookie=f"__session={issuer.sign(claims())}")).user_id == "user_1"
        signed_out = self.cookies(issuer.sign(claims()), uat=0)
        assert seen(auth, signed_out) == "session-token-but-no-client-uat"

    def test_a_token_older_than_the_last_sign_in_is_refused(self, auth, issuer):
        older = self.cookies(issuer.sign(claims()), uat=int(NOON) + 1)
        without = self.cookies(issuer.sign(claims(iat=...)))

        assert seen(auth, older) == "session-token-iat-before-client-uat"
        assert seen(auth, without) == "session-token-iat-before-client-uat"

    def test_a_browser_without_a_token_is_told_from_one_that_was_never_here(self, auth):
        assert seen(auth, request(cookie="__client_uat=5")) == "client-uat-but-no-session-token"
        assert seen(auth, request(cookie="__client_uat=0")) == "session-token-and-uat-missing"

    @pytest.mark.parametrize("header", [M2M, {"typ": "at+jwt"}])
    def test_a_machines_token_is_never_taken_from_a_cookie(self, auth_with, issuer, header):
        auth = auth_with(accepts=EVERY_KIND, secret_key="sk_test_x", authorized_parties=[PARTY])
        body = claims(sub="mch_1") if header is M2M else claims()

        found = seen(auth, self.cookies(issuer.sign(body, header)))
        assert found == "token-type-mismatch"

    def test_a_bad_token_in_a_cookie_is_refused_by_its_own_reason(self, auth, issuer, stranger):
        assert seen(auth, self.cookies("garbage")) == "token-invalid"
        forged = stranger.sign(claims(), {"kid": issuer.kid})
        assert seen(auth, self.cookies(forged)) == "token-invalid-signature"
        over = issuer.sign(claims(azp=PARTY, iat=int(NOON) - 6, exp=int(NOON) - 6))
        assert seen(auth, self.cookies(over, uat=int(NOON) - 9)) == "token-expired"
        early = issuer.sign(claims(azp=PARTY, nbf=int(NOON) + 6))
        assert seen(auth, self.cookies(early)) == "token-not-active-yet"

    @pytest.mark.parametrize(
        ("headers", "let_in"),
        [
            ({}, True),
            ({"sec_fetch_site": "same-origin"}, True),
            ({"origin": PARTY}, True),
            ({"origin": "https://evil.example"}, False),
            ({"origin": "https://evil.example", "sec_fetch_site": "cross-site"}, False),
            ({"sec_fetch_site": "cross-site"}, False),
            ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, True),
            ({"method": "POST"}, False),
            ({"method": "POST", "origin": PARTY}, True),
            ({"method": "POST", "origin": "null"}, False),
            ({"method": "POST", "sec_fetch_site": "same-site"}, False),
            ({"method": "POST", "sec_fetch_site": "same-origin"}, True),
            (
                {"method": "POST", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
                False,
            ),
            ({"kind": "websocket"}, False),
            ({"kind": "websocket", "origin": PARTY}, True),
            ({"kind": "websocket", "origin": "https://evil.example"}, False),
        ],
    )
    def test_another_sites_page_can_not_use_a_cookie(self, auth, issuer, headers, let_in):
        found = seen(auth, self.cookies(issuer.sign(claims()), **headers))

        assert (found != "cookie-origin-untrusted") is let_in

    def test_an_applications_own_suffixed_cookies_come_first(self, auth_with, issuer):
        auth = auth_with(authorized_parties=[PARTY], publishable_key=PK.text)
        ours = issuer.sign(claims(sub="user_ours", iss=f"https://{PK.frontend_api}"))
        other = issuer.sign(claims(iss="https://other.example"))
        suffix = PK.cookie_suffix
        scope = request(
            cookie=f"__session={other}; __client_uat=5; "
            f"__session_{suffix}={ours}; __client_uat_{suffix}=5"
        )

        assert seen(auth, scope).user_id == "user_ours"


class TestWebSockets:
    def test_a_browser_sends_its_token_as_a_subprotocol(self, auth_with, issuer):
        token = issuer.sign(claims())
        scope = request(kind="websocket", sec_websocket_protocol=f"chat, doorward.bearer, {token}")

        assert seen(auth_with(), scope).user_id == "user_1"

    @pytest.mark.parametrize("protocols", ["chat", "doorward.bearer", "chat, doorward.bearer"])
    def test_a_subprotocol_without_a_token_is_no_credential(self, auth_with, protocols):
        scope = request(kind="websocket", sec_websocket_protocol=protocols)

        assert seen(auth_with(), scope) == "session-token-and-uat-missing"

    def test_a_request_has_no_subprotocols(self, auth_with, issuer):
        scope = request(sec_websocket_protocol=f"doorward.bearer, {issuer.sign(claims())}")

        assert seen(auth_with(), scope) == "session-token-and-uat-missing"


class TestOpaqueTokens:
    """Clerk's Backend API answers as its OpenAPI document says; nothing of ours is replaced."""

    KEY: ClassVar = {
        "object": "api_key",
        "id": "ak_1",
        "subject": "user_1",
        "scopes": ["files:read"],
        "claims": {"team": "a"},
        "revoked": False,
        "expired": False,
        "expiration": None,
        "created_at": int(NOON * 1000) - 5,
    }

    @pytest.fixture
    def clerk(self, auth_with, clock):
        class Clerk:
            def __init__(self):
                self.answer, self.status, self.asked = dict(TestOpaqueTokens.KEY), 200, []
                self.auth = auth_with(accepts=EVERY_KIND, secret_key="sk_test_secret")
                self.auth.authenticator._opaque = OpaqueTokens(
                    "https://api.clerk.example",
                    "sk_test_secret",
                    clock,
                    machine_secret_key="ak_machine",
                    transport=httpx2.MockTransport(self.handle),
                )

            def handle(self, request):
                self.asked.append(request)
                if self.status is None:
                    raise httpx2.ConnectError("no route")
                if isinstance(self.answer, bytes):
                    return httpx2.Response(self.status, content=self.answer)
                return httpx2.Response(self.status, json=self.answer)

            def see(self, token="ak_secret"):  # noqa: S107 - made up
                return seen(self.auth, bearer(token))

        return Clerk()

    def answered(self, auth_with, answer, token, **options):
        """What is made of an answer of Clerk's that comes over real HTTP."""
        with ServedKeys() as clerk:
            clerk.posted = answer
            auth = auth_with(
                accepts=EVERY_KIND, secret_key="sk_test_x", api_url=clerk.api_url, **options
            )

            async def ask():
                try:
                    return await auth.authenticate(bearer(token))
                except Refusal as refusal:
                    return refusal.reason
                finally:
                    await auth.aclose()

            return asyncio.run(ask())

    def test_an_api_key_gives_whom_it_speaks_for(self, clerk):
        who = clerk.see()

        assert (who.user_id, who.token_type, who.credential_id) == ("user_1", "api_key", "ak_1")
        assert who.scopes == {"files:read"}
        assert who.claims == {"team": "a"}
        sent = clerk.asked[0]
        assert (sent.method, sent.url.path) == ("POST", "/api_keys/verify")
        assert sent.headers["authorization"] == "Bearer sk_test_secret"
        assert sent.read() == b'{"secret":"ak_secret"}'

    def test_an_organizations_key_gives_the_organization(self, clerk):
        clerk.answer |= {"subject": "org_1", "claims": None}

        assert (clerk.see().user_id, clerk.see().org_id) == (None, "org_1")

    def test_a_machines_token_is_asked_about_with_the_machines_key(self, clerk):
        clerk.answer |= {"object": "machine_to_machine_token", "subject": "mch_1"}

        assert clerk.see("mt_secret").machine_id == "mch_1"
        assert clerk.asked[0].headers["authorization"] == "Bearer ak_machine"
        assert clerk.asked[0].url.path == "/m2m_tokens/verify"

    def test_an_oauth_tokens_times_are_in_seconds(self, clerk, clock):
        clerk.answer |= {
            "object": "clerk_idp_oauth_access_token",
            "client_id": "client_1",
            "expiration": NOON + 5,
            "act": {"sub": "agent_1"},
        }

        assert clerk.see("oat_secret").client_id == "client_1"
        clock.advance(seconds=5)
        assert clerk.see("oat_secret") == "token-invalid"

    @pytest.mark.parametrize(
        ("audience", "expected"),
        [
            (..., "token-verification-failed"),
            ("other", "token-verification-failed"),
            (["api", ""], "token-verification-failed"),
            (["api", 7], "token-verification-failed"),
            ("api", None),
            (["other", "api"], None),
        ],
    )
    def test_an_oauth_token_must_name_the_audience_that_is_asked_for_however_it_is_made(
        self, auth_with, audience, expected
    ):
        named = {} if audience is ... else {"aud": audience}
        answer = self.KEY | {"object": "clerk_idp_oauth_access_token"} | named
        found = self.answered(auth_with, answer, "oat_secret", audience="api")

        assert found == expected or (expected is None and found.user_id == "user_1")

    def test_an_audience_is_no_matter_of_keys_and_of_machines(self, auth_with):
        machine = self.KEY | {"object": "machine_to_machine_token", "subject": "mch_1"}

        key = self.answered(auth_with, self.KEY, "ak_secret", audience="api")
        assert key.user_id == "user_1"
        token = self.answered(auth_with, machine, "mt_secret", audience="api")
        assert token.machine_id == "mch_1"

    @pytest.mark.parametrize(
        "odd",
        [
            {"object": "session"},
            {"revoked": True},
            {"revoked": None},
            {"expired": True},
            {"active": False},
            {"expiration": NOON * 1000},
            {"expiration": "never"},
            {"expiration": 10**400},
            {"expiration": True},
            {"subject": "client_1"},
            {"subject": 7},
        ],
    )
    def test_an_answer_is_believed_only_whole(self, clerk, odd):
        clerk.answer |= odd

        assert clerk.see() == "token-invalid"

    @pytest.mark.parametrize(
        ("status", "answer", "reason"),
        [
            (401, {}, "secret-key-invalid"),
            (404, {}, "token-invalid"),
            (500, {}, "unexpected-error"),
            (None, {}, "unexpected-error"),
            (200, b"[]", "unexpected-error"),
            (200, b"<html>", "unexpected-error"),
            (200, b"x" * (2 << 20), "unexpected-error"),
        ],
    )
    def test_a_failure_is_told_from_a_bad_token(self, clerk, status, answer, reason):
        clerk.status, clerk.answer = status, answer

        assert clerk.see() == reason

    def test_every_use_is_asked_about_so_that_a_revocation_acts_at_once(self, clerk):
        clerk.see()
        clerk.answer["revoked"] = True

        assert clerk.see() == "token-invalid"
        assert len(clerk.asked) == 2

    def test_an_unknown_token_is_not_asked_about_again_for_some_seconds(self, clerk, clock):
        clerk.status = 404
        assert [clerk.see() for _ in range(5)] == ["token-invalid"] * 5
        assert len(clerk.asked) == 1

        clock.advance(seconds=11)
        clerk.see()
        assert len(clerk.asked) == 2

    def test_unknown_tokens_are_remembered_in_bounds(self, clerk):
        clerk.status = 404
        for number in range(1002):
            clerk.see(f"ak_{number}")

        assert len(clerk.auth.authenticator._opaque._unknown) == 1000

    def test_what_can_not_be_a_token_is_never_asked_about(self, clerk):
        for odd in ("ak_", "ak_a b", "ak_é", "mt_" + "x" * 600):
            assert clerk.see(odd.replace(" ", "%")) == "token-invalid"
        assert clerk.asked == []

    def test_after_failures_clerk_is_left_alone_for_a_while(self, clerk, clock):
        clerk.status = 500
        assert [clerk.see() for _ in range(8)] == ["unexpected-error"] * 8
        assert len(clerk.asked) == 5

        clock.advance(seconds=11)
        clerk.status = 200
        assert clerk.see().user_id == "user_1"

    def test_requests_with_one_token_at_once_ask_once(self, clerk):
        async def at_once():
            asking = [clerk.auth.authenticate(bearer("ak_secret")) for _ in range(20)]
            found = await asyncio.gather(*asking)
            await clerk.auth.aclose()
            return found

        assert {who.user_id for who in asyncio.run(at_once())} == {"user_1"}
        assert len(clerk.asked) == 1

    def test_threads_with_event_loops_of_their_own_each_ask(self, clerk):
        both_asked = threading.Barrier(2, timeout=5)

        async def handle(request):
            await asyncio.to_thread(both_asked.wait)
            return clerk.handle(request)

        clerk.auth.authenticator._opaque = OpaqueTokens(
            "https://api.clerk.example",
            "sk_test_secret",
            Clock(),
            transport=httpx2.MockTransport(handle),
        )
        with ThreadPoolExecutor(2) as pool:
            found = [pool.submit(clerk.see) for _ in range(2)]

        assert {one.result().user_id for one in found} == {"user_1"}

    def test_one_connection_serves_tokens_one_after_another(self, clerk):
        async def one_by_one():
            for token in ("ak_one", "ak_two"):
                await clerk.auth.authenticate(bearer(token))
            http = clerk.auth.authenticator._opaque._http
            kept = len(http._clients)
            await clerk.auth.aclose()
            return kept, len(http._clients)

        assert asyncio.run(one_by_one()) == (1, 0)

    def test_a_kind_that_is_not_accepted_is_never_asked_about(self, auth_with):
        auth = auth_with(accepts=["session_token", "m2m_token"])

        assert seen(auth, bearer("ak_secret")) == "token-type-mismatch"
        assert seen(auth, bearer("mt_secret")) == "token-type-mismatch"  # no secret key to ask by
        asyncio.run(auth.aclose())


class TestNobody:
    @pytest.mark.parametrize(
        ("accepts", "reason"),
        [
            (["m2m_token"], "No token in header"),
            (["m2m_token", "oauth_token"], "token-type-mismatch"),
            (["session_token", "m2m_token"], "session-token-and-uat-missing"),
        ],
    )
    def test_without_a_credential_the_reason_is_clerks_and_optional_gives_none(
        self, auth_with, accepts, reason
    ):
        auth = auth_with(accepts=accepts)

        assert seen(auth, request()) == reason
        assert asyncio.run(auth.authenticator.authenticate_optional(request())) is None

    def test_a_bad_credential_is_never_nobody(self, auth_with, issuer):
        auth = auth_with(accepts=["m2m_token", "oauth_token"])

        for token in ("garbage", issuer.sign(claims())):
            with pytest.raises(NotAuthenticated):
                asyncio.run(auth.authenticator.authenticate_optional(bearer(token)))


class TestWhoIsStillThere:
    def test_a_caller_is_judged_again_by_time_and_revocation(self, auth_with, issuer, clock):
        revocations = Revocations(MemoryState(clock), now=clock)
        auth = auth_with(revocation=revocations)
        who = seen(auth, bearer(issuer.sign(claims())))

        async def reason():
            try:
                await auth.authenticator.still_valid(who)
            except Refusal as refusal:
                return refusal.reason
            return None

        assert asyncio.run(reason()) is None
        asyncio.run(revocations.revoke_session("sess_1"))
        assert asyncio.run(reason()) == "session-revoked"
        clock.advance(seconds=65)
        assert asyncio.run(reason()) == "token-expired"

    def test_without_a_revocation_only_time_counts(self, auth_with, issuer, clock):
        auth = auth_with()
        who = seen(auth, bearer(issuer.sign(claims())))

        asyncio.run(auth.authenticator.still_valid(who))
        clock.advance(seconds=65)
        with pytest.raises(NotAuthenticated):
            asyncio.run(auth.authenticator.still_valid(who))


def test_a_pending_session_can_be_let_in_where_that_was_said(auth_with, issuer):
    token = issuer.sign(claims(sts="pending"))

    assert seen(auth_with(), bearer(token)) == "session-pending"
    auth = auth_with(pending_is_signed_out=False)
    assert seen(auth, bearer(token)).session_status == "pending"


def test_what_can_not_be_verified_fails_when_it_is_set_up(auth_with):
    with pytest.raises(ConfigurationError, match="CLERK_SECRET_KEY"):
        auth_with(accepts=["api_key"])
    for odd in (["session"], []):
        with pytest.raises(ConfigurationError, match="accepts takes"):
            auth_with(accepts=odd)
    assert auth_with(accepts="session_token")


def test_a_token_can_be_verified_by_itself_and_a_question_is_checked(auth_with, issuer):
    auth = auth_with()

    assert asyncio.run(auth.verify(issuer.sign(claims()))).user_id == "user_1"
    with pytest.raises(Refusal, match="role org:admin"):
        asyncio.run(auth.authorize(bearer(issuer.sign(claims())), {"role": "org:admin"}))
    with pytest.raises(TypeError):
        check_question({"rolle": "x"})


def test_keys_that_must_be_fetched_are_waited_for(issuer, clock):
    def answer(_):
        return httpx2.Response(200, json=issuer.jwks())

    auth = ClerkAuth(jwks_url="https://clerk.example/jwks", authorized_parties=[PARTY], now=clock)
    auth.authenticator.verifier.keys = RemoteKeys(
        "https://clerk.example/jwks", clock, transport=httpx2.MockTransport(answer)
    )

    assert seen(auth, bearer(issuer.mint("alice"))).user_id == "user_alice"
    asyncio.run(auth.warm_up())


def test_an_answer_carries_all_that_asgi_needs():
    status, headers, body = Unavailable("jwk-remote-failed-to-load").encoded()

    assert status == 503
    assert dict(headers)[b"retry-after"] == b"5"
    assert dict(headers)[b"content-length"] == str(len(body)).encode()
    assert b"jwk" not in body


class TestAnotherIssuer:
    """Any OpenID provider that signs with RS256: its tokens know nothing of Clerk's header."""

    ISSUER = "https://login.example.com/realms/staff"

    @pytest.fixture
    def auth(self, stranger, clock):
        auth = ClerkAuth(
            jwks_url=f"{self.ISSUER}/certs", issuer=self.ISSUER, audience="api", now=clock
        )
        auth.authenticator.verifier.keys = RemoteKeys(
            f"{self.ISSUER}/certs",
            clock,
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=stranger.jwks())),
        )
        return auth

    def token(self, stranger, **more):
        body = {"sub": "0f3c-17", "iss": self.ISSUER, "aud": ["api", "account"], "azp": "web"}
        return signed(
            {"alg": "RS256", "kid": stranger.kid}, claims(sid=...) | body | more, stranger
        )

    def test_is_trusted_by_its_keys_and_its_name(self, auth, stranger):
        who = seen(auth, bearer(self.token(stranger)))

        assert (who.user_id, who.session_id, who.org_id) == ("0f3c-17", None, None)

    @pytest.mark.parametrize(
        ("odd", "reason"),
        [
            ({"iss": "https://login.example.com/realms/other"}, "token-invalid-issuer"),
            ({"iss": ["https://login.example.com/realms/staff"]}, "token-invalid-issuer"),
            ({"aud": "elsewhere"}, "token-verification-failed"),
            ({"exp": int(NOON) - 5}, "token-expired"),
        ],
    )
    def test_says_for_whom_and_until_when(self, auth, stranger, odd, reason):
        assert seen(auth, bearer(self.token(stranger, **odd))) == reason

    def test_is_not_spoken_for_by_anybody_else(self, auth, issuer, stranger):
        foreign = issuer.sign(claims(iss=self.ISSUER, aud="api"), {"kid": stranger.kid})

        assert seen(auth, bearer(foreign)) == "token-invalid-signature"


def test_a_remembered_token_is_judged_by_everything_that_can_change(auth_with, issuer, clock):
    revocations = Revocations(MemoryState(clock), now=clock)
    auth, token = auth_with(revocation=revocations), issuer.sign(claims())
    assert seen(auth, bearer(token)) is seen(auth, bearer(token))  # remembered

    asyncio.run(revocations.revoke_session("sess_1"))
    assert seen(auth, bearer(token)) == "session-revoked"

    clock.advance(seconds=65)
    assert seen(auth, bearer(token)) == "token-expired"


@pytest.mark.parametrize("header", [{}, M2M, {"typ": "at+jwt"}])
def test_what_one_request_changes_in_its_claims_no_other_request_sees(auth_with, issuer, header):
    subject = "mch_1" if header is M2M else "user_1"
    more = {"metadata": {"role": "user"}, "list": [[1]], "act": {"sub": "user_2", "x": {"y": 1}}}
    auth = auth_with(accepts=EVERY_KIND, secret_key="sk_test_placeholder")
    token = issuer.sign(claims(sub=subject) | more, header)

    for _ in range(2):
        who = seen(auth, bearer(token))
        assert who.claims["metadata"] == {"role": "user"}
        assert who.claims.get("list") == [[1]]
        who.claims["metadata"]["role"] = "admin"
        who.claims.get("list")[0].append(2)
        dict(who.claims)["metadata"]["role"] = "admin"
        for value in who.claims.values():
            if isinstance(value, dict):
                value["role"] = "admin"
        if who.actor is not None:
            who.actor["x"]["y"] = 2
            assert who.actor == {"sub": "user_2", "x": {"y": 1}}
        with pytest.raises(TypeError):
            who.claims["role"] = "admin"


def test_two_tokens_that_differ_in_one_letter_are_never_taken_for_each_other(auth_with, issuer):
    auth, token = auth_with(), issuer.sign(claims())
    assert seen(auth, bearer(token)).user_id == "user_1"

    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        assert isinstance(seen(auth, bearer(token[:place] + other + token[place + 1 :])), str)


def test_a_remembered_token_is_refused_when_the_clock_turns_out_to_have_been_ahead(
    auth_with, issuer, clock
):
    auth, token = auth_with(), issuer.sign(claims(nbf=int(NOON)))
    assert seen(auth, bearer(token)).user_id == "user_1"

    clock.advance(seconds=-6)

    assert seen(auth, bearer(token)) == "token-not-active-yet"


def test_what_is_shown_of_a_token_holds_nothing_that_lets_one_in(auth_with, issuer):
    token = issuer.sign(claims())
    opened = auth_with().authenticator.verifier.open(token.encode())

    shown = f"{opened!r} {opened.claims!r}"
    assert not any(part[:8] in shown for part in token.split("."))
