"""The verifier: every reason, in Clerk's order, and the places where it is stricter."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.clerk.claims import Claims
from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.jwks import PemKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from support import NOON

PARTY = "https://app.example.com"


def segment(value) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def claims(**more) -> dict:
    body = {
        "sub": "user_1",
        "sid": "sess_1",
        "iat": int(NOON),
        "nbf": int(NOON) - 10,
        "exp": int(NOON) + 60,
        "azp": PARTY,
    } | more
    return {name: value for name, value in body.items() if value is not ...}


@pytest.fixture
def verify(issuer):
    def verify(token, *, now=NOON, **rules):
        sets = {k: frozenset(v) if isinstance(v, list) else v for k, v in rules.items()}
        verifier = Verifier(PemKey(issuer.public_key_pem), Rules(**sets), lambda: now)
        return verifier.verify_sync(token)

    return verify


@pytest.fixture
def reason(verify):
    """Give the reason of a refusal in Clerk's word, None for a token that is taken."""

    def reason(token, **rules):
        try:
            verify(token, **rules)
        except TokenVerificationError as refusal:
            return str(refusal).rpartition("(reason=")[2].rstrip(")")
        return None

    return reason


def signed_text(issuer, payload: str) -> str:
    """Sign a payload as it stands, which need not be what a JSON library writes."""
    signed = f"{segment({'alg': 'RS256', 'typ': 'JWT'})}.{segment(payload.encode())}"
    return f"{signed}.{segment(issuer._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def test_a_good_token_gives_its_claims(issuer, verify):
    found = verify(issuer.sign(claims(email="a@example.com")))

    assert isinstance(found, Claims)
    assert (found.user_id, found.session_id, found["email"]) == (
        "user_1",
        "sess_1",
        "a@example.com",
    )


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c.d", "..", "a.b.c", "é.b.c", "\ud800.b.c", "x" * 20_000, "." * 9],
)
def test_what_is_not_three_parts_of_base64url_is_invalid(reason, token):
    assert reason(token) == "token-invalid"


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"null", b"[]", b'"x"', b"7", b"\xff{}", b"[" * 9000, b'{"x":"\xff"}']
)
@pytest.mark.parametrize("part", [0, 1])
def test_header_and_payload_must_be_json_objects(issuer, reason, bad, part):
    parts = issuer.sign(claims()).split(".")
    parts[part] = segment(bad)

    assert reason(".".join(parts)) == "token-invalid"


def test_base64url_has_one_form(issuer, reason):
    token = issuer.sign(claims())
    header, payload, signature = token.split(".")
    # The last letter of 342 carries four bits that must be zero.
    spare = signature[:-1] + chr(ord(signature[-1]) + 1)

    for odd in (
        f"{token}==",
        f"{header}.{payload}.{spare}",
        f"{header}.{payload}.{signature}\n",
        f"{header}.{payload}. {signature}",
        f"{header}=.{payload}.{signature}",
        f"{header}.{payload}.{signature[:-2]}+/",
    ):
        assert reason(odd) == "token-invalid"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"cat": "cl_B7d4PD111AAA"}, None),
        ({"cat": "cl_I7d4PD111III"}, None),
        ({"cat": "cl_B7d4PD333AAA"}, "token-invalid"),
        ({"cat": "cl_B7d4PD222AAA"}, "token-type-mismatch"),
        ({"cat": ""}, "token-type-mismatch"),
        ({"cat": None}, "token-type-mismatch"),
        ({"cat": ["cl_B7d4PD111AAA"]}, "token-type-mismatch"),
        ({"typ": "jwt"}, "token-invalid"),
        ({"typ": "at+jwt"}, "token-invalid"),
        ({"typ": "application/at+jwt"}, "token-invalid"),
        ({"typ": None}, "token-invalid"),
        ({"crit": ["exp"]}, "token-invalid"),
        ({"crit": []}, "token-invalid"),
        ({"alg": "none"}, "token-invalid-algorithm"),
        ({"alg": "None"}, "token-invalid-algorithm"),
        ({"alg": "NONE"}, "token-invalid-algorithm"),
        ({"alg": "nOnE"}, "token-invalid-algorithm"),
        ({"alg": ""}, "token-invalid-algorithm"),
        ({"alg": None}, "token-invalid-algorithm"),
        ({"alg": ["RS256"]}, "token-invalid-algorithm"),
        ({"alg": "rs256"}, "token-invalid-algorithm"),
        ({"alg": "HS256"}, "token-invalid-algorithm"),
        ({"alg": "ES256"}, "token-invalid-algorithm"),
        ({"alg": "PS256"}, "token-invalid-algorithm"),
        ({"alg": "RS384"}, "token-verification-failed"),
        ({"alg": "RS512"}, "token-verification-failed"),
        ({"kid": None}, None),
        ({"kid": 5}, "token-invalid"),
        ({"kid": ["ins_1"]}, "token-invalid"),
        ({"kid": {"toString": 1}}, "token-invalid"),
        ({"kid": "../../etc/passwd"}, None),
        ({"oiat": 1}, None),
        ({"x": {"y": [1]}}, None),
    ],
)
def test_the_header_is_judged_by_class_type_and_algorithm(issuer, reason, header, expected):
    assert reason(issuer.sign(claims(), header)) == expected


