"""The known attacks on JSON Web Tokens, each tried on the guard as an application sets it up.

Every forged token would be good but for the one thing that its test is about. Keys come from a
real JWKS address, which also tells whether a token made the guard fetch them.
"""

import asyncio
import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clerk.served import ServedKeys
from doorward.asgi import ClerkAuth
from doorward.clerk.refusals import NotAuthenticated
from support import NOON, Clock

PARTY = "https://app.example.com"
EVERY_KIND = ("session_token", "m2m_token", "oauth_token")
CLAIMS = {
    "sub": "user_1",
    "sid": "sess_1",
    "iat": int(NOON),
    "exp": int(NOON) + 60,
    "azp": PARTY,
    "jti": "first",
}


@pytest.fixture
def served(issuer):
    with ServedKeys(issuer) as keys:
        yield keys


@pytest.fixture
def auth(served):
    return ClerkAuth(jwks_url=served.url, authorized_parties=[PARTY], now=Clock())


@pytest.fixture
def reason(auth):
    """Give the reason for which a token is refused in a header, None for one that is let in."""

    def reason(token, guard=auth):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        scope["headers"] = [(b"authorization", b"Bearer " + token.encode("latin-1", "replace"))]
        return judged(guard, scope)

    return reason


def judged(guard, scope) -> str | None:
    try:
        asyncio.run(guard.authenticate(scope))
    except NotAuthenticated as refusal:
        return refusal.reason
    return None


def segment(value) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def signed_by(key, header: bytes | dict, payload: bytes | dict) -> str:
    """Sign any bytes with RS256, whatever they say."""
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


