"""Doorward's verifier and Clerk's own JavaScript package, asked about the same tokens.

The default is enough for every run; ``make fuzz`` asks about many more, with another seed.
"""

import os
from collections import Counter

import pytest

from clerk.differential.generator import cases
from clerk.differential.peers import Compared, compare, missing
from clerk.differential.wanted import WANTED, wanted
from doorward.clerk.claims import Organization

COUNT = int(os.environ.get("DOORWARD_TEST_TOKENS", "2500"))
SEED = int(os.environ.get("DOORWARD_TEST_SEED", "1"))
_SHOWN_MAX = 20
_ORG_SCOPES = {"o", "ou", "uo"}

if missing():
    pytest.skip(f"LOUD: {missing()}; nothing is compared", allow_module_level=True)

pytestmark = pytest.mark.xdist_group("differential")  # the answers are gathered once


@pytest.fixture(scope="module")
def answers(issuer, stranger) -> list[Compared]:
    return compare(issuer, cases(issuer, stranger, SEED, COUNT))


@pytest.fixture(scope="module")
def accepted(answers) -> list[Compared]:
    return [one for one in answers if one.ours.claims is not None and one.clerks.ok]


def test_nothing_is_accepted_that_clerk_refuses(answers):
    assert shown(one for one in answers if one.ours.claims is not None and not one.clerks.ok) == []


def test_nothing_is_accepted_that_clerk_lets_no_request_in_with(answers):
    assert shown(one for one in answers if one.ours.claims is not None and not let_in(one)) == []


def test_every_disagreement_is_a_wanted_one(answers):
    assert shown(one for one in answers if not agree(one) and wanted(one) is None) == []


def test_what_is_to_be_refused_wherever_it_stands_is_accepted_nowhere(accepted):
    strict = [each.known for each in WANTED if each.always]

    assert shown(one for one in accepted if any(known(one) for known in strict)) == []


def test_every_wanted_disagreement_is_met(answers):
    met = {wanted(one).name for one in answers if not agree(one) and wanted(one)}

    assert met == {one.name for one in WANTED}


def test_what_is_remembered_of_a_token_changes_no_answer(answers):
    assert shown(one for one in answers if one.ours.again != one.ours.reason) == []


def test_who_the_caller_is_agrees(accepted):
    assert shown(one for one in accepted if who(one) != clerks_who(one)) == []


def test_the_active_organization_agrees_and_permissions_but_for_the_position_of_masks(accepted):
    readable = [one for one in accepted if "threw" not in one.clerks.session["auth"]]

    assert readable
    assert shown(one for one in readable if not organizations_agree(one)) == []


def test_both_answers_are_common_enough_to_be_compared(answers, accepted):
    figures = Counter(outcome(one) for one in answers)
    print(table(figures))

    assert figures.total() == COUNT
    assert len(accepted) > COUNT / 5
    assert figures["refused by both, same reason"] > COUNT / 10


def shown(found) -> list[Compared]:
    """Only so many, each by its recipe: never a token."""
    return list(found)[:_SHOWN_MAX]


def agree(one: Compared) -> bool:
    return one.clerks.reason == one.ours.reason


def let_in(one: Compared) -> bool:
    return one.clerks.session is not None and one.clerks.session["ok"]


def outcome(one: Compared) -> str:
    if agree(one):
        if one.clerks.ok and masks_differ(one):
            return "accepted by both, masks by another position"
        return "accepted by both" if one.clerks.ok else "refused by both, same reason"
    name = wanted(one).name if wanted(one) else "NOT WANTED"
    how = "Clerk accepts" if one.clerks.ok else "Clerk has another reason"
    return f"wanted: {name} ({how})"


def table(figures: Counter) -> str:
    lines = [f"{what:<58} {count:>7}" for what, count in sorted(figures.items())]
    total = f"{'tokens, seed ' + str(SEED):<58} {figures.total():>7}"
    return "\n".join(["", *lines, total])


def who(one: Compared) -> tuple:
    return one.ours.claims.user_id, one.ours.claims.session_id


def clerks_who(one: Compared) -> tuple:
    auth = one.clerks.session["auth"]
    if "threw" in auth:  # it does so of a malformed feature; there is nobody to compare with
        return who(one)
    return auth["userId"], text(auth.get("sessionId"))


def organizations_agree(one: Compared) -> bool:
    ours, clerks = one.ours.claims.organization, clerks_organization(one)
    if ours is None or clerks is None:
        return ours is clerks
    named = (ours.id, ours.slug, ours.role) == (clerks.id, clerks.slug, clerks.role)
    return named and (ours.permissions == clerks.permissions or mixes_scopes(one))


def clerks_organization(one: Compared) -> Organization | None:
    """Read Clerk's auth object; what is no text there is nothing here."""
    auth = one.clerks.session["auth"]
    if not text(auth.get("orgId")):
        return None
    held = auth.get("orgPermissions")
    listed = [name for name in held if isinstance(name, str)] if isinstance(held, list) else []
    role = text(auth.get("orgRole"))
    return Organization(auth["orgId"], text(auth.get("orgSlug")), role, tuple(listed))


def mixes_scopes(one: Compared) -> bool:
    """Say whether a feature that is not the organization's stands before one that is.

    Only there a mask's position among all features is not its position among the organization's.
    """
    scopes = [f.strip().partition(":")[0] for f in one.ours.claims.get("fea", "").split(",")]
    of_org = [scope in _ORG_SCOPES for scope in scopes]
    return False in of_org and True in of_org[of_org.index(False) :]


def masks_differ(one: Compared) -> bool:
    auth = one.clerks.session["auth"]
    ours, clerks = one.ours.claims.organization, clerks_organization(one)
    readable = "threw" not in auth and ours is not None and clerks is not None
    return readable and ours.permissions != clerks.permissions


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None
