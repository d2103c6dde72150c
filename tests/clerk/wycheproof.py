"""The JSON Web Signature and Key vectors of C2SP's Wycheproof, and who accepts which.

Whether a payload is claims is no matter here: the vectors' payloads are none, so only what stands
before the claims is run: form, header, key and signature.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from jwt.api_jws import PyJWS
from jwt.warnings import InsecureKeyLengthWarning

from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.jwks import read_jwks
from doorward.clerk.keys import KeyUnreadable, read_jwk
from doorward.clerk.tokens import _decoded, check_header, check_signature, parse
from doorward.identity.credentials import CredentialShape

FOLDER = Path(
    os.environ.get("DOORWARD_VECTORS") or Path(__file__).parents[3] / "shared" / "vectors",
    "wycheproof",
)
FILES = {
    "signatures": "json_web_signature_test.json",
    "keys": "json_web_key_test.json",
    "both": "json_web_crypto_test.json",
}


@dataclass(frozen=True, slots=True)
class Vector:
    """One published case: a token, the key or keys to verify it with, and whether it is valid."""

    file: str
    number: int
    comment: str
    token: Any
    key: Mapping[str, Any]
    valid: bool

    @property
    def concerns_us(self) -> bool:
        """Whether its keys are RSA keys that are for RS256, or say nothing of what they are for."""
        keys = self.key.get("keys", [self.key])
        return all(key["kty"] == "RSA" and key.get("alg", "RS256") == "RS256" for key in keys)


def vectors() -> Iterator[Vector]:
    """Read every vector with a JWS; those of JSON Web Encryption are left out."""
    for file, name in FILES.items():
        for group in json.loads((FOLDER / name).read_text())["testGroups"]:
            key = group.get("public") or group["private"]
            for case in group["tests"]:
                if "jws" in case:
                    valid = case["result"] == "valid"
                    yield Vector(file, case["tcId"], case["comment"], case["jws"], key, valid)


def doorward(vector: Vector) -> bool:
    """Say whether Doorward accepts the token."""
    try:
        token = _parsed(vector.token)
        check_signature(token, _key(vector, token.header.kid))
    except (TokenVerificationError, KeyUnreadable):
        return False
    return True


def pyjwt(vector: Vector) -> bool:
    """Say whether PyJWT accepts the token, told to take RS256 alone."""
    try:
        key = (
            jwt.PyJWKSet.from_dict(dict(vector.key))[_kid(vector.token)]
            if "keys" in vector.key
            else jwt.PyJWK.from_dict(dict(vector.key))
        )
        with warnings.catch_warnings(action="ignore", category=InsecureKeyLengthWarning):
            PyJWS().decode(vector.token, key, algorithms=["RS256"])
    except (jwt.PyJWTError, KeyError, TypeError):
        return False
    return True


def row(found: list[Vector], accepts: Callable[[Vector], bool]) -> tuple[int, int, int, int]:
    """Count valid ones accepted and not, and invalid ones refused and not."""
    told = [(vector.valid, accepts(vector)) for vector in found]
    return (
        told.count((True, True)),
        told.count((True, False)),
        told.count((False, False)),
        told.count((False, True)),
    )


def table() -> str:
    """Give the results as the reference page has them."""
    results = "valid: accepted | valid: refused | invalid: refused | invalid: accepted"
    lines = [
        f"| vectors | of them | program | {results} |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    everything = list(vectors())
    for file, name in FILES.items():
        for ours in (True, False):
            found = [v for v in everything if v.file == file and v.concerns_us is ours]
            for program, accepts in (("Doorward", doorward), ("PyJWT", pyjwt)):
                kind = "RS256" if ours else "other algorithms"
                counts = " | ".join(str(number) for number in row(found, accepts))
                lines.append(f"| `{name}`, {kind} | {len(found)} | {program} | {counts} |")
    return "\n".join(lines)


def _parsed(text: Any) -> Any:
    """Take a token apart whose payload need not be JSON, and judge its header."""
    # The JSON serialization is not a token here.
    header, payload, signature = text.split(".") if _is_compact(text) else ("", "", "")
    _decoded(payload.encode())
    token = parse(f"{header}.e30.{signature}")
    check_header(token, CredentialShape.SESSION)
    token.signed = f"{header}.{payload}".encode()
    return token


def _is_compact(text: Any) -> bool:
    return isinstance(text, str) and text.count(".") == 2


def _key(vector: Vector, kid: str | None) -> Any:
    if "keys" not in vector.key:
        return read_jwk(vector.key)
    keys = read_jwks(json.dumps(vector.key).encode())
    if kid not in keys:
        raise KeyUnreadable("There is no such key in the set.")
    return keys[kid]


def _kid(text: Any) -> str:
    return str(jwt.get_unverified_header(text)["kid"])