def test_a_header_without_category_or_type_is_taken(issuer, verify):
    header = segment({"alg": "RS256"})
    signed = f"{header}.{segment(claims())}"
    signature = issuer._key.sign(signed.encode(), PKCS1v15(), SHA256())

    assert verify(f"{signed}.{segment(signature)}").user_id == "user_1"


@pytest.mark.parametrize("algorithm", ["none", "None", "nONE", ""])
def test_an_unsigned_token_is_refused(reason, algorithm):
    token = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims())}."

    assert reason(token) == "token-invalid-algorithm"


def test_the_public_key_is_no_hmac_secret(issuer, reason):
    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims())}"
    mac = hmac.digest(issuer.public_key_pem.encode(), signed.encode(), hashlib.sha256)

    assert reason(f"{signed}.{segment(mac)}") == "token-invalid-algorithm"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along_verifies_nothing(stranger, reason, name):
    brought = {"jwk": stranger.jwks()["keys"][0]}.get(name, "http://127.0.0.1:1/keys")

    assert reason(stranger.sign(claims(), {name: brought})) == "token-invalid-signature"


def test_a_strangers_signature_is_invalid_whatever_the_claims(stranger, reason):
    assert reason(stranger.sign(claims(exp=0, sub=5))) == "token-invalid-signature"


def test_a_tampered_payload_is_invalid(issuer, reason):
    header, _, signature = issuer.sign(claims()).split(".")

    forged = f"{header}.{segment(claims(sub='user_2'))}.{signature}"
    assert reason(forged) == "token-invalid-signature"


@pytest.mark.parametrize("signature", ["", "AA", "A" * 342, "A" * 684])
def test_a_stripped_or_made_up_signature_is_invalid(issuer, reason, signature):
    header, payload, _ = issuer.sign(claims()).split(".")

    assert reason(f"{header}.{payload}.{signature}") == "token-invalid-signature"


@pytest.mark.parametrize("subject", [..., None, 5, True, ["user_1"], {}])
def test_the_subject_must_be_a_text(issuer, reason, subject):
    assert reason(issuer.sign(claims(sub=subject))) == "token-verification-failed"


def test_a_machine_is_no_session(issuer, reason):
    assert reason(issuer.sign(claims(sub="mch_1"))) == "token-type-mismatch"


