import base64
import math

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from doorward.clerk.keys import KeyUnreadable, read_jwk, read_pem


def pem_of(key) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def bare(pem: str) -> str:
    return "".join(pem.splitlines()[1:-1])


@pytest.mark.parametrize(
    "pasted",
    [
        lambda pem: pem,
        lambda pem: pem.replace("\n", ""),
        lambda pem: pem.replace("\n", " "),
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("\n", "\\r\\n"),
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: f'"{pem.strip()}"',
        lambda pem: f"  '{pem.strip()}'  ",
        bare,
        lambda pem: bare(pem).rstrip("="),
        lambda pem: base64.b64encode(pem.encode()).decode(),
    ],
)
def test_a_key_is_read_in_every_shape_people_paste(issuer, pasted):
    key = read_pem(pasted(issuer.public_key_pem))

    assert key.fingerprint == read_jwk(issuer.jwks()["keys"][0]).fingerprint


@pytest.mark.parametrize("text", ["", "garbage", "sk_test_abc", "é", "AAAA", "-----BEGIN X-----"])
def test_what_is_no_key_is_refused_with_a_sentence(text):
    with pytest.raises(KeyUnreadable) as refusal:
        read_pem(text)

    assert str(refusal.value).endswith(".")


def test_only_rsa_of_2048_bits_or_more_is_a_key():
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    curve = ec.generate_private_key(ec.SECP256R1())

    for key in (small, curve):
        with pytest.raises(KeyUnreadable):
            read_pem(pem_of(key))


def test_a_key_that_a_faulty_chip_made_is_refused():
    primes = [n for n in range(2, 168) if all(n % divisor for divisor in range(2, n))]
    product = math.prod(primes)
    # A power of 65537 modulo every small prime is what gives such a key away.
    modulus = (1 << 2047) // product * product + pow(65537, 1234, product)
    faulty = rsa.RSAPublicNumbers(65537, modulus).public_key()
    der = faulty.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(KeyUnreadable, match="ROCA"):
        read_pem(base64.b64encode(der).decode())


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "EC"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"key_ops": ["sign"]},
        {"key_ops": None},
        {"n": None},
        {"n": "AQAB"},
        {"n": "not base64!"},
        {"n": "AQ=="},
        {"e": "AA"},
        {"e": 65537},
    ],
)
def test_a_jwk_for_anything_else_is_refused(issuer, change):
    with pytest.raises(KeyUnreadable):
        read_jwk(issuer.jwks()["keys"][0] | change)
