"""Publishable keys: which Frontend API they name, and the suffix of its cookies.

Source: ``parsePublishableKey`` and ``getCookieSuffix`` of Clerk's JavaScript SDK.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha1

_SUFFIX_LENGTH = 8
_PREFIXES = {"pk_live": True, "pk_test": False}


class PublishableKeyInvalid(ValueError):
    """The text is no publishable key."""


@dataclass(frozen=True, slots=True)
class PublishableKey:
    """A publishable key, read; ``frontend_api`` is a host name, perhaps with a port."""

    text: str
    frontend_api: str
    production: bool

    @classmethod
    def parse(cls, text: str) -> "PublishableKey":
        """Read a key; raises PublishableKeyInvalid."""
        prefix, underscore, encoded = text.rpartition("_")
        if not underscore or prefix not in _PREFIXES:
            raise PublishableKeyInvalid("It begins with pk_test_ or pk_live_.")
        try:
            host = b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
        except (Base64Error, ValueError) as exc:
            raise PublishableKeyInvalid("What follows its prefix is not base64.") from exc
        if not host.endswith("$") or host.count("$") != 1 or "." not in host:
            raise PublishableKeyInvalid("It names no Frontend API.")
        return cls(text, host[:-1], _PREFIXES[prefix])

    @property
    def cookie_suffix(self) -> str:
        """What Clerk appends to cookie names, so that applications on one host keep apart."""
        digest = sha1(self.text.encode(), usedforsecurity=False).digest()
        return urlsafe_b64encode(digest).decode()[:_SUFFIX_LENGTH]

    @property
    def jwks_url(self) -> str:
        """Where the instance's keys lie for everybody."""
        return f"https://{self.frontend_api}/.well-known/jwks.json"
