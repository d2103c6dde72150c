"""Statements about chains, signed with Ed25519: heads, proofs of pruning, ends of exports."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from doorward.server.audit.chain import FORMAT, canonical

Statement = dict[str, Any]


class KeyUnreadable(ValueError):
    """The text is no Ed25519 key in PEM."""


class Signer:
    """Signs statements; never shows its key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = Witness(private.public_key())

    @classmethod
    def made(cls) -> "Signer":
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, pem: str) -> "Signer":
        """Read a private key; raises KeyUnreadable."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError) as exc:
            raise KeyUnreadable("This is no private key in PEM.") from exc
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnreadable("This is no Ed25519 key.")
        return cls(key)

    def pem(self) -> str:
        """Give the private key as it is kept."""
        return self._private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()

    def sign(self, kind: str, **said: Any) -> Statement:
        """Give a statement of a kind with its signature, which is over all else in it."""
        statement = {"type": kind, "format": FORMAT, "key": self.public.id, **said}
        signature = self._private.sign(canonical(statement))
        return {**statement, "signature": b64encode(signature).decode()}


class Witness:
    """A public key, and what it confirms."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = f"ed25519:{sha256(raw).hexdigest()}"

    @classmethod
    def read(cls, pem: str) -> "Witness":
        """Read a public key; raises KeyUnreadable."""
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, TypeError) as exc:
            raise KeyUnreadable("This is no public key in PEM.") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnreadable("This is no Ed25519 key.")
        return cls(key)

    def pem(self) -> str:
        """Give the public key, to be kept where the server can't reach."""
        return self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def confirms(self, statement: Mapping[str, Any], kind: str) -> bool:
        """Say whether this key signed exactly this, as a statement of this kind."""
        said = {name: value for name, value in statement.items() if name != "signature"}
        if said.get("type") != kind or said.get("format") != FORMAT:
            return False
        try:
            signature = b64decode(statement["signature"], validate=True)
            # The one way to write it: base64 has spare bits at its end.
            if b64encode(signature).decode() != statement["signature"]:
                return False
            self._public.verify(signature, canonical(said))
        except (InvalidSignature, KeyError, TypeError, ValueError):
            return False
        return True
