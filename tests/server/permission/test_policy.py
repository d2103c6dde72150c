from hypothesis import given
from hypothesis import strategies as st

from doorward.server.permission.actions import Action
from doorward.server.permission.policy import Decision, Outcome, Rights, decide
from doorward.server.permission.roles import Role, strongest
from doorward.server.permission.scopes import ALL_SCOPES, Scope

rights = st.builds(
    Rights,
    scopes=st.frozensets(st.sampled_from(list(Scope))),
    role=st.none() | st.sampled_from(list(Role)),
    workspaces=st.none() | st.frozensets(st.sampled_from(["ws_1", "ws_2"])),
)
in_workspace = st.sampled_from([action for action in Action if action.role is not None])
actions = st.sampled_from(list(Action))


def test_a_stranger_is_told_nothing_but_that_there_is_nothing():
    decision = decide(Rights(ALL_SCOPES, None), Action.FILE_READ, "ws_1")

    assert decision == Decision(Outcome.HIDDEN, "not-a-member")


def test_a_stranger_without_the_scope_does_not_learn_which_scope_it_would_take():
    decision = decide(Rights(frozenset(), None), Action.FILE_READ, "ws_1")

    assert (decision.outcome, decision.missing) == (Outcome.HIDDEN, None)


def test_a_credential_for_other_workspaces_does_not_see_this_one():
    limited = Rights(ALL_SCOPES, Role.OWNER, frozenset({"ws_2"}))

    assert decide(limited, Action.FILE_READ, "ws_1").outcome is Outcome.HIDDEN
    assert decide(limited, Action.FILE_READ, "ws_2").allowed


def test_a_read_only_credential_of_an_owner_may_not_delete_and_is_told_the_missing_scope():
    reader = Rights(frozenset({Scope.FILES_READ}), Role.OWNER)

    decision = decide(reader, Action.FILE_DELETE, "ws_1")

    assert decision == Decision(Outcome.REFUSED, "scope-missing", "scope files:delete")


def test_a_viewer_with_every_scope_may_not_write_and_is_told_the_missing_role():
    decision = decide(Rights(ALL_SCOPES, Role.VIEWER), Action.FILE_UPDATE, "ws_1")

    assert decision == Decision(Outcome.REFUSED, "role-too-weak", "role editor")


def test_an_action_outside_workspaces_takes_its_scope_alone():
    assert decide(Rights(ALL_SCOPES), Action.WORKSPACE_CREATE).rule == "scope"
    assert decide(Rights(frozenset()), Action.WORKSPACE_CREATE).missing == (
        "scope workspaces:create"
    )


def test_an_action_in_a_workspace_without_one_named_is_hidden():
    assert decide(Rights(ALL_SCOPES, Role.OWNER), Action.FILE_READ).outcome is Outcome.HIDDEN


@given(rights, in_workspace)
def test_what_is_allowed_needs_membership_scope_and_role_all_three(who, action):
    allowed = decide(who, action, "ws_1").allowed

    member = who.role is not None and (who.workspaces is None or "ws_1" in who.workspaces)
    assert allowed == (member and action.scope in who.scopes and who.role.covers(action.role))


@given(rights, actions, st.frozensets(st.sampled_from(list(Scope))))
def test_fewer_scopes_never_allow_more(who, action, kept):
    fewer = Rights(who.scopes & kept, who.role, who.workspaces)

    assert decide(who, action, "ws_1").allowed or not decide(fewer, action, "ws_1").allowed


@given(rights, actions)
def test_a_refusal_names_what_is_missing_and_nothing_else_does(who, action):
    decision = decide(who, action, "ws_1")

    assert (decision.missing is not None) == (decision.outcome is Outcome.REFUSED)


def test_each_role_covers_itself_and_all_weaker_ones():
    for index, role in enumerate(Role):
        assert [other for other in Role if role.covers(other)] == list(Role)[: index + 1]


def test_the_strongest_of_no_roles_is_none():
    assert strongest([]) is None
    assert strongest([Role.VIEWER, Role.OWNER, Role.EDITOR]) is Role.OWNER


def test_every_action_has_its_own_name_and_can_be_found_by_it():
    assert {Action.named(action.name_) for action in Action} == set(Action)
