"""What a person sees of the applications that they allowed something, and ends."""

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.oauth.model import Grant
from doorward.server.oauth.ports import OAuthTx
from doorward.server.paging import Listed, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import GrantNotFound, Json


def list_grants(tx: OAuthTx, who: Caller, page: Page) -> Listed[Grant]:
    """List what the caller allowed applications and did not end, newest first."""
    rows = tx.grants.page(who.user_id, tx.now, page)
    return listed(rows, page, lambda grant: (grant.created_at.isoformat(), grant.id))


def revoke_grant(tx: OAuthTx, who: Caller, grant_id: str) -> None:
    """End what the caller allowed an application, with all that it bought; raises GrantNotFound."""
    grant = tx.grants.get(grant_id)
    if grant is None or grant.person.user_id != who.user_id:
        raise GrantNotFound
    tx.grants.revoke(grant_id, tx.now)
    record(tx, attempt_on(grant, Action.GRANT_REVOKE, who))


def end_grant(tx: OAuthTx, who: Caller, grant_id: str) -> None:
    """End a grant for whoever holds a token of it; one that is gone already is ended."""
    grant = tx.grants.get(grant_id)
    if grant is not None:
        tx.grants.revoke(grant_id, tx.now)
        record(tx, attempt_on(grant, Action.GRANT_REVOKE, who))


def attempt_on(grant: Grant, action: Action, who: Caller) -> Attempt:
    """Describe an attempt on a grant for the audit trail."""
    shown: dict[str, Json] = {"client": grant.client_id, "scopes": [*sorted(grant.scopes)]}
    if grant.workspaces is not None:
        shown["workspaces"] = [*sorted(grant.workspaces)]
    return Attempt(action, target_of_grant(grant), who, shown)


def target_of_grant(grant: Grant) -> Target:
    """Name a grant for the audit trail."""
    return Target(None, "grant", grant.id, grant.client_name)
