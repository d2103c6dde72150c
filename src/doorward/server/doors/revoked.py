"""Whether a credential counts still: one judgement of tokens at hand and of what they bought."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from doorward.clerk.revocation import Revocation
from doorward.clerk.state.record import StateUnavailable
from doorward.identity.principal import Principal
from doorward.server.keys.model import KeyStatus
from doorward.server.keys.ports import KeyIndex
from doorward.server.oauth.model import GrantStatus
from doorward.server.oauth.ports import GrantIndex
from doorward.server.permission.caller import (
    API_KEY,
    DELEGATED_TOKEN,
    OAUTH_TOKEN,
    Caller,
    Credential,
)
from doorward.server.problems import Busy


class Issuer(Revocation, Protocol):
    """A stand-in that is asked itself: who is signed in, and who is there at all."""

    def gone(self, user_id: str, org_id: str | None) -> bool:
        """Say whether somebody is no user any more, or no member of the organization."""


class Revoked:
    """Asks everybody who may know: what Clerk told us, the stand-in where one runs, and our rows.

    A key, and what an OAuth client was allowed, is asked about in its rows, into which what Clerk
    tells is entered too.
    """

    def __init__(
        self,
        told: Revocation,
        issuer: Issuer | None,
        keys: KeyIndex,
        grants: GrantIndex,
        clock: Callable[[], datetime],
    ) -> None:
        self._told = told
        self._issuer = issuer
        self._keys = keys
        self._grants = grants
        self._clock = clock

    def revoked(self, who: Principal) -> bool:
        """Say whether the credential at hand is revoked now; raises StateUnavailable."""
        return _says(self._told, who) or (self._issuer is not None and _says(self._issuer, who))

    def __call__(self, who: Caller) -> bool:
        """Say whether the credential that bought something is revoked now; raises Busy.

        So it is when any that it stands on is.
        """
        try:
            held = (who.credential, *who.grounds)
            own = any(self._is_over(credential, who) for credential in held)
            return own or (who.agent is not None and self(who.agent))
        except StateUnavailable as exc:
            raise Busy from exc

    def since_proved(self, who: Caller) -> bool:
        """Say the same of a caller whose own rows were just asked; raises Busy."""
        if who.credential.kind not in {API_KEY, OAUTH_TOKEN}:
            return self(who)
        try:
            return self._is_gone(who)
        except StateUnavailable as exc:
            raise Busy from exc

    def _is_over(self, credential: Credential, who: Caller) -> bool:
        if credential.kind == API_KEY:
            key = self._keys.by_id(credential.id or "")
            ended = key is None or key.status(self._clock()) is not KeyStatus.ACTIVE
            return ended or self._is_gone(who)
        if credential.kind == OAUTH_TOKEN:
            grant = self._grants.by_id(credential.id or "")
            over = grant is None or grant.status(self._clock()) is not GrantStatus.ACTIVE
            return over or self._is_gone(who)
        if credential.kind == DELEGATED_TOKEN:
            return _says(self._told, Principal(None, credential_id=credential.id))
        return self.revoked(
            Principal(
                user_id=who.user_id,
                session_id=credential.id,
                org_id=who.organization_id,
                issued_at=who.issued_at,
            )
        )

    def _is_gone(self, who: Caller) -> bool:
        return self._issuer is not None and self._issuer.gone(who.user_id, who.organization_id)


def _says(known: Revocation, who: Principal) -> bool:
    # What would have to be waited for can't be asked here, and counts as a yes.
    return known.revoked(who) is not False
