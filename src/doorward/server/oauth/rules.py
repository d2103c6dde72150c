"""What this server's tokens for applications are made with, and what a person allows of them."""

from dataclasses import dataclass

from doorward.server.keys.sealing import Sealer
from doorward.server.permission.caller import Caller
from doorward.server.permission.scopes import Scope
from doorward.server.tokens.signing import TokenSigner


@dataclass(frozen=True, slots=True)
class Rules:
    """What tokens are made with, and how long an access token lives."""

    issuer: str
    sealer: Sealer
    signer: TokenSigner
    token_seconds: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a person allows: at most what was asked for; None for all their workspaces."""

    person: Caller
    scopes: frozenset[Scope]
    workspaces: frozenset[str] | None
