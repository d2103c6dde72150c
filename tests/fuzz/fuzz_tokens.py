"""No token whatever raises anything but a reason, and none passes that the key did not sign."""

import random
import tempfile
from pathlib import Path

import atheris
from harness import NOW, fuzz, odd_members, opened, segment

with atheris.instrument_imports(include=["doorward"]):
    from doorward.clerk.errors import TokenVerificationError
    from doorward.clerk.jwks import PemKey
    from doorward.clerk.principals import principal_of
    from doorward.clerk.rules import Rules
    from doorward.clerk.verifier import Verifier
    from doorward.standin import Standin

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

HEADER = ("alg", "typ", "cat", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c")
CLAIMS = ("sub", "sid", "exp", "nbf", "iat", "azp", "aud", "iss", "v", "o", "fea", "pla", "fva")
PARTY = "https://app.example.com"

standin = Standin.open(Path(tempfile.mkdtemp(prefix="doorward-fuzz-key-")), clock=lambda: NOW)
pem = PemKey(standin.public_key_pem)
lenient = Verifier(pem, Rules(), lambda: NOW)
strict = Verifier(
    pem,
    Rules(
        authorized_parties=frozenset({PARTY}),
        audience=frozenset({"api"}),
        issuer=frozenset({standin.issuer}),
    ),
    lambda: NOW,
)


def test_one(data: bytes) -> None:
    token = data.decode("latin-1")
    verdicts = [_verdict(verifier, token) for verifier in (lenient, lenient, strict, strict)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[2] == verdicts[3]
    if None in verdicts:
        _must_be_signed(data)


def _verdict(verifier: Verifier, token: str) -> str | None:
    try:
        verifier.verify_sync(token)
    except TokenVerificationError as refusal:
        assert str(refusal)
        return refusal.reason.value
    who = principal_of(verifier.open(token.encode("utf-8", "replace")))
    assert who.has(role="admin", reverification="strict", feature="a") in {True, False}
    assert repr(who)
    return None


def _must_be_signed(data: bytes) -> None:
    """Ask the library alone; raises InvalidSignature, which is a finding."""
    signed, _, signature = data.rpartition(b".")
    standin._key.public_key().verify(opened(signature), signed, PKCS1v15(), SHA256())


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Change the header or the claims; most often signed anew, so that they are judged."""
    header, payload, signature = data.split(b".")
    if chance.random() < 0.4:
        header = segment(odd_members(opened(header), HEADER, chance))
    else:
        payload = segment(odd_members(opened(payload), CLAIMS, chance))
    signed = header + b"." + payload
    if chance.random() < 0.7:
        signature = segment(standin._key.sign(signed, PKCS1v15(), SHA256()))
    return signed + b"." + signature


def seeds() -> list[bytes]:
    organization = {"org": "acme", "role": "admin", "permissions": ["org:a:read", "org:b:write"]}
    tokens = [
        standin.mint("alice"),
        standin.mint("alice", azp=PARTY, claims={"aud": "api"}),
        standin.mint("bob", **organization),
        standin.mint("bob", version=1, **organization),
        standin.sign({"sub": "mch_1", "exp": NOW + 60}, {"cat": "cl_B7d4PD333AAA"}),
        standin.sign({"sub": "user_1", "exp": NOW + 60}, {"typ": "at+jwt"}),
    ]
    return [token.encode() for token in tokens]


if __name__ == "__main__":
    fuzz(test_one, seeds(), mutant)
