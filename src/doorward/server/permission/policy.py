"""The one decision: rights and an action in, allowed, refused or hidden out."""

from dataclasses import dataclass
from enum import StrEnum

from doorward.server.permission.actions import Action
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope


class Outcome(StrEnum):
    """What a decision comes to."""

    ALLOWED = "allowed"
    REFUSED = "refused"  # 403: the caller may know that the thing is there
    HIDDEN = "hidden"  # 404: the caller may not, and gets what a missing thing gets


@dataclass(frozen=True, slots=True)
class Rights:
    """What one credential brings to one workspace: every field can only narrow.

    ``role`` is None for a stranger to the workspace, ``workspaces`` is None for a credential
    that is not limited to some.
    """

    scopes: frozenset[Scope]
    role: Role | None = None
    workspaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, the rule that decided, and what was missing where something was."""

    outcome: Outcome
    rule: str
    missing: str | None = None

    @property
    def allowed(self) -> bool:
        """Say whether the action may go on."""
        return self.outcome is Outcome.ALLOWED


def decide(rights: Rights, action: Action, workspace_id: str | None = None) -> Decision:
    """Decide by intersection, so that no right makes up for another that is missing.

    Pure: no I/O and no clock, so any past decision can be replayed from its inputs. ``hidden``
    comes before ``refused``: a stranger never learns which scope would have been needed.
    """
    if action.role is not None and not _sees(rights, workspace_id):
        return Decision(Outcome.HIDDEN, "not-a-member")
    if action.scope not in rights.scopes:
        return Decision(Outcome.REFUSED, "scope-missing", f"scope {action.scope.value}")
    if action.role is not None and not _holds(rights, action.role):
        return Decision(Outcome.REFUSED, "role-too-weak", f"role {action.role.value}")
    return Decision(Outcome.ALLOWED, "scope-and-role" if action.role else "scope")


def _sees(rights: Rights, workspace_id: str | None) -> bool:
    if rights.role is None or workspace_id is None:
        return False
    return rights.workspaces is None or workspace_id in rights.workspaces


def _holds(rights: Rights, needed: Role) -> bool:
    return rights.role is not None and rights.role.covers(needed)
