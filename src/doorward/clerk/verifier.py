"""Tokens in, claims out: the form, the key, the signature and the claims, judged every time.

No verdict is ever remembered. What may be remembered is what can't change: what the bytes say,
and that a key signed them. Whether that key still counts, the time and the party are judged on
every request, and so is a revocation, by whoever asks for the claims.
"""

from collections import OrderedDict
from collections.abc import Callable

from doorward.clerk.claims import Claims
from doorward.clerk.jwks import KeySource
from doorward.clerk.keys import PublicKey
from doorward.clerk.rules import Rules, check_claims
from doorward.clerk.tokens import Token, check_header, check_signature, parse
from doorward.identity.credentials import CredentialShape

_MEMO_MAX = 10_000
_SESSION = CredentialShape.SESSION


class Verifier:
    """Verifies Clerk's JWTs by one source of keys and one set of rules."""

    def __init__(self, keys: KeySource, rules: Rules, now: Callable[[], float]) -> None:
        self.keys = keys
        self.rules = rules
        self.now = now
        self._memo: OrderedDict[bytes, Token] = OrderedDict()

    async def verify(self, text: str, kind: CredentialShape = _SESSION) -> Claims:
        """Verify a token of one class; raises TokenVerificationError."""
        token = self.open(text.encode("utf-8", "replace"))
        await self.judge(token, kind)
        return token.claims

    def verify_sync(self, text: str, kind: CredentialShape = _SESSION) -> Claims:
        """Verify a token, blocking where keys must be fetched; raises TokenVerificationError."""
        token = self.open(text.encode("utf-8", "replace"))
        if not self.judge_at_once(token, kind):
            self._judge_by(
                token, kind, self.keys.get_sync(token.header.kid), party_may_be_absent=False
            )
        return token.claims

    def seen(self, raw: bytes) -> Token | None:
        """Give a token that was judged good before and is good now too, judged without waiting.

        None for any other, of which ``open`` and ``judge`` say what it is.
        """
        token = self._memo.get(raw)
        if token is None or self.keys.known(token.header.kid) is not token.key:
            return None
        rules, now = self.rules, self.now()
        if token.begins > now + rules.clock_skew or token.expires <= now - rules.clock_skew:
            return None
        parties = rules.authorized_parties
        if parties and token.party not in parties and token.kind is _SESSION:
            return None
        return token

    def open(self, raw: bytes) -> Token:
        """Take a token apart, known ones without work; raises TokenVerificationError."""
        token = self._memo.get(raw)
        return parse(raw) if token is None else token

    async def judge(
        self, token: Token, kind: CredentialShape, *, party_may_be_absent: bool = False
    ) -> None:
        """Judge a token as one of a class; raises TokenVerificationError."""
        if not self.judge_at_once(token, kind, party_may_be_absent=party_may_be_absent):
            key = await self.keys.get(token.header.kid)
            self._judge_by(token, kind, key, party_may_be_absent=party_may_be_absent)

    def judge_at_once(
        self, token: Token, kind: CredentialShape, *, party_may_be_absent: bool = False
    ) -> bool:
        """Judge a token if its key is at hand; False says that the key must be fetched first.

        Raises TokenVerificationError.
        """
        # Before a key is looked for: a token of another class costs no fetch.
        check_header(token, kind, templates=self.rules.templates)
        key = self.keys.known(token.header.kid)
        if key is None:
            return False
        self._judge_by(token, kind, key, party_may_be_absent=party_may_be_absent)
        return True

    def _judge_by(
        self, token: Token, kind: CredentialShape, key: PublicKey, *, party_may_be_absent: bool
    ) -> None:
        if token.key is not key:
            # What a signature was checked with is let go of, so another key needs it once more.
            check_signature(token if token.key is None else parse(token.raw), key)
            self._remember(token, key)
        token.begins, token.expires = check_claims(
            token.payload, kind, self.rules, self.now(), party_may_be_absent=party_may_be_absent
        )
        party = token.payload.get("azp")
        token.party = party if isinstance(party, str) else None

    def _remember(self, token: Token, key: PublicKey) -> None:
        token.key, token.signature, token.signed = key, b"", b""
        self._memo[token.raw] = token
        if len(self._memo) > _MEMO_MAX:
            self._memo.popitem(last=False)
