"""An access token of an application, judged against the grant's row as it is now."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from doorward.server.keys.proving import KeyRefused
from doorward.server.oauth.model import GrantStatus
from doorward.server.oauth.ports import GrantIndex
from doorward.server.permission.caller import OAUTH_TOKEN, Caller, Credential, Origin
from doorward.server.permission.scopes import Scope
from doorward.server.problems import NotAuthenticated
from doorward.server.tokens.delegation import CHALLENGE


class GrantProver:
    """Says for whom an application acts, as what it was allowed stands now."""

    claim = "grant"
    """What tells these tokens from others of ours."""

    def __init__(self, index: GrantIndex) -> None:
        self._index = index

    def caller(self, claims: dict[str, Any], origin: Origin, now: datetime) -> Caller:
        """Give the person for whom an application acts; raises KeyRefused, Busy."""
        grant = self._index.by_id(claims["grant"])
        if grant is None or grant.status(now) is not GrantStatus.ACTIVE:
            problem = NotAuthenticated(reason="grant-ended", headers=CHALLENGE)
            raise KeyRefused(problem, Credential(OAUTH_TOKEN, claims["grant"]))
        scopes = frozenset(Scope(scope) for scope in claims["scope"].split())
        return replace(grant.caller(origin), scopes=scopes & grant.scopes)
