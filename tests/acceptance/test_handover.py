"""Many who claim at once, in several processes: one of them gets the workspace."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from doorward.client import Doorward, DoorwardError
from support import ServerProcess

CLAIMERS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("handover") / "data", "--workers", "2") as server:
        yield server


def client(server, name: str) -> Doorward:
    return Doorward(server.url, server.token(name))


def claim(one: Doorward, token: str) -> str:
    return outcome(lambda: one.claim_workspace(token))


def outcome(what) -> str:
    """What came of a call: ``done``, or the code of what refused it."""
    try:
        what()
    except DoorwardError as error:
        return error.code
    return "done"


def test_of_many_who_claim_at_once_exactly_one_owns_it(server):
    names = [f"claimer{number}" for number in range(CLAIMERS)]
    clients = [client(server, name) for name in names]
    with client(server, "alice") as alice, ThreadPoolExecutor(CLAIMERS) as pool:
        for one in clients:
            one.me()
        for _ in range(5):
            workspace = alice.create_workspace("Plans").id
            token = alice.offer_workspace(workspace).token

            claims = list(pool.map(lambda one, t=token: claim(one, t), clients))

            assert Counter(claims) == {"done": 1, "transfer_ended": CLAIMERS - 1}
            owners = [one.user_id for one in alice.members(workspace) if one.role == "owner"]
            assert len(owners) == 1
            assert owners[0].startswith("user_claimer")
            assert len(list(alice.members(workspace))) == 2
    for one in clients:
        one.close()


def test_a_claim_a_cancellation_and_the_loss_of_the_role_come_out_in_one_order(server):
    with (
        client(server, "alice") as alice,
        client(server, "bob") as bob,
        client(server, "carol") as carol,
        ThreadPoolExecutor(3) as pool,
    ):
        seen = set()
        for _ in range(12):
            workspace = alice.create_workspace("Plans").id
            alice.add_member(workspace, "user_carol", "owner")
            made = alice.offer_workspace(workspace)

            claimed = pool.submit(outcome, lambda t=made.token: bob.claim_workspace(t))
            cancelled = pool.submit(
                outcome, lambda w=workspace, t=made.id: carol.cancel_transfer(w, t)
            )
            removed = pool.submit(outcome, lambda w=workspace: carol.remove_member(w, "user_alice"))

            came = (claimed.result(), cancelled.result(), removed.result())
            seen.add(came)
            state = carol.transfer(workspace, made.id).state
            owners = {one.user_id for one in carol.members(workspace) if one.role == "owner"}
            if came[0] == "done":
                assert (came[1], state) == ("transfer_ended", "claimed")
                assert owners == {"user_bob", "user_carol"}
            else:
                assert came[:2] == ("transfer_ended", "done")
                assert state == "cancelled"
                assert owners == {"user_carol"}
            assert came[2] == "done"
        assert seen