@pytest.fixture
def header(issuer) -> dict:
    return {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"}


@pytest.fixture
def good(issuer, header) -> str:
    return signed_by(issuer._key, header, CLAIMS)


def test_the_token_that_the_attacks_start_from_is_good(reason, good):
    assert reason(good) is None


class TestTheAlgorithmIsOurs:
    """A token does not choose how it is verified, and one that tries costs no fetch of keys."""

    @pytest.mark.parametrize(
        "spelling", ["none", "None", "NONE", "nOnE", "none ", " none", "none\x00", "", "null"]
    )
    @pytest.mark.parametrize("signature", ["", "AA", "kept"])
    def test_no_spelling_of_none_lets_an_unsigned_token_in(
        self, reason, served, good, header, spelling, signature
    ):
        kept = good.rpartition(".")[2] if signature == "kept" else signature
        forged = f"{segment(header | {'alg': spelling})}.{segment(CLAIMS)}.{kept}"

        assert reason(forged) == "token-invalid-algorithm"
        assert served.asked == 0

    @pytest.mark.parametrize("odd", [None, True, 0, [], ["RS256"], {"RS256": 1}, {}])
    def test_an_algorithm_that_is_no_text_is_refused(self, reason, served, issuer, header, odd):
        assert reason(issuer.sign(CLAIMS, {"alg": odd})) == "token-invalid-algorithm"
        del header["alg"]
        assert reason(signed_by(issuer._key, header, CLAIMS)) == "token-invalid-algorithm"
        assert served.asked == 0

    @pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
    @pytest.mark.parametrize("form", ["pem", "pem-stripped", "der", "pkcs1", "n", "jwk"])
    def test_the_public_key_is_no_secret_of_an_hmac(
        self, reason, served, issuer, header, name, form
    ):
        public = issuer._key.public_key()
        secret = {
            "pem": issuer.public_key_pem.encode(),
            "pem-stripped": issuer.public_key_pem.strip().encode(),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "pkcs1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            "n": issuer.jwks()["keys"][0]["n"].encode(),
            "jwk": json.dumps(issuer.jwks()["keys"][0]).encode(),
        }[form]
        signed = f"{segment(header | {'alg': name.replace('sha', 'HS')})}.{segment(CLAIMS)}"
        forged = f"{signed}.{segment(hmac.digest(secret, signed.encode(), name))}"

        assert reason(forged) == "token-invalid-algorithm"
        assert served.asked == 0

    @pytest.mark.parametrize(
        "spelling", ["rs256", "RS256 ", "Rs256", "RSA256", "RS2 56", "R\u017f256"]
    )
    def test_another_spelling_of_the_good_algorithm_is_refused(
        self, reason, served, issuer, spelling
    ):
        assert reason(issuer.sign(CLAIMS, {"alg": spelling})) == "token-invalid-algorithm"
        assert served.asked == 0

    @pytest.mark.parametrize(("name", "digest"), [("RS384", SHA384()), ("RS512", SHA512())])
    def test_a_longer_digest_is_refused_though_the_right_key_signed(
        self, reason, issuer, header, name, digest
    ):
        signed = f"{segment(header | {'alg': name})}.{segment(CLAIMS)}"
        signature = issuer._key.sign(signed.encode(), padding.PKCS1v15(), digest)

        assert reason(f"{signed}.{segment(signature)}") == "token-verification-failed"
        assert reason(issuer.sign(CLAIMS, {"alg": name})) == "token-verification-failed"

    def test_another_padding_is_refused_though_the_right_key_signed(self, reason, issuer, header):
        scheme = padding.PSS(padding.MGF1(SHA256()), 32)
        for name, expected in (
            ("PS256", "token-invalid-algorithm"),
            ("RS256", "token-invalid-signature"),
        ):
            signed = f"{segment(header | {'alg': name})}.{segment(CLAIMS)}"
            signature = issuer._key.sign(signed.encode(), scheme, SHA256())
            assert reason(f"{signed}.{segment(signature)}") == expected

    def test_an_elliptic_key_of_the_attackers_own_is_refused(self, reason, served, header):
        own = ec.generate_private_key(ec.SECP256R1())
        signed = f"{segment(header | {'alg': 'ES256'})}.{segment(CLAIMS)}"
        r, s = decode_dss_signature(own.sign(signed.encode(), ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")

        assert reason(f"{signed}.{segment(signature)}") == "token-invalid-algorithm"
        assert reason(f"{signed}.{segment(bytes(64))}") == "token-invalid-algorithm"
        assert served.asked == 0


class TestTheKeyIsOurs:
    """Neither a key in the token nor an address of one is ever looked at."""

    def test_a_key_in_the_header_verifies_nothing(self, reason, stranger, header):
        for key in (stranger.jwks()["keys"][0], stranger.public_key_pem, stranger.jwks()):
            forged = signed_by(stranger._key, header | {"jwk": key}, CLAIMS)
            assert reason(forged) == "token-invalid-signature"

    @pytest.mark.parametrize("name", ["jku", "x5u"])
    def test_an_address_of_keys_in_the_header_is_never_asked(self, reason, stranger, header, name):
        with ServedKeys(stranger) as theirs:
            forged = signed_by(stranger._key, header | {name: theirs.url}, CLAIMS)
            assert reason(forged) == "token-invalid-signature"
            forged = signed_by(stranger._key, header | {name: theirs.url, "kid": "x"}, CLAIMS)
            assert reason(forged) == "jwk-kid-mismatch"

            assert theirs.asked == 0

    def test_a_certificate_in_the_header_verifies_nothing(self, reason, stranger, header):
        der = stranger._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        for chain in ([b64encode(der).decode()], b64encode(der).decode(), [], [5]):
            forged = signed_by(stranger._key, header | {"x5c": chain}, CLAIMS)
            assert reason(forged) == "token-invalid-signature"

    def test_a_stranger_who_knows_the_key_id_gets_nowhere(self, reason, stranger, header):
        assert reason(signed_by(stranger._key, header, CLAIMS)) == "token-invalid-signature"

    @pytest.mark.parametrize(
        "kid",
        [
            "../../../../dev/null",
            "/etc/passwd",
            "file:///dev/null",
            "ins_1' OR '1'='1",
            "ins_1; DROP TABLE keys",
            "http://127.0.0.1:1/keys",
            "ins_1\x00",
            "\x00",
            "",
            "__proto__",
            "{ins_1}",
            "%s%n",
            "\U0001f511",
            "k" * 9000,
        ],
    )
    def test_a_key_id_is_looked_up_and_nothing_else(self, reason, served, stranger, kid):
        forged = signed_by(stranger._key, {"alg": "RS256", "kid": kid}, CLAIMS)

        assert reason(forged) == "jwk-kid-mismatch"
        assert served.asked == 1

    @pytest.mark.parametrize("kid", [0, 1.5, True, ["ins_1"], {"ins_1": 1}, [[]]])
    def test_a_key_id_that_is_no_text_is_refused_and_costs_no_fetch(
        self, reason, served, issuer, kid
    ):
        assert reason(issuer.sign(CLAIMS, {"kid": kid})) == "token-invalid"
        assert served.asked == 0

    def test_a_token_without_a_key_id_names_no_key(self, reason, issuer):
        assert reason(signed_by(issuer._key, {"alg": "RS256"}, CLAIMS)) == "jwk-kid-mismatch"
        assert reason(issuer.sign(CLAIMS, {"kid": None})) == "jwk-kid-mismatch"


class TestTheSignatureIsOverTheseBytes:
    def test_a_stripped_signature_is_refused(self, reason, good):
        signed = good.rpartition(".")[0]

        assert reason(f"{signed}.") == "token-invalid-signature"
        assert reason(signed) == "token-invalid"

    def test_the_signature_of_another_token_is_refused(self, reason, issuer, header, good):
        other = signed_by(issuer._key, header, CLAIMS | {"sub": "user_2"})
        signed, signature = other.rpartition(".")[0], good.rpartition(".")[2]

        assert reason(good) is None
        assert reason(other) is None
        assert reason(f"{signed}.{signature}") == "token-invalid-signature"

    def test_claims_written_another_way_are_refused(self, reason, good):
        header, _, signature = good.split(".")
        for rewritten in (
            json.dumps(CLAIMS, separators=(",", ":")).encode(),
            json.dumps(CLAIMS).encode() + b" ",
            json.dumps(dict(reversed(CLAIMS.items()))).encode(),
        ):
            assert reason(f"{header}.{segment(rewritten)}.{signature}") == "token-invalid-signature"

    @pytest.mark.parametrize("changed", [lambda s: s[:-1], lambda s: b"\x00" + s, lambda s: s + s])
    def test_a_signature_of_another_length_is_refused(self, reason, issuer, header, changed):
        signed = f"{segment(header)}.{segment(CLAIMS)}"
        signature = issuer._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())

        assert reason(f"{signed}.{segment(changed(signature))}") == "token-invalid-signature"

    @pytest.mark.parametrize("number", [0, 1, "n", "n-1", "n+s"])
    def test_a_signature_that_is_a_number_of_its_own_kind_is_refused(
        self, reason, issuer, header, number
    ):
        n = issuer._key.public_key().public_numbers().n
        signed = f"{segment(header)}.{segment(CLAIMS)}"
        true = issuer._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        value = {"n": n, "n-1": n - 1, "n+s": n + int.from_bytes(true, "big")}.get(number, number)
        signature = value.to_bytes(max(256, (value.bit_length() + 7) // 8), "big")

        assert reason(f"{signed}.{segment(signature)}") == "token-invalid-signature"


class TestATokenHasOneForm:
    """What has two forms can be seen as two things by two programs, so it is refused."""

    @pytest.mark.parametrize(
        "form",
        [
            "{h}=.{p}.{s}",
            "{h}.{p}==.{s}",
            "{h}.{p}.{s}==",
            "{h}.{p}.{spare}",
            "{h}.{p}.{short}+/",
            "{h}.{p}.{s}\n",
            "{h}.{p}.{s}\r",
            "{h}.{p}.\x0b{s}",
            "{h}.\x00{p}.{s}",
            "{h}.{p}.{s}\xa0",
            "{h}.%20{p}.{s}",
            "{h}.{p}.{s}AAA",
            "{h}\uff0e{p}.{s}",
            "{h}.{p}",
            "{h}.{p}.{s}.",
            ".{h}.{p}.{s}",
            "{h}.{p}.{s}.{s}.{s}",
            "{h}.{s}.{p}.{s}.{s}",
            "{h}..{s}",
            ".{p}.{s}",
            "..",
            "....",
            ".",
            '"{h}.{p}.{s}"',
            '{{"payload":"{p}","protected":"{h}","signature":"{s}"}}',
        ],
    )
    def test_another_form_of_a_good_token_is_refused(self, reason, served, good, form):
        h, p, s = good.split(".")
        # The last of 342 letters carries four bits that must be zero.
        odd = form.format(h=h, p=p, s=s, short=s[:-2], spare=s[:-1] + chr(ord(s[-1]) + 1))

        assert reason(odd) == "token-invalid"
        assert served.asked == 0

    @pytest.mark.parametrize("blank", [" ", "\t", " x"])
    def test_blanks_around_a_token_are_refused(self, reason, good, served, blank):
        exact = ClerkAuth(jwks_url=served.url, now=Clock(), bearer_exactly=True)

        assert reason(f"{good}{blank}", exact) == "token-invalid"
        assert reason(f"{blank}{good}", exact) == "token-invalid"
        assert reason(f"{blank}{good}") == "token-invalid"

    def test_an_encrypted_token_is_refused_though_it_is_signed_inside(self, reason, served, good):
        first = segment({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"})
        encrypted = f"{first}.{segment(b'k' * 256)}.{segment(b'i' * 12)}.{good.split('.')[1]}"

        assert reason(f"{encrypted}.{segment(b't' * 16)}") == "token-invalid"
        assert served.asked == 0

    def test_of_a_doubled_member_the_last_counts_for_us_as_for_clerk(self, reason, issuer, header):
        kid = issuer.kid
        doubled = f'{{"alg":"none","alg":"RS256","kid":"x","kid":"{kid}"}}'.encode()
        assert reason(signed_by(issuer._key, doubled, CLAIMS)) is None
        doubled = f'{{"alg":"RS256","alg":"none","kid":"{kid}"}}'.encode()
        assert reason(signed_by(issuer._key, doubled, CLAIMS)) == "token-invalid-algorithm"

        body = json.dumps(CLAIMS)[:-1]
        late = f'{body},"exp":{int(NOON) - 60}}}'.encode()
        assert reason(signed_by(issuer._key, header, late)) == "token-expired"
        other = f'{body},"azp":"https://evil.example"}}'.encode()
        assert reason(signed_by(issuer._key, header, other)) == "token-invalid-authorized-parties"

    @pytest.mark.parametrize(
        "broken",
        [
            b"",
            b"null",
            b"[]",
            b'"x"',
            b"7",
            b"true",
            b"{",
            b"{}{}",
            b"{'alg':'RS256'}",
            b'{"alg":"RS256"}\x00',
            b'\xef\xbb\xbf{"alg":"RS256"}',
            b'{"alg":"RS256","x":"\xff"}',
            b'{"alg":"RS256","x":"\xc0\xaf"}',
            b'{"alg":"RS256","x":"\\ud800"}',
            b'{"alg":"RS256","x":NaN}',
            b'{"alg":"RS256","x":Infinity}',
            b'{"alg":"RS256","x":-Infinity}',
            b'{"alg":"RS256","x":1e999}',
            b'{"alg":"RS256","x":01}',
            b'{"alg":"RS256","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
            b'{"alg":"RS256","x":' + b'{"x":' * 1500 + b"1" + b"}" * 1501,
            b'{"alg":"RS256","x":' + b"9" * 5000 + b"}",
        ],
    )
    def test_what_is_no_json_object_in_utf8_is_refused(
        self, reason, served, issuer, header, broken
    ):
        assert reason(signed_by(issuer._key, broken, CLAIMS)) == "token-invalid"
        assert reason(signed_by(issuer._key, header, broken)) == "token-invalid"
        assert served.asked == 0

    def test_a_token_over_16_kib_is_refused_and_one_below_is_taken(
        self, reason, served, issuer, header
    ):
        empty = len(signed_by(issuer._key, header, CLAIMS | {"x": ""}))
        room = (16 * 1024 - empty) * 3 // 4
        large = signed_by(issuer._key, header, CLAIMS | {"x": "x" * (room + 9)})
        assert len(large) > 16 * 1024
        assert reason(large) == "token-invalid"
        assert reason("e" * (1 << 20)) == "token-invalid"
        assert served.asked == 0

        fits = signed_by(issuer._key, header, CLAIMS | {"x": "x" * (room - 9)})
        assert reason(fits) is None

    @pytest.mark.parametrize("extension", [["exp"], ["b64"], ["x"], [], "exp", None, {}])
    def test_extensions_that_must_be_understood_are_refused(
        self, reason, served, issuer, extension
    ):
        asked = {"crit": extension, "exp": 1, "x": 1}

        assert reason(issuer.sign(CLAIMS, asked)) == "token-invalid"
        assert served.asked == 0

    def test_an_unencoded_payload_is_refused(self, reason, served, issuer, header):
        first = segment(header | {"b64": False, "crit": ["b64"]})
        payload = json.dumps(CLAIMS).replace(".", "")
        signature = issuer._key.sign(f"{first}.{payload}".encode(), padding.PKCS1v15(), SHA256())

        assert reason(f"{first}.{payload}.{segment(signature)}".replace(" ", "")) == "token-invalid"
        assert served.asked == 0


class TestClaimsAreTakenAtTheirType:
    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("odd", ["true", "false", '"9"', "1e20", "-1e20", "[]", "null", "{}"])
    def test_a_time_that_is_no_plausible_number_is_refused(self, reason, issuer, header, name, odd):
        body = json.dumps(CLAIMS)[:-1] + f',"{name}":{odd}}}'

        expected = "token-verification-failed"
        assert reason(signed_by(issuer._key, header, body.encode())) == expected

    @pytest.mark.parametrize("odd", [None, True, 1, ["user_1"], {"user_1": 1}])
    def test_a_subject_that_is_no_text_is_refused(self, reason, issuer, odd):
        assert reason(issuer.sign(CLAIMS | {"sub": odd})) == "token-verification-failed"

    @pytest.mark.parametrize(
        "party",
        [
            f"{PARTY}/",
            f"{PARTY}:443",
            f"{PARTY}.evil.example",
            f"{PARTY}\x00",
            PARTY.upper(),
            PARTY.replace("https", "http"),
            [PARTY],
            {PARTY: 1},
            "",
            None,
            True,
        ],
    )
    def test_a_party_that_only_looks_like_ours_is_refused(self, reason, issuer, party):
        assert reason(issuer.sign(CLAIMS | {"azp": party})) == "token-invalid-authorized-parties"


class TestOneClassIsNotAnother:
    @pytest.mark.parametrize(
        ("header", "claims"),
        [
            ({"cat": "cl_B7d4PD222AAA"}, {}),
            ({"cat": "cl_B7d4PD333AAA"}, {}),
            ({"cat": "cl_B7d4PD333AAA"}, {"sub": "mch_1"}),
            ({}, {"sub": "mch_1"}),
            ({"typ": "at+jwt"}, {}),
            ({"typ": "application/at+jwt"}, {}),
            ({"typ": "AT+JWT"}, {}),
            ({"typ": "jwt"}, {}),
            ({"typ": None}, {}),
            ({"cat": "cl_B7d4PD111AAA "}, {}),
            ({"cat": ["cl_B7d4PD111AAA"]}, {}),
        ],
    )
    def test_no_other_token_counts_as_a_session_and_costs_a_fetch(
        self, reason, served, issuer, header, claims
    ):
        refused = reason(issuer.sign(CLAIMS | claims, header))

        assert refused in {"token-type-mismatch", "token-invalid"}
        assert served.asked == 0

    @pytest.mark.parametrize("token", ["ak_1", "mt_1", "oat_1", "ak_", "oat_x.y.z"])
    def test_an_opaque_token_is_never_asked_about_where_only_sessions_are_taken(
        self, reason, served, token
    ):
        assert reason(token) == "token-type-mismatch"
        assert served.asked == 0

    def test_a_session_is_no_machine_and_no_client(self, reason, served, good):
        machines = ClerkAuth(jwks_url=served.url, accepts=["m2m_token", "oauth_token"], now=Clock())

        assert reason(good, machines) == "token-type-mismatch"
        assert served.asked == 0

    def test_a_token_taken_as_one_class_is_not_remembered_as_another(self, reason, served, issuer):
        guard = ClerkAuth(jwks_url=served.url, accepts=EVERY_KIND, now=Clock())
        client = issuer.sign(CLAIMS, {"typ": "at+jwt"})
        sessions = ClerkAuth(jwks_url=served.url, now=Clock())
        sessions.authenticator.verifier = guard.authenticator.verifier

        assert reason(client, guard) is None
        assert reason(client, sessions) == "token-type-mismatch"


class TestCookies:
    """What a page of another origin, or of a sibling host, can do with cookies."""

    @pytest.fixture
    def seen(self, auth):
        def seen(*cookies, method="GET", kind="http", **headers):
            raw = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
            raw += [(b"cookie", cookie.encode()) for cookie in cookies]
            scope = {"type": kind, "method": method, "path": "/", "headers": raw}
            return judged(auth, scope)

        return seen

    UAT = f"__client_uat={int(NOON)}"

    def test_a_form_of_another_site_can_not_use_a_cookie(self, seen, good):
        cookie = f"__session={good}; {self.UAT}"

        assert seen(cookie, method="POST") == "cookie-origin-untrusted"
        for origin in ("https://evil.example", "null", f"{PARTY}.evil.example", ""):
            for method in ("GET", "POST"):
                refused = seen(cookie, method=method, origin=origin)
                assert refused == "cookie-origin-untrusted", origin
        for site in ("cross-site", "same-site", "SAME-ORIGIN", ""):
            refused = seen(cookie, method="POST", sec_fetch_site=site)
            assert refused == "cookie-origin-untrusted", site

    def test_a_socket_of_another_site_can_not_use_a_cookie(self, seen, good):
        cookie = f"__session={good}; {self.UAT}"

        assert seen(cookie, kind="websocket") == "cookie-origin-untrusted"
        assert seen(cookie, kind="websocket", origin="https://evil.example") == (
            "cookie-origin-untrusted"
        )
        assert seen(cookie, kind="websocket", origin=PARTY) is None

    def test_a_second_cookie_does_not_take_the_place_of_the_first(self, seen, good):
        for cookies in (
            (f"__session=x; __session={good}; {self.UAT}",),
            ("__session=x", f"__session={good}; {self.UAT}"),
        ):
            assert seen(*cookies) == "token-invalid"

    def test_an_encoded_semicolon_makes_no_cookie(self, seen, good):
        assert seen(f"theme=x%3B__session={good}; {self.UAT}") == "client-uat-but-no-session-token"
        assert seen(f'theme="x__session={good}"; {self.UAT}') == "client-uat-but-no-session-token"

    @pytest.mark.parametrize("name", ["__Session", "__session_", "_session", "x__session"])
    def test_a_name_that_only_looks_like_clerks_is_another_cookie(self, seen, good, name):
        assert seen(f"{name}={good}; {self.UAT}") == "client-uat-but-no-session-token"

    def test_whoever_signed_out_is_not_let_in_by_an_older_token(self, seen, good):
        for uat in ("0", "", "x", "-1", "1e9", "٣", f"{int(NOON) + 1}", "9" * 15, "9" * 99):
            assert seen(f"__session={good}; __client_uat={uat}") in {
                "session-token-but-no-client-uat",
                "session-token-iat-before-client-uat",
            }, uat
        assert seen(f"__session={good}") == "session-token-but-no-client-uat"

    def test_a_token_of_a_machine_or_a_client_is_none_in_a_cookie(self, seen, issuer, served):
        for header in ({"typ": "at+jwt"}, {"cat": "cl_B7d4PD222AAA"}):
            token = issuer.sign(CLAIMS, header)
            assert seen(f"__session={token}; {self.UAT}") == "token-type-mismatch"
        assert seen(f"__session=ak_1; {self.UAT}") == "token-invalid"
        assert served.asked == 0

    def test_a_bad_header_is_not_rescued_by_a_good_cookie(self, seen, good):
        cookie = f"__session={good}; {self.UAT}"

        assert seen(cookie) is None
        for header in ("Bearer x", "Bearer ", "Bearer", "Bearer  x", f"Bearer  {good}", "x"):
            assert seen(cookie, authorization=header) == "token-invalid", header


def test_two_authorization_headers_are_refused_though_one_is_good(auth, good):
    for values in ((good, good), (good, "x"), ("x", good)):
        headers = [(b"authorization", b"Bearer " + value.encode()) for value in values]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
        assert judged(auth, scope) == "token-invalid"


def test_an_attack_is_refused_also_when_the_good_token_was_just_seen(reason, good, header):
    assert reason(good) is None
    first, payload, signature = good.split(".")

    assert reason(f"{first}.{segment(CLAIMS | {'sub': 'user_2'})}.{signature}") is not None
    assert reason(f"{segment(header | {'x': 1})}.{payload}.{signature}") is not None
    assert reason(f"{first}.{payload}.{signature[:-4]}AAAA") is not None
    assert reason(f"{first}.{payload}.") is not None
    digest = hashlib.sha256(good.encode()).hexdigest()
    assert reason(digest) == "token-invalid"
