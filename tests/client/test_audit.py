"""Both clients read the trail, and export it so that it verifies."""

import asyncio

import pytest

from doorward.client import AsyncDoorward, Doorward
from doorward.client.errors import PermissionDenied
from doorward.server.audit.verifying import Report, check_export
from support import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


def sound(chunks: list[bytes]) -> bool:
    report = Report()
    check_export(b"".join(chunks).splitlines(keepends=True), None, {}, report)
    return report.sound and report.rows > 0


def test_the_client_reads_and_exports_the_trail(server):
    with Doorward(server.url, server.token("alice")) as alice:
        plans = alice.create_workspace("Plans")
        (made,) = alice.audit(workspace=plans.id, action="workspace:create")
        chunks = list(alice.export_audit(workspace=plans.id))

        with pytest.raises(PermissionDenied):
            list(alice.export_audit())

    assert (made.actor.id, made.resource.name) == ("user_alice", "Plans")
    assert made.chain == "user:user_alice"
    assert made.position
    assert sound(chunks)


def test_the_asynchronous_client_reads_and_exports_the_trail(server):
    async def run():
        async with AsyncDoorward(server.url, server.token("bob")) as bob:
            plans = await bob.create_workspace("Plans")
            found = [one async for one in bob.audit(workspace=plans.id)]
            chunks = [chunk async for chunk in bob.export_audit(workspace=plans.id)]
            with pytest.raises(PermissionDenied):
                _ = [chunk async for chunk in bob.export_audit()]
            return found, chunks

    found, chunks = asyncio.run(run())

    assert "workspace:create" in {one.action for one in found}
    assert sound(chunks)
