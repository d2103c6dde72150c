"""Tokens in, claims out: the form, the key, the signature and the claims, judged every time.

No verdict is ever remembered. What may be remembered is one fact that can't change: that a key
signed these bytes. Whether the key still counts, the time, the parties and a revocation are
judged on every request.
"""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from doorward.clerk.claims import Claims
from doorward.clerk.jwks import KeySource
from doorward.clerk.keys import PublicKey
from doorward.clerk.tokens import Parsed, Rules, check_claims, check_signature, parse

_MEMO_MAX = 10_000


class Verifier:
    """Verifies session tokens by one source of keys and one set of rules."""

    def __init__(self, keys: KeySource, rules: Rules, now: Callable[[], float]) -> None:
        self.keys = keys
        self.rules = rules
        self.now = now
        self._memo: OrderedDict[bytes, tuple[Parsed, bytes]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Verify a token; raises TokenVerificationError."""
        digest, parsed = self._parsed(token)
        key = self.keys.known(parsed.kid) or await self.keys.get(parsed.kid)
        return self._judge(digest, parsed, key)

    def verify_sync(self, token: str) -> Claims:
        """Verify a token, blocking where keys must be fetched; raises TokenVerificationError."""
        digest, parsed = self._parsed(token)
        key = self.keys.known(parsed.kid) or self.keys.get_sync(parsed.kid)
        return self._judge(digest, parsed, key)

    def _parsed(self, token: str) -> tuple[bytes, Parsed]:
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        seen = self._memo.get(digest)
        return digest, seen[0] if seen is not None else parse(token, self.rules)

    def _judge(self, digest: bytes, parsed: Parsed, key: PublicKey) -> Claims:
        seen = self._memo.get(digest)
        if seen is None or seen[1] != key.fingerprint:
            check_signature(parsed, key)
            self._remember(digest, parsed, key)
        check_claims(parsed.claims, self.rules, self.now())
        return parsed.claims

    def _remember(self, digest: bytes, parsed: Parsed, key: PublicKey) -> None:
        self._memo[digest] = (parsed, key.fingerprint)
        if len(self._memo) > _MEMO_MAX:
            self._memo.popitem(last=False)
