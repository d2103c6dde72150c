"""Tokens in, claims out: the form, the key, the signature and the claims, judged every time.

No verdict is ever remembered. What may be remembered is what can't change: what the bytes say,
and that a key signed them. Whether that key still counts, the time and the party are judged on
every request, and so is a revocation, by whoever asks for the claims.
"""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from doorward.clerk.claims import Claims
from doorward.clerk.jwks import KeySource
from doorward.clerk.keys import PublicKey
from doorward.clerk.rules import Rules, check_claims, check_party
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
        token = self.open(text)
        await self.judge(token, kind)
        return token.claims

    def verify_sync(self, text: str, kind: CredentialShape = _SESSION) -> Claims:
        """Verify a token, blocking where keys must be fetched; raises TokenVerificationError."""
        token = self.open(text)
        if not self.judge_at_once(token, kind):
            self._judge_by(token, kind, self.keys.get_sync(token.kid), party_may_be_absent=False)
        return token.claims

    def open(self, text: str) -> Token:
        """Take a token apart, known ones without work; raises TokenVerificationError."""
        digest = sha256(text.encode("utf-8", "replace")).digest()
        token = self._memo.get(digest)
        if token is None:
            token = parse(text)
            token.digest = digest
        return token

    async def judge(
        self, token: Token, kind: CredentialShape, *, party_may_be_absent: bool = False
    ) -> None:
        """Judge a token as one of a class; raises TokenVerificationError."""
        if not self.judge_at_once(token, kind, party_may_be_absent=party_may_be_absent):
            key = await self.keys.get(token.kid)
            self._judge_by(token, kind, key, party_may_be_absent=party_may_be_absent)

    def judge_at_once(
        self, token: Token, kind: CredentialShape, *, party_may_be_absent: bool = False
    ) -> bool:
        """Judge a token if its key is at hand; False says that the key must be fetched first.

        Raises TokenVerificationError.
        """
        if token.judged_as is not kind:
            # Before a key is looked for: a token of another class costs no fetch.
            check_header(token, kind, templates=self.rules.templates)
        key = self.keys.known(token.kid)
        if key is None:
            return False
        self._judge_by(token, kind, key, party_may_be_absent=party_may_be_absent)
        return True

    def _judge_by(
        self, token: Token, kind: CredentialShape, key: PublicKey, *, party_may_be_absent: bool
    ) -> None:
        if token.signed_by != key.fingerprint:
            check_signature(token, key)
            self._remember(token, key)
        rules, now = self.rules, self.now()
        if token.judged_as is kind and token.expires > now - rules.clock_skew:
            if kind is _SESSION and rules.authorized_parties:
                check_party(token.claims, rules, may_be_absent=party_may_be_absent)
            if token.begins <= now + rules.clock_skew:
                return
        token.begins, token.expires = check_claims(
            token.claims, kind, rules, now, party_may_be_absent=party_may_be_absent
        )
        token.judged_as = kind

    def _remember(self, token: Token, key: PublicKey) -> None:
        token.signed_by = key.fingerprint
        self._memo[token.digest] = token
        if len(self._memo) > _MEMO_MAX:
            self._memo.popitem(last=False)
