"""Access tokens as JWTs (RFC 9068) under a key of this server: minted and read by nobody else."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

_ALGORITHM = "HS256"
_HEAD = {"alg": _ALGORITHM, "typ": "at+jwt"}
_CHARACTERS_MAX = 8192
# Of times our own clock decides, not the one that the library reads.
_OPTIONS: dict[str, Any] = {
    "require": ["iss", "aud", "sub", "jti", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class TokenInvalid(Exception):
    """A text that is not a token of ours, or one whose time has passed; ``reason`` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenSigner:
    """Signs claims and reads them; ``issuer`` is the server's address, which is the audience too.

    HMAC, since the reader is the signer.
    """

    def __init__(self, key: bytes, issuer: str) -> None:
        self._key = key
        self.issuer = issuer
        head = json.dumps(_HEAD, separators=(",", ":")).encode()
        self._head = urlsafe_b64encode(head).decode().rstrip("=") + "."

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Give a token with these claims, and who made it for whom."""
        import jwt  # at the first token: a start is not to wait for it

        ours = {"iss": self.issuer, "aud": self.issuer}
        return jwt.encode({**claims, **ours}, self._key, _ALGORITHM, _HEAD)

    def is_one(self, text: str) -> bool:
        """Say whether a text claims to be a token of ours: all have one head."""
        return text.startswith(self._head)

    def read(self, text: str, now: float) -> dict[str, Any]:
        """Give the claims of a token that counts at ``now``, seconds since 1970.

        Raises TokenInvalid.
        """
        import jwt

        if len(text) > _CHARACTERS_MAX or not self.is_one(text):
            raise TokenInvalid("token-malformed")
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self.issuer,
                issuer=self.issuer,
                options=_OPTIONS,  # type: ignore[arg-type]
            )
        except jwt.InvalidTokenError as exc:
            raise TokenInvalid("token-invalid") from exc
        if now >= claims["exp"]:
            raise TokenInvalid("token-expired")
        return claims
