"""The one decision: rights and an action in, allowed, refused or hidden out."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that was asked: what it looks at, and whether it was passed."""

    rule: str
    asks: str
    passed: bool


def decide(rights: Rights, action: Action, workspace_id: str | None = None) -> Decision:
    """Decide by intersection, so that no right makes up for another that is missing.

    Pure: no I/O and no clock, so any past decision can be replayed from its inputs. ``hidden``
    comes before ``refused``: a stranger never learns which scope would have been needed.
    """
    for rule in _RULES:
        if not rule.passes(rights, action, workspace_id):
            return Decision(rule.otherwise, rule.name, rule.missing(action))
    return Decision(Outcome.ALLOWED, "scope-and-role" if action.role else "scope")


def explain(rights: Rights, action: Action, workspace_id: str | None = None) -> list[Step]:
    """Tell the rules that deciding asks, in their order, until one is not passed."""
    steps: list[Step] = []
    for rule in _RULES:
        passed = rule.passes(rights, action, workspace_id)
        steps.append(Step(rule.name, rule.asks(action), passed))
        if not passed:
            break
    return steps


class _Rule(NamedTuple):
    """A rule that can only take away: ``otherwise`` is what comes of not passing it."""

    name: str
    passes: Callable[[Rights, Action, str | None], bool]
    otherwise: Outcome
    missing: Callable[[Action], str | None]
    asks: Callable[[Action], str]


def _is_member(rights: Rights, action: Action, workspace_id: str | None) -> bool:
    return action.role is None or (rights.role is not None and workspace_id is not None)


def _reaches(rights: Rights, action: Action, workspace_id: str | None) -> bool:
    return action.role is None or rights.workspaces is None or workspace_id in rights.workspaces


def _is_unbounded(rights: Rights, action: Action, workspace_id: str | None) -> bool:
    """What is made by a credential that is bound to workspaces would lie outside of them."""
    del workspace_id
    return action is not Action.WORKSPACE_CREATE or rights.workspaces is None


def _has_scope(rights: Rights, action: Action, workspace_id: str | None) -> bool:
    del workspace_id
    return action.scope is None or action.scope in rights.scopes


def _holds(rights: Rights, action: Action, workspace_id: str | None) -> bool:
    del workspace_id
    return action.role is None or (rights.role is not None and rights.role.covers(action.role))


def _scope_of(action: Action) -> str | None:
    return f"scope {action.scope.value}" if action.scope else None


def _role_of(action: Action) -> str | None:
    return f"role {action.role.value}" if action.role else None


_RULES = (
    _Rule(
        "not-a-member",
        _is_member,
        Outcome.HIDDEN,
        lambda _: None,
        lambda _: "a role in the workspace",
    ),
    _Rule(
        "outside-its-workspaces",
        _reaches,
        Outcome.HIDDEN,
        lambda _: None,
        lambda _: "a credential that reaches the workspace",
    ),
    _Rule(
        "scope-missing",
        _has_scope,
        Outcome.REFUSED,
        _scope_of,
        lambda action: _scope_of(action) or "no scope",
    ),
    _Rule(
        "bound-to-workspaces",
        _is_unbounded,
        Outcome.REFUSED,
        lambda _: "credential that is not bound to workspaces",
        lambda _: "a credential that is not bound to workspaces, where one is to be made",
    ),
    _Rule(
        "role-too-weak",
        _holds,
        Outcome.REFUSED,
        _role_of,
        lambda action: _role_of(action) or "no role",
    ),
)
