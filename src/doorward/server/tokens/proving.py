"""A token of ours, read once, and judged by whoever knows what its claims stand on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from doorward.server.permission.caller import Caller, Origin
from doorward.server.problems import NotAuthenticated
from doorward.server.tokens.delegation import CHALLENGE
from doorward.server.tokens.signing import TokenInvalid, TokenSigner


class ClaimsProver(Protocol):
    """Judges tokens that have a claim which no other kind has."""

    @property
    def claim(self) -> str:
        """The claim that tells them."""

    def caller(self, claims: dict[str, Any], origin: Origin, now: datetime) -> Caller:
        """Give whom the claims speak for; raises NotAuthenticated, KeyRefused, Busy."""


class TokenProver:
    """Says who asks by a token that this server signed; one of no known kind opens nothing."""

    def __init__(self, signer: TokenSigner, provers: Sequence[ClaimsProver]) -> None:
        self._signer = signer
        self._provers = provers

    def is_one(self, text: str) -> bool:
        """Say whether a text claims to be a token of ours."""
        return self._signer.is_one(text)

    def prove(self, text: str, origin: Origin, now: datetime) -> Caller:
        """Give whom a token speaks for; raises NotAuthenticated, KeyRefused, Busy."""
        try:
            claims = self._signer.read(text, now.timestamp())
        except TokenInvalid as exc:
            raise NotAuthenticated(reason=exc.reason, headers=CHALLENGE) from exc
        for prover in self._provers:
            if prover.claim in claims:
                return prover.caller(claims, origin, now)
        raise NotAuthenticated(reason="token-invalid", headers=CHALLENGE)
