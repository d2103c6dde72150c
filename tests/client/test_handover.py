"""Hand-overs through both clients, against a real server."""

import asyncio

import pytest

from doorward.client import AsyncDoorward, Doorward, DoorwardError, NotFound, Preview
from support import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


def test_a_workspace_goes_there_and_back(server):
    with (
        Doorward(server.url, server.token("alice")) as alice,
        Doorward(server.url, server.token("bob")) as bob,
    ):
        workspace = alice.create_workspace("Plans").id
        made = alice.offer_workspace(workspace, to_user_id="user_bob", keeps="none")
        assert made.token not in repr(made)

        preview = bob.read_offer(made.token)
        done = bob.claim_workspace(made.token, preview_id=preview.preview_id)

        assert isinstance(preview, Preview)
        assert preview.owner_id == "user_bob"
        assert (done.state, done.claimed_by) == ("claimed", "user_bob")
        assert [one.id for one in bob.transfers(workspace)] == [made.id]
        with pytest.raises(NotFound):
            alice.workspace(workspace)
        assert alice.undo_transfer(workspace, made.id).state == "undone"
        assert alice.workspace(workspace).role == "owner"


def test_a_workspace_goes_there_and_back_on_an_event_loop(server):
    async def there_and_back():
        async with (
            AsyncDoorward(server.url, server.token("alice")) as alice,
            AsyncDoorward(server.url, server.token("bob")) as bob,
        ):
            workspace = (await alice.create_workspace("Plans")).id
            first = await alice.offer_workspace(workspace)
            await alice.cancel_transfer(workspace, first.id)
            with pytest.raises(DoorwardError, match="can't go on"):
                await bob.claim_workspace(first.token)
            made = await alice.offer_workspace(workspace, keeps="viewer", keeps_for=60)
            preview = await bob.read_offer(made.token)
            await bob.claim_workspace(made.token, preview_id=preview.preview_id)
            (kept,) = [one async for one in bob.members(workspace) if one.role == "viewer"]
            states = [one.state async for one in bob.transfers(workspace)]
            await bob.undo_transfer(workspace, made.id)
            return kept, states, (await alice.transfer(workspace, made.id)).state

    kept, states, state = asyncio.run(there_and_back())

    assert (kept.user_id, kept.expires_at is not None) == ("user_alice", True)
    assert (states, state) == (["claimed", "cancelled"], "undone")
