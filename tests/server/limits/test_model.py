from doorward.server.limits.model import Bucket, bucket_named, bucket_of, rate_of
from doorward.server.permission.actions import Action
from doorward.server.permission.budgets import NO_BUDGETS, Budgets, Spent

BUCKETS = {
    "upload:create": Bucket.UPLOADS,
    "upload:import": Bucket.UPLOADS,
    "upload:renew": Bucket.LINKS,
    "link:create": Bucket.LINKS,
    "file:delete": Bucket.DELETES,
    "workspace:delete": Bucket.DELETES,
    "member:remove": Bucket.DELETES,
    "upload:abort": Bucket.DELETES,
    "link:kill": Bucket.DELETES,
    "webhook:delete": Bucket.DELETES,
    "search:query": Bucket.SEARCH,
    "token:exchange": Bucket.TOKENS,
    "ticket:create": Bucket.TOKENS,
    "key:create": Bucket.TOKENS,
    "token:revoke": None,
    "key:read": None,
    "file:read": None,
    "workspace:create": None,
}


def test_actions_draw_from_buckets_by_the_words_of_their_names_later_ones_too():
    assert {name: bucket_named(name) for name in BUCKETS} == BUCKETS
    assert bucket_of(None) is None


def test_everything_that_deletes_is_counted_as_a_delete():
    words = ("delete", "remove", "kill", "abort", "purge")
    deleting = [action for action in Action if action.name_.endswith(words)]

    assert deleting
    assert {bucket_of(action) for action in deleting} == {Bucket.DELETES}


def test_budgets_survive_being_stored():
    budgets = Budgets(bytes=1 << 40, deletes=0)

    assert Budgets.of(budgets.stored()) == budgets
    assert NO_BUDGETS.stored() is None
    assert Budgets.of(None) == Budgets.of({}) == NO_BUDGETS
    assert Budgets.of({"calls": 5}) == Budgets(calls=5)


def test_of_two_budgets_the_smaller_counts():
    ours, theirs = Budgets(bytes=10, calls=5), Budgets(calls=9, links=0)

    assert ours.within(theirs) == Budgets(bytes=10, calls=5, links=0)
    assert rate_of(ours, Spent.LINKS) is None
    assert rate_of(ours, Spent.CALLS).burst == 5