def test_template_tokens_pass_only_where_they_are_asked_for(issuer, reason):
    token = issuer.sign(claims(), {"cat": "cl_B7d4PD222AAA"})

    assert reason(token) == "token-type-mismatch"
    assert reason(token, templates=True) is None
    assert reason(issuer.sign(claims(), {"cat": "x"}), templates=True) == "token-type-mismatch"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (..., None),
        (None, None),
        ("", None),
        ([], None),
        ("api", None),
        (["other", "api"], None),
        ("other", "token-verification-failed"),
        (["other"], "token-verification-failed"),
        ({"api": 1}, "token-verification-failed"),
        (["api", 5], "token-verification-failed"),
        (5, "token-verification-failed"),
        (True, "token-verification-failed"),
    ],
)
def test_an_audience_is_compared_where_the_token_has_one_and_an_odd_one_never_passes(
    issuer, reason, held, expected
):
    token = issuer.sign(claims(aud=held))

    assert reason(token, audience=["api"]) == expected
    assert reason(token) is None


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (PARTY, None),
        (..., "token-invalid-authorized-parties"),
        (None, "token-invalid-authorized-parties"),
        ("", "token-invalid-authorized-parties"),
        ("https://app.example.com.evil.example", "token-invalid-authorized-parties"),
        (f"{PARTY}/", "token-invalid-authorized-parties"),
        ([PARTY], "token-invalid-authorized-parties"),
    ],
)
def test_the_party_must_be_one_of_the_authorized_when_any_are(issuer, reason, held, expected):
    token = issuer.sign(claims(azp=held))

    assert reason(token, authorized_parties=[PARTY]) == expected
    assert reason(token) is None


@pytest.mark.parametrize("held", [..., None, "https://other.example", ["https://clerk.example"]])
def test_the_issuer_must_be_the_one_that_is_set(issuer, reason, held):
    token = issuer.sign(claims(iss=held))

    if isinstance(held, list):  # unhashable: odd, and refused all the same
        assert reason(token, issuer=["https://clerk.example"]) == "token-invalid-issuer"
    else:
        assert reason(token, issuer=["https://clerk.example"]) == "token-invalid-issuer"
        assert reason(token) is None
    assert reason(issuer.sign(claims(iss="a")), issuer=["a"]) is None


ODD_TIMES = [None, "1", True, [], {}, 1e20, -1e20, 1 << 60, 10**400]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("odd", ODD_TIMES)
def test_a_time_that_is_no_plausible_number_is_refused(issuer, reason, name, odd):
    assert reason(issuer.sign(claims(**{name: odd}))) == "token-verification-failed"


def test_an_empty_name_is_nobodys_even_where_it_is_listed(issuer, reason):
    names = ["", "other"]

    assert reason(issuer.sign(claims(azp="")), authorized_parties=names) == (
        "token-invalid-authorized-parties"
    )
    assert reason(issuer.sign(claims(iss="")), issuer=names) == "token-invalid-issuer"
    assert reason(issuer.sign(claims(aud=["", "x"])), audience=names) == "token-verification-failed"


def test_only_the_expiry_is_required(issuer, reason):
    assert reason(issuer.sign(claims(exp=...))) == "token-verification-failed"
    assert reason(issuer.sign(claims(nbf=..., iat=...))) is None


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"exp": -5}, "token-expired"),
        ({"exp": -4}, None),
        ({"exp": -4.5}, "token-expired"),  # a fraction is cut off, as Clerk does
        ({"nbf": 5}, None),
        ({"nbf": 6}, "token-not-active-yet"),
        ({"nbf": 5.9}, None),
        ({"iat": 5}, None),
        ({"iat": 6}, "token-iat-in-the-future"),
    ],
)
def test_clocks_may_differ_by_five_seconds_and_not_at_the_instant_itself(
    issuer, reason, times, expected
):
    token = issuer.sign(claims(**{name: NOON + offset for name, offset in times.items()}))

    assert reason(token) == expected


def test_no_skew_means_none(issuer, reason):
    token = issuer.sign(claims(exp=int(NOON), iat=...))

    assert reason(token, clock_skew=0.0) == "token-expired"
    assert reason(token, clock_skew=0.0, now=NOON - 0.001) is None


