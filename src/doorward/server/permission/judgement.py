"""A decision with all that it was made from, so that it can be told and made again later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorward.server.permission.actions import Action
from doorward.server.permission.policy import Decision, Rights, Step, decide, explain
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import ALL_SCOPES, Scope

_ALL = "all"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was asked, of whom with which rights, and what was decided; nothing of it is secret."""

    action: Action
    workspace_id: str | None
    rights: Rights
    decision: Decision

    @classmethod
    def made(cls, rights: Rights, action: Action, workspace_id: str | None = None) -> "Judgement":
        """Decide, and keep what it was decided from."""
        return cls(action, workspace_id, rights, decide(rights, action, workspace_id))

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Judgement":
        """Read what ``stored`` gave, and decide again.

        Raises KeyError, ValueError for what this version does not know.
        """
        role, scopes, bound = stored["role"], stored["scopes"], stored["workspaces"]
        rights = Rights(
            ALL_SCOPES if scopes == _ALL else frozenset(Scope(scope) for scope in scopes),
            None if role is None else Role(role),
            None if bound is None else frozenset(bound),
        )
        return cls.made(rights, Action.named(stored["action"]), stored["workspace"])

    def stored(self) -> dict[str, Any]:
        """Give the judgement as JSON."""
        rights = self.rights
        return {
            "action": self.action.name_,
            "workspace": self.workspace_id,
            "role": rights.role,
            "scopes": _ALL if rights.scopes == ALL_SCOPES else sorted(rights.scopes),
            "workspaces": None if rights.workspaces is None else sorted(rights.workspaces),
            "rule": self.decision.rule,
        }

    def steps(self) -> list[Step]:
        """Tell the rules that were asked, in their order; the last is the one that decided."""
        return explain(self.rights, self.action, self.workspace_id)
