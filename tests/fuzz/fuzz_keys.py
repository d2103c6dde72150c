"""No JWKS, PEM text or publishable key whatever raises anything but its own error."""

import json
import random
import tempfile
from pathlib import Path

import atheris
from harness import NOW, fuzz, odd_members

with atheris.instrument_imports(include=["doorward"]):
    from doorward.clerk.configuration import ClerkOptions
    from doorward.clerk.errors import ConfigurationError, TokenVerificationError
    from doorward.clerk.jwks import read_jwks
    from doorward.standin import Standin

MEMBERS = ("kty", "kid", "use", "alg", "key_ops", "n", "e", "d", "keys")
FORMS = (b"-----BEGIN PUBLIC KEY-----", b"\\n", b"\n", b"'", b"=", b"pk_live_", b"$", b".")

standin = Standin.open(Path(tempfile.mkdtemp(prefix="doorward-fuzz-key-")), clock=lambda: NOW)


def test_one(data: bytes) -> None:
    try:
        keys = read_jwks(data)
        assert all(2048 <= key.key.key_size <= 8192 for key in keys.values())
    except TokenVerificationError as refusal:
        assert refusal.reason == "jwk-remote-failed-to-load"
    text = data.decode("latin-1")
    _options(jwt_key=text)
    _options(jwt_key=standin.public_key_pem, publishable_key=text)
    _options(jwks_url=text, authorized_parties=[text])


def _options(**given: object) -> None:
    options = ClerkOptions(**given)
    try:
        options.key_source(lambda: NOW)
    except ConfigurationError as mistakes:
        assert str(mistakes)
        return
    if options.application is not None:
        assert len(options.application.cookie_suffix) == 8


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Change a member of a key, or put a piece of a key's form somewhere."""
    if not data.startswith(b"{"):
        place = chance.randrange(len(data) + 1)
        return data[:place] + chance.choice(FORMS) + data[place:]
    keys = json.loads(data)["keys"]
    key = odd_members(json.dumps(keys[0]).encode(), MEMBERS, chance)
    return b'{"keys":[' + b",".join([key] * chance.randrange(1, 3)) + b"]}"


def seeds() -> list[bytes]:
    pem = standin.public_key_pem
    return [
        json.dumps(standin.jwks()).encode(),
        pem.encode(),
        pem.replace("\n", "\\n").encode(),
        standin.publishable_key.encode(),
        b"https://clerk.example.com/.well-known/jwks.json",
    ]


if __name__ == "__main__":
    fuzz(test_one, seeds(), mutant)
