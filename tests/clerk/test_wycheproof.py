"""Published JSON Web Signature vectors of the C2SP Wycheproof project, where they are at hand."""

import json
import os
from pathlib import Path

import pytest

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.keys import KeyUnreadable, read_jwk
from doorward.clerk.tokens import _decoded, check_header, check_signature, parse
from doorward.identity.credentials import CredentialShape

FOLDER = Path(
    os.environ.get("DOORWARD_VECTORS") or Path(__file__).parents[3] / "shared" / "vectors",
    "wycheproof",
)
FILE = FOLDER / "json_web_signature_test.json"

if not FILE.is_file():
    pytest.skip(
        f"LOUD: the Wycheproof vectors are not in {FOLDER}; set DOORWARD_VECTORS",
        allow_module_level=True,
    )

GROUPS = json.loads(FILE.read_text())["testGroups"]
CASES = [
    pytest.param(group, case, id=f"{case['tcId']}") for group in GROUPS for case in group["tests"]
]


def accepted(group, case) -> bool:
    jwk = group.get("public") or group["private"]
    token = case["jws"]
    if not isinstance(token, str):
        return False  # the JSON serialization is not a token here
    try:
        parsed = parse_signature_only(token)
        check_signature(parsed, read_jwk(jwk))
    except (TokenVerificationError, KeyUnreadable):
        return False
    return True


def parse_signature_only(text):
    """Take a token apart whose payload need not be JSON, since the vectors' are not."""
    header, payload, signature = text.split(".") if text.count(".") == 2 else ("", "", "")
    _decoded(payload.encode())
    token = parse(f"{header}.e30.{signature}")
    check_header(token, CredentialShape.SESSION)
    token.signed = f"{header}.{payload}".encode()
    return token


@pytest.mark.parametrize(("group", "case"), CASES)
def test_nothing_is_accepted_that_the_vectors_call_invalid(group, case):
    if accepted(group, case):
        assert case["result"] in {"valid", "acceptable"}


def test_every_plain_rs256_vector_that_is_valid_is_accepted():
    seen = 0
    for group in GROUPS:
        jwk = group.get("public") or group["private"]
        for case in group["tests"]:
            plain = jwk.get("kty") == "RSA" and jwk.get("alg") == "RS256"
            if plain and case["result"] == "valid" and isinstance(case["jws"], str):
                seen += 1
                assert accepted(group, case), case["comment"]
    assert seen
