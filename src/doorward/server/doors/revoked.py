"""Whether a credential counts still: one judgement of tokens at hand and of what they bought."""

from doorward.clerk.revocation import Revocation
from doorward.clerk.state.record import StateUnavailable
from doorward.identity.principal import Principal
from doorward.server.permission.caller import Caller
from doorward.server.problems import Busy


class Revoked:
    """Asks everybody who may know: what Clerk told us, and the stand-in where one runs."""

    def __init__(self, *known: Revocation) -> None:
        self._known = known

    def revoked(self, who: Principal) -> bool:
        """Say whether the credential at hand is revoked now; raises StateUnavailable."""
        # What would have to be waited for can't be asked here, and counts as a yes.
        return any(one.revoked(who) is not False for one in self._known)

    def __call__(self, who: Caller) -> bool:
        """Say whether the credential that bought something is revoked now; raises Busy."""
        bought_with = Principal(
            user_id=who.user_id,
            session_id=who.credential.id,
            org_id=who.organization_id,
            issued_at=who.issued_at,
        )
        try:
            return self.revoked(bought_with)
        except StateUnavailable as exc:
            raise Busy from exc
