"""A key as presented, judged against its row as it is now."""

import hmac
from collections import OrderedDict
from datetime import datetime
from hashlib import sha256

from doorward.server.keys.format import PREFIX, read_key
from doorward.server.keys.model import Key, KeyStatus
from doorward.server.keys.ports import KeyIndex, Proof
from doorward.server.keys.sealing import Sealer
from doorward.server.networks import comes_from
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.problems import KeyNetworkRefused, NotAuthenticated, Problem

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="doorward", error="invalid_token"'}
_NOBODYS = bytes(32)
_KNOWN_MAX = 10_000


class KeyRefused(Exception):
    """A credential that was proved, and opens nothing: the trail says which it was."""

    def __init__(self, problem: Problem, presented: Credential) -> None:
        super().__init__(problem.reason)
        self.problem = problem
        self.presented = presented


class KeyProver:
    """Says whose key a text is, and whether it opens anything.

    ``environments`` are those whose keys are taken here; without any, all are.
    """

    def __init__(
        self, index: KeyIndex, sealer: Sealer, environments: frozenset[str] = frozenset()
    ) -> None:
        self._index = index
        self._sealer = sealer
        self._environments = environments
        self._known: OrderedDict[bytes, tuple[str, bytes]] = OrderedDict()

    @staticmethod
    def is_one(text: str) -> bool:
        """Say whether a text claims to be a key."""
        return text.startswith(PREFIX)

    def prove(self, text: str, origin: Origin, now: datetime) -> Caller:
        """Give whom a request with this key comes from.

        Whoever is refused is told nothing but that: the reason is for the trail. Raises
        NotAuthenticated, KeyRefused, Busy.
        """
        handle, proof = self._proof(text)
        who = proof.key.caller(origin, handle)
        if proof.expires_at is not None and now >= proof.expires_at:
            raise KeyRefused(_refused("key-rotated-out"), who.credential)
        status = proof.key.status(now)
        if status is not KeyStatus.ACTIVE:
            raise KeyRefused(_refused(f"key-{status.value}"), who.credential)
        require_network(proof.key, origin, who.credential)
        return who

    def _proof(self, text: str) -> tuple[str, Proof]:
        handle, digest = self._sealed(text)
        proof = self._index.by_handle(handle)
        matches = hmac.compare_digest(digest, _NOBODYS if proof is None else proof.digest)
        if proof is None or not matches:
            raise _refused("key-unknown")
        return handle, proof

    def _sealed(self, text: str) -> tuple[str, bytes]:
        """Give a key's handle and digest: facts about its characters, which may be remembered."""
        name = sha256(text.encode()).digest()
        sealed = self._known.get(name)
        if sealed is None:
            sealed = self._known[name] = self._seal(text)
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        return sealed

    def _seal(self, text: str) -> tuple[str, bytes]:
        written = read_key(text)
        if written is None:
            raise _refused("key-malformed")
        if self._environments and written.environment not in self._environments:
            raise _refused("key-environment")
        return written.handle, self._sealer.digest(text)


def require_network(key: Key, origin: Origin, presented: Credential) -> None:
    """Make sure that a request comes from where the key may be used; raises KeyRefused."""
    networks = key.bounds.networks
    if networks is not None and not comes_from(origin.address, networks):
        raise KeyRefused(KeyNetworkRefused(), presented)


def _refused(reason: str) -> NotAuthenticated:
    return NotAuthenticated(reason=reason, headers=_CHALLENGE)
