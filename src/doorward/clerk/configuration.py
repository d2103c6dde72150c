"""What the guard is set up with: read, completed from the environment, and judged at once."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from doorward.clerk.errors import ConfigurationError
from doorward.clerk.jwks import KeySource, PemKey, RemoteKeys
from doorward.clerk.keys import KeyUnreadable
from doorward.clerk.machine import OpaqueTokens
from doorward.clerk.publishable import PublishableKey, PublishableKeyInvalid
from doorward.clerk.rules import CLOCK_SKEW_DEFAULT, Rules
from doorward.identity.credentials import CredentialShape

API_URL = "https://api.clerk.com"
_VARIABLES = (
    "secret_key",
    "machine_secret_key",
    "jwt_key",
    "jwks_url",
    "publishable_key",
    "api_url",
)
_WHERE = "Clerk dashboard, API keys"
_SKEW_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class ClerkOptions:
    """How to verify: by ``jwt_key`` (PEM, no network), ``jwks_url``, or ``secret_key``."""

    secret_key: str | None = field(default=None, repr=False)
    machine_secret_key: str | None = field(default=None, repr=False)
    jwt_key: str | None = field(default=None, repr=False)
    jwks_url: str | None = None
    publishable_key: str | None = field(default=None, repr=False)  # a secret may be pasted here
    api_url: str | None = None
    authorized_parties: Iterable[str] | None = None
    audience: str | Iterable[str] | None = None
    issuer: str | Iterable[str] | None = None
    clock_skew: float = CLOCK_SKEW_DEFAULT
    accepts: frozenset[CredentialShape] = frozenset({CredentialShape.SESSION})
    templates: bool = False

    @property
    def application(self) -> PublishableKey | None:
        """The publishable key, read; raises PublishableKeyInvalid."""
        return PublishableKey.parse(self.publishable_key) if self.publishable_key else None

    def opaque_tokens(self, now: Callable[[], float]) -> OpaqueTokens | None:
        """Make what asks Clerk about opaque tokens, None where only sessions are taken."""
        if not self.secret_key or self.accepts == {CredentialShape.SESSION}:
            return None
        url = self.api_url or API_URL
        return OpaqueTokens(
            url,
            self.secret_key,
            now,
            machine_secret_key=self.machine_secret_key,
            audience=names(self.audience),
        )

    def key_source(self, now: Callable[[], float]) -> KeySource:
        """Make the source of keys; raises ConfigurationError that names every mistake."""
        mistakes = self._mistakes()
        source: KeySource | None = None
        if self.jwt_key:
            try:
                source = PemKey(self.jwt_key)
            except KeyUnreadable as exc:
                mistakes.append(
                    f"jwt_key (CLERK_JWT_KEY) can't be read: {exc} Copy it from {_WHERE}, "
                    "JWKS public key, PEM."
                )
        elif self.jwks_url:
            source = RemoteKeys(self.jwks_url, now)
        elif self.secret_key:
            url = f"{(self.api_url or API_URL).rstrip('/')}/v1/jwks"
            source = RemoteKeys(url, now, secret_key=self.secret_key)
        if mistakes or source is None:
            raise ConfigurationError(mistakes)
        return source

    def rules(self) -> Rules:
        """Give what a token must satisfy."""
        return Rules(
            authorized_parties=names(self.authorized_parties),
            audience=names(self.audience),
            issuer=names(self.issuer),
            clock_skew=float(self.clock_skew),
            templates=self.templates,
        )

    def _mistakes(self) -> list[str]:
        checks = (
            self._no_key(),
            self._wrong_secret(),
            self._wrong_url("jwks_url", self.jwks_url),
            self._wrong_url("api_url", self.api_url),
            self._wrong_publishable(),
            self._wrong_skew(),
            self._wrong_parties(),
            self._unverifiable_machines(),
        )
        return [mistake for mistake in checks if mistake]

    def _no_key(self) -> str | None:
        if self.jwt_key or self.jwks_url or self.secret_key:
            return None
        return (
            "Nothing says how to verify: set CLERK_JWT_KEY (PEM, needs no network), "
            f"CLERK_SECRET_KEY or CLERK_JWKS_URL. All three are in the {_WHERE}. Without an "
            "account: run 'doorward dev' and set what 'doorward dev env' prints."
        )

    def _wrong_secret(self) -> str | None:
        if not self.secret_key or self.secret_key.startswith("sk_"):
            return None
        kind = "a publishable key" if self.secret_key.startswith("pk_") else "something else"
        return (
            f"secret_key (CLERK_SECRET_KEY) is {kind}: it begins with sk_test_ or sk_live_ "
            f"({_WHERE}, Secret keys)."
        )

    def _wrong_publishable(self) -> str | None:
        try:
            _ = self.application
        except PublishableKeyInvalid as exc:
            return (
                f"publishable_key (CLERK_PUBLISHABLE_KEY) can't be read: {exc} Copy it from "
                f"{_WHERE}, Publishable key."
            )
        return None

    def _unverifiable_machines(self) -> str | None:
        if CredentialShape.API_KEY not in self.accepts or self.secret_key:
            return None
        return (
            "accepts has api_key, which only Clerk can verify: set secret_key (CLERK_SECRET_KEY) "
            "too."
        )

    def _wrong_skew(self) -> str | None:
        skew = self.clock_skew
        if math.isfinite(skew) and 0 <= skew <= _SKEW_SECONDS_MAX:
            return None
        return f"clock_skew is a number of seconds from 0 to {_SKEW_SECONDS_MAX}."

    def _wrong_parties(self) -> str | None:
        for party in names(self.authorized_parties):
            parts = _split(party)
            if parts is None or (parts.scheme and (parts.path or parts.query)):
                return (
                    f"authorized_parties has {party!r}: an origin has no path, such as "
                    "https://app.example.com."
                )
        return None

    @staticmethod
    def _wrong_url(name: str, url: str | None) -> str | None:
        parts = _split(url) if url else None
        if not url or (parts and parts.scheme in {"http", "https"} and parts.hostname):
            return None
        return f"{name} (CLERK_{name.upper()}) is not an http(s) address."


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Read the CLERK_* variables that are set, each also from the file NAME_FILE names.

    Raises ConfigurationError for a file that can't be read.
    """
    found: dict[str, str] = {}
    mistakes: list[str] = []
    for name in _VARIABLES:
        value = _value(f"CLERK_{name.upper()}", environ, mistakes)
        if value:
            found[name] = value
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def read_variable(variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """Read one variable, or the file that NAME_FILE names; empty where neither is set.

    Raises ConfigurationError.
    """
    mistakes: list[str] = []
    value = _value(variable, environ, mistakes)
    if mistakes:
        raise ConfigurationError(mistakes)
    return value


def _value(variable: str, environ: Mapping[str, str], mistakes: list[str]) -> str:
    value, file = environ.get(variable, "").strip(), environ.get(f"{variable}_FILE", "")
    if file and value:
        mistakes.append(f"{variable} and {variable}_FILE are both set: keep one of them.")
    return _read(f"{variable}_FILE", file, mistakes) if file and not value else value


def parties_from_environment(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Read CLERK_AUTHORIZED_PARTIES, separated by commas."""
    listed = environ.get("CLERK_AUTHORIZED_PARTIES", "").split(",")
    return tuple(party.strip() for party in listed if party.strip())


def _split(url: str) -> SplitResult | None:
    """Take an address apart, None for one that has no form, such as ``http://[``."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _read(variable: str, file: str, mistakes: list[str]) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        mistakes.append(f"{variable} names {file!r}, which can't be read.")
        return ""


def names(value: str | Iterable[str] | None) -> frozenset[str]:
    """Give one name or several as a set, empty for None."""
    if value is None:
        return frozenset()
    return frozenset([value]) if isinstance(value, str) else frozenset(value)