def test_of_several_faults_the_first_in_clerks_order_is_named(issuer, stranger, reason):
    everything = {"sub": 5, "aud": "x", "azp": "y", "iss": "z", "exp": 0, "nbf": 1e10, "iat": 1e10}
    rules = {"audience": ["a"], "authorized_parties": ["b"], "issuer": ["c"]}
    order = [
        ("token-verification-failed", {"sub": "user_1"}),
        ("token-verification-failed", {"aud": "a"}),
        ("token-invalid-authorized-parties", {"azp": "b"}),
        ("token-invalid-issuer", {"iss": "c"}),
        ("token-expired", {"exp": NOON + 60}),
        ("token-not-active-yet", {"nbf": NOON}),
        ("token-iat-in-the-future", {"iat": NOON}),
    ]
    assert reason(stranger.sign(everything), **rules) == "token-invalid-signature"
    for expected, mended in order:
        assert reason(issuer.sign(everything), **rules) == expected
        everything |= mended
    assert reason(issuer.sign(everything), **rules) is None


def test_a_verdict_is_judged_anew_each_time(issuer):
    now = [NOON]
    verifier = Verifier(PemKey(issuer.public_key_pem), Rules(), lambda: now[0])
    token = issuer.sign(claims())
    assert verifier.verify_sync(token).user_id == "user_1"

    now[0] += 120

    with pytest.raises(TokenVerificationError) as refusal:
        verifier.verify_sync(token)
    assert refusal.value.reason == "token-expired"


def test_what_is_remembered_is_bounded(issuer, monkeypatch):
    monkeypatch.setattr("doorward.clerk.verifier._MEMO_MAX", 3)
    verifier = Verifier(PemKey(issuer.public_key_pem), Rules(), lambda: NOON)

    for number in range(9):
        verifier.verify_sync(issuer.sign(claims(jti=str(number))))

    assert len(verifier._memo) == 3


def test_a_message_shows_only_so_much_of_what_was_sent(issuer, verify):
    with pytest.raises(TokenVerificationError) as refusal:
        verify(issuer.sign(claims(), {"typ": "x" * 5000}))

    assert len(refusal.value.message) < 200


def test_a_value_nested_at_any_depth_is_refused_with_a_reason(issuer):
    rules = Rules(authorized_parties=frozenset({PARTY}))
    verifier = Verifier(PemKey(issuer.public_key_pem), rules, lambda: NOON)
    reasons = set()
    for depth in [1, 99, 100, 850, 5000]:
        nested = "[" * depth + "]" * depth
        with pytest.raises(TokenVerificationError) as refusal:
            verifier.verify_sync(signed_text(issuer, f'{{"sub":"user_1","azp":{nested}}}'))
        reasons.add(refusal.value.reason.value)

    assert reasons == {"token-invalid-authorized-parties", "token-invalid"}


@pytest.mark.parametrize("beyond", [1e15, -1e15])
def test_a_time_beyond_the_calendar_is_still_judged(issuer, reason, beyond):
    expected = "token-not-active-yet" if beyond > 0 else None

    assert reason(issuer.sign(claims(nbf=beyond))) == expected


@given(st.binary(max_size=200) | st.text(max_size=200))
@example("eyJhbGciOiJSUzI1NiJ9.e30.")
@example("a" * 16_385)
def test_no_text_whatever_gets_anything_but_the_declared_error(pem_verifier, text):
    token = text.decode("latin-1") if isinstance(text, bytes) else text

    with pytest.raises(TokenVerificationError):
        pem_verifier.verify_sync(token)


json_value = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["typ", "cat", "crit", "kid"]), json_value),
    st.dictionaries(
        st.sampled_from(["sub", "aud", "azp", "iss", "exp", "nbf", "iat", "o", "v", "fea"]),
        json_value,
    ),
)
def test_no_signed_claims_whatever_get_anything_but_claims_or_the_declared_error(
    pem_verifier, issuer, header, odd
):
    try:
        found = pem_verifier.verify_sync(issuer.sign(claims() | odd, header))
    except TokenVerificationError:
        return
    assert found.organization is None or found.organization.id


@pytest.fixture(scope="session")
def pem_verifier(issuer):
    rules = Rules(
        audience=frozenset({"a"}), issuer=frozenset({"b"}), authorized_parties=frozenset({PARTY})
    )
    return Verifier(PemKey(issuer.public_key_pem), rules, lambda: NOON)
